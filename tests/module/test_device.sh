# SPDX-License-Identifier: Apache-2.0
# /dev/kebound: who sees what, policies, and arguments of all kinds.
insmod /modules/kebound.ko
echo 0 >/proc/sys/vm/mmap_min_addr

begin device/arguments
device args
end

begin device/visibility
device read 4 >/tmp/of-root &
device as 1000 device read 4 >/tmp/of-1000 &
until grep -q ready /tmp/of-root && grep -q ready /tmp/of-1000; do sleep 0.1; done
device as 1000 encodings32 signal
device as 1001 encodings32 signal
wait
count=$(device as 1000 encodings32 signal | sed -n 's/.* ok \([0-9]*\) enc.*/\1/p')
check "root sees both users" "$(tail -1 /tmp/of-root)" "records $((2 * count)) dropped none gaps 0"
check "a plain user sees its own" "$(tail -1 /tmp/of-1000)" "records $count dropped none gaps 0"
end

# A small ring: an emulator raises few exceptions a second.
rmmod kebound
insmod /modules/kebound.ko ring_records=16
begin device/slow-reader
device sleep 3 >/tmp/slow &
until grep -q ready /tmp/slow; do sleep 0.1; done
faulting32 2 1
wait
check "a slow reader keeps what it has room for and knows of the rest" "$(tail -1 /tmp/slow | cut -d' ' -f1-4)" "records 16 dropped some"
end
rmmod kebound
insmod /modules/kebound.ko

begin device/policies
device policy 1 1000 0
device as 1000 encodings32 step
device as 1001 encodings32 signal
device clear
device policy 2 0xffffffff 0 /bin/pick
pick >/dev/null
check "a program is terminated" $? 137
encodings32 signal
device clear
device policy 1 0xffffffff 1
pick >/dev/null
check "within the rate" $? 0
encodings32 step >/dev/null
check "and beyond it" $? 1
device clear
traps64 ud1 signal
end

begin device/fuzz
device fuzz 4 1 &
device fuzz 4 2 &
faulting32 1 3
wait
end

rmmod kebound
