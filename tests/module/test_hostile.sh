# SPDX-License-Identifier: Apache-2.0
# Hostile user code around the trap and nonsense for the device, while callbacks of both kinds answer by chance and others
# come and go. The programs say what they tried and fail if anything was never tried; the kernel's log has to stay clean.
# hostile_seconds=N and hostile_seed=N on the kernel's command line: longer, and otherwise.
seconds=${hostile_seconds:-20}
seed=${hostile_seed:-1}

begin hostile
insmod /modules/kebound.ko livelock_limit=1000
insmod /modules/meddler.ko
insmod /modules/churn.ko
hostile_device "$seconds" "$seed" &
device as 1000 hostile_device "$seconds" $((seed + 1)) &
hostile32 "$seconds" "$seed" &
hostile64 "$seconds" "$seed" &
wait
echo "@hostile seed $seed"
never=
for counter in continued handled edited killed read_user; do
  value=$(cat /sys/module/meddler/parameters/$counter)
  echo "@hostile callbacks $counter $value"
  case ,$value, in *,0,*) never="$never $counter" ;; esac
done
check "callbacks of both kinds gave every answer" "$never" ""
check "no callback ran after its deregistration had returned" "$(cat /sys/module/churn/parameters/late)" 0
rmmod churn
rmmod meddler
check "the callbacks can be unloaded" $? 0

# Everything is as before.
device clear
encodings32 signal
traps64 ud1 signal
insmod /modules/probe.ko answer=1
encodings32 step
rmmod probe
insmod /modules/probe.ko answer=1 atomic=1
encodings32 step
rmmod probe
rmmod kebound
check "the module can be unloaded" $? 0
end
