# SPDX-License-Identifier: Apache-2.0
# kebound monitor over the device: a BOUND and a compiler's check, of two users.
begin monitor
insmod /modules/kebound.ko
kebound monitor --report jsonl -o /tmp/root.jsonl &
root=$!
device as 1000 kebound monitor --report text -o - >/tmp/plain.txt &
plain=$!
sleep 4
device as 1000 pick
device as 1001 index64 12
sleep 3
kill $root $plain
wait
cat /tmp/root.jsonl /tmp/plain.txt
check "root sees the BOUND with its function" "$(grep -c '"symbol":"pick".*' /tmp/root.jsonl)" 1
check "and the compiler's check of another user" "$(grep '"source":"clang-trap"' /tmp/root.jsonl | grep -c '"symbol":"square_of"')" 1
check "with index and limits" "$(grep '"source":"clang-trap"' /tmp/root.jsonl | grep -c '"index":12,"lower":0,"upper":9,"confidence":"certain"')" 1
check "a plain user sees its own" "$(grep -c 'bound exception: index 12 outside \[0, 9\] in pick()' /tmp/plain.txt)" 1
check "and nothing of others" "$(grep -c square_of /tmp/plain.txt)" 0
rmmod kebound
end
