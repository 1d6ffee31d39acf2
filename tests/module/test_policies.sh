# SPDX-License-Identifier: Apache-2.0
# Policies by cgroup, and together with users, programs and rates. Two groups, one below the first, and one whose name
# only begins like it.
echo 0 >/proc/sys/vm/mmap_min_addr
begin policies/cgroup
insmod /modules/kebound.ko
mkdir /tmp/cgroup
mount -t cgroup2 none /tmp/cgroup
check "there are cgroups" $? 0
mkdir /tmp/cgroup/inside /tmp/cgroup/inside/below /tmp/cgroup/inside-not /tmp/cgroup/other

within() { # GROUP PROGRAM [ARG]...
  sh -c 'echo $$ >/tmp/cgroup/$0/cgroup.procs && exec "$@"' "$@"
}

device policy 1 0xffffffff 0 "" /inside
within inside encodings32 step
within inside/below encodings32 step
within inside-not encodings32 signal
within other encodings32 signal
encodings32 signal
within inside traps64 ud1 signal # which cannot be stepped over

# Who is moved: what counts is where it is when it happens.
within inside sh -c 'pick >/dev/null; echo $$ >/tmp/cgroup/other/cgroup.procs; pick >/dev/null; echo $?' >/tmp/moved
check "moved out of the group" "$(cat /tmp/moved)" 139
within other sh -c 'echo $$ >/tmp/cgroup/inside/cgroup.procs; pick >/dev/null; echo $?' >/tmp/moved
check "moved into the group" "$(cat /tmp/moved)" 0
device clear

# The first that fits decides: an exception for the group below.
device policy 0 0xffffffff 0 "" /inside/below
device policy 2 0xffffffff 0 "" /inside
within inside pick >/dev/null
check "a program in the group is terminated" $? 137
within inside/below encodings32 signal
within other encodings32 signal
device clear
# A group that there is not, and all.
device policy 2 0xffffffff 0 "" /nowhere
within inside encodings32 signal
encodings32 signal
device clear
device policy 1 0xffffffff 0 "" /
within other encodings32 step
encodings32 step
device clear
end

begin policies/together
# User and group.
device policy 1 1000 0 "" /inside
within inside device as 1000 encodings32 step
within inside device as 1001 encodings32 signal
within other device as 1000 encodings32 signal
device clear
# Program and group: another file with the same contents is another program, another name of the same file is not.
cp /bin/pick /tmp/pick
ln -s /bin/pick /tmp/link
device policy 1 0xffffffff 0 /bin/pick /inside
within inside pick >/dev/null
check "the program in the group" $? 0
within inside /tmp/link >/dev/null
check "under another name" $? 0
within inside /tmp/pick >/dev/null
check "a copy of the program in the group" $? 139
within other pick >/dev/null
check "the program in another group" $? 139
within inside encodings32 signal
device clear
# Rate: two, and no third in that second; what does not fit does not count; a second later again.
device policy 1 0xffffffff 2 "" /inside
within other encodings32 signal
within inside sh -c 'pick; echo $?; pick; echo $?; pick; echo $?' 2>/dev/null | grep -E '^(0|139)$' | tr '\n' ' ' >/tmp/rate
check "two of three" "$(cat /tmp/rate)" "0 0 139 "
sleep 2
within inside pick >/dev/null
check "again a second later" $? 0
device clear
rmmod kebound
umount /tmp/cgroup
end
