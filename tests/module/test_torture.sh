# SPDX-License-Identifier: Apache-2.0
# Two faulting threads while callbacks and drivers come and go.
churning() { # SECONDS DRIVER
  insmod /modules/churn.ko
  faulting32 2 "$1" &
  end_at=$(($(cut -d. -f1 /proc/uptime) + $1))
  cycles=0
  while [ -n "$2" ] && [ "$(cut -d. -f1 /proc/uptime)" -lt $end_at ]; do
    insmod /modules/$2.ko && rmmod $2 || echo "@check FAILED a driver can be loaded and unloaded"
    cycles=$((cycles + 1))
  done
  wait
  late=$(cat /sys/module/churn/parameters/late)
  rounds=$(cat /sys/module/churn/parameters/rounds)
  calls=$(cat /sys/module/churn/parameters/calls)
  rmmod churn
  echo "@torture seconds $1 rounds $rounds calls $calls late $late cycles $cycles"
}

begin torture
insmod /modules/kebound.ko
churning 30 count
check "no callback ran after its deregistration had returned" "$late" 0
check "there was something to see" "$((rounds > 100 && calls > 100 && cycles > 10))" 1
rmmod kebound
check "the module can be unloaded" $? 0
end

# The same with a module whose deregistration does not wait: the test would have seen it. Without a driver that is unloaded:
# what the first statement above forbids is fatal there.
# A kernel made for debugging would complain of it, rightly, and has no eye for others then.
if [ ! -e /proc/lockdep_stats ]; then
  begin torture-mutant
  insmod /modules/kebound_mutant.ko
  churning 6
  check "late callbacks are seen" "$((late > 0))" 1
  rmmod kebound_mutant
  end
fi
