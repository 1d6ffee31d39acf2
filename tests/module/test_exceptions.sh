# SPDX-License-Identifier: Apache-2.0
# What is one and what is not, and what the program gets.
probe=/sys/module/probe/parameters
echo 0 >/proc/sys/vm/mmap_min_addr # for 16-bit addressing

begin baseline
encodings32 signal
for what in bndcl bndcu bndcn ud1 ud1-overflow ud2; do traps64 $what signal; done >/tmp/traps.before
cat /tmp/traps.before
for what in prefixes unmapped protected straddling killed forged int5 into read-null user-segv; do
  echo "$what: $(near32 $what 2>&1)"
done >/tmp/near.before
end

insmod /modules/kebound.ko

for kind in 0 1; do
  test "$kind" = 0 && words=sleepable || words=atomic

  begin exceptions/$words
  insmod /modules/probe.ko atomic=$kind answer=0
  encodings32 signal
  check "each encoding was asked about once" "$(($(cat $probe/calls) > 40))" 1
  echo 1 >$probe/answer
  before=$(cat $probe/calls)
  encodings32 step
  check "the last one was read right" "$(cat $probe/last)" 1,2,4,12,0,0,1
  echo 0 >$probe/answer

  for what in bndcl bndcu bndcn ud1 ud1-overflow ud2; do traps64 $what signal; done >/tmp/traps.now
  check "64-bit code gets the signals that it gets without" "$(cmp /tmp/traps.before /tmp/traps.now && echo same)" same
  before=$(cat $probe/calls)
  for what in ud1-overflow ud2; do traps64 $what signal >/dev/null; done
  check "other invalid opcodes are not asked about" "$(($(cat $probe/calls) - before))" 0
  echo 1 >$probe/answer
  for what in bndcl bndcu bndcn; do
    check "$what is stepped over" "$(traps64 $what step)" "stepped over"
  done
  check "MPX is there, and each check fails" "$(grep -c 'trap 5' /tmp/traps.before)" 3
  check "the source is MPX" "$(cut -d, -f1 $probe/last)" 10
  check "a compiler's trap is not stepped over" "$(traps64 ud1 step)" "signal 4 code 2 address ip trap 6 error 0 at site"
  check "and says that it cannot be resumed" "$(cut -d, -f1,7 $probe/last)" 2,0

  before=$(cat $probe/calls)
  for what in prefixes unmapped protected straddling killed forged int5 into read-null user-segv; do
    echo "$what: $(near32 $what 2>&1)"
  done >/tmp/near.now
  check "what looks like one and is none is left alone" "$(cmp /tmp/near.before /tmp/near.now && echo same)" same
  check "and nobody is asked about it" "$(($(cat $probe/calls) - before))" 0

  echo 2 >$probe/answer
  encodings32 step >/dev/null
  check "Error kills" $? 137
  rmmod probe
  end
done

begin exceptions/invalid-answer
insmod /modules/probe.ko answer=7
encodings32 step >/dev/null
check "an answer that is none kills" $? 137
encodings32 signal
rmmod probe
end

begin exceptions/left-behind
for kind in 0 1; do
  insmod /modules/leaver.ko atomic=$kind
  rmmod leaver
  check "the module is gone" $? 0
  encodings32 signal
done
end

begin drivers/count
insmod /modules/count.ko
encodings32 signal
rmmod count
end

begin drivers/repair
insmod /modules/repair.ko
check "the index is repaired" "$(pick)" "$(printf 'square 3 is 9\nsquare 12 is 81\ndone')"
rmmod repair
end

rmmod kebound
