#!/bin/busybox sh
# SPDX-License-Identifier: Apache-2.0
#
# The first program of the test machine. Everything goes to the serial line, in lines that guest_log.py reads:
#   @begin NAME / @end NAME    around what belongs to a test; the kernel's log of that time comes before @end
#   @check ok|FAILED WORDS     one statement within a test
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t tmpfs tmp /tmp
echo 0 >/proc/sys/kernel/printk_ratelimit_burst
dmesg -n 1
dmesg -c >/dev/null

begin() {
  test_name=$1
  dmesg -c >/dev/null
  echo "@begin $test_name"
}
end() {
  dmesg -c | sed 's/^/@log /'
  read -r up rest </proc/uptime
  echo "@end $test_name $up"
}
check() { # WORDS GOT WANTED
  if [ "$2" = "$3" ]; then echo "@check ok $1"; else echo "@check FAILED $1: $2, wanted $3"; fi
}

for part in /tests/*.sh; do . "$part"; done

read -r up rest </proc/uptime
echo "@done $up"
poweroff -f
