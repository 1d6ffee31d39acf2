# SPDX-License-Identifier: Apache-2.0
# Compilers' checks: index and limits of each, handled with the nearest index; and traps that are none.
corrector=/sys/module/corrector/parameters

begin checks/baseline
assertion64 >/tmp/assertion.before
cat /tmp/assertion.before
check "the assertion ends in its trap" "$(grep -c 'signal 4 errno 0 code 2 address trap' /tmp/assertion.before)" 1
end

insmod /modules/kebound.ko

begin checks/corrected
insmod /modules/corrector.ko
for program in index64 index64-O0 index32-O0 gcc64 gcc64-O0 gcc32 gcc32-O0; do
  case $program in index*) told=2,2 ;; *) told=3,2 ;; esac
  check "$program passes" "$($program 3)" 9
  for index in 12 10 1000000 -1; do
    check "$program $index goes on with the nearest" "$($program $index)" "$(test $index = -1 && echo 0 || echo 81)"
    check "$program $index is told with its limits" "$(cat $corrector/last)" "$told,$index,0,9,1,0"
  done
done
check "none was refused" "$(cat $corrector/refused)" 0
rmmod corrector
end

begin checks/driver
insmod /modules/nearest.ko
check "an NT driver corrects the compare's register" "$(index64 12)" 81
check "and that of a ud2" "$(gcc64 12)" 81
rmmod nearest
end

begin checks/none
insmod /modules/probe.ko answer=1
device read 4 >/tmp/none.records &
until grep -q ready /tmp/none.records; do sleep 0.1; done
assertion64 >/tmp/assertion.now
check "an assertion gets the signal of a kernel without the module" "$(cmp /tmp/assertion.before /tmp/assertion.now && echo same)" same
check "and nobody was asked" "$(cat /sys/module/probe/parameters/calls)" 0
# What is handled without a corrected index is asked again; what is stepped over is refused: there is no code behind a trap.
echo 0 >/sys/module/probe/parameters/answer
gcc64 12 >/dev/null
check "a failed check that nobody handles is the program's signal" $? 132
check "after it was asked about" "$(cat /sys/module/probe/parameters/calls)" 1
wait
check "the reader saw that one" "$(tail -1 /tmp/none.records | cut -d' ' -f1-2)" "records 1"
rmmod probe
end

begin checks/many
# More address spaces at once than there are places to work in, each of them with other code at the same addresses.
insmod /modules/corrector.ko
for round in 1 2 3 4; do
  for program in index64 index64-O0 index32-O0 gcc64 gcc64-O0 gcc32; do
    (check "$program of many" "$($program 12)" 81) &
  done
done
wait
rmmod corrector
end

begin checks/hostile
# Images that are rewritten, unmapped and replaced while their checks are analysed and corrected.
insmod /modules/corrector.ko
insmod /modules/churn.ko
device read 6 >/dev/null &
device as 1000 hostile_checks64 6 1 &
hostile_checks64 6 "$((${hostile_seed:-1} + 1))" &
hostile_checks32 6 "${hostile_seed:-1}" &
wait
echo "@hostile checks corrected $(cat $corrector/corrected) refused $(cat $corrector/refused)"
# How many depends on the machine: a kernel that checks itself is thirty times slower.
check "indices were corrected" "$(($(cat $corrector/corrected) > 0))" 1
check "no callback ran after its deregistration had returned" "$(cat /sys/module/churn/parameters/late)" 0
check "what is none is none as ever" "$(assertion64 | cmp - /tmp/assertion.before && echo same)" same
check "and a check is corrected" "$(gcc64 12)" 81
rmmod churn
rmmod corrector
end

rmmod kebound
