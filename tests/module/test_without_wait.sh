# SPDX-License-Identifier: Apache-2.0
# test_torture.sh's teeth: the same with a module whose deregistration does not wait. Without a driver that is unloaded: what
# the first statement there forbids is fatal. Behind all others, and not on a kernel made for debugging: whatever that
# module does to the kernel, nobody else is to be blamed for.
if [ ! -e /proc/lockdep_stats ]; then
  begin torture-mutant
  insmod /modules/kebound_mutant.ko
  churning 6
  check "late callbacks are seen" "$((late > 0))" 1
  rmmod kebound_mutant
  end
fi
