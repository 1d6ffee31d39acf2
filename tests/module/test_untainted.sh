# SPDX-License-Identifier: Apache-2.0
# The last part: what happened between the others' logs, and what a kernel says once and then no more.
begin kernel
# 4096, 8192: modules from outside of its tree, unsigned. All others are a complaint: 512 a warning, 32 KASAN, 128 an oops.
check "the kernel has nothing to complain about" $(($(cat /proc/sys/kernel/tainted) & ~12288)) 0
if [ -e /proc/lockdep_stats ]; then
  check "lockdep is still at it" "$(sed -n 's/^ *debug_locks: *//p' /proc/lockdep_stats)" 1
fi
end
