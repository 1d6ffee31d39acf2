# SPDX-License-Identifier: Apache-2.0
# kebound monitor reads of exceptions in files that are others by then. wrong_pick is pick with another name for the
# function that fails: the same code at the same place, so that only its build, or the file's identity, tells them apart.
begin monitor/replaced
insmod /modules/kebound.ko
for name in same replaced gone; do cp /bin/pick /tmp/$name; done
cp /bin/pick_without_id /tmp/without_id
kebound monitor --report jsonl -o /tmp/replaced.jsonl &
monitor=$!
sleep 4
events_of() { grep '"event":"bound-exception".*"module":"/tmp/'$1'"' /tmp/replaced.jsonl; }
wait_for_events() { # HOW-MANY
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    test "$(grep -c '"event":"bound-exception"' /tmp/replaced.jsonl)" = "$1" && return
    sleep 0.5
  done
}
kill -STOP $monitor
for name in same replaced without_id; do /tmp/$name >/dev/null 2>&1; done
for pair in replaced:wrong_pick without_id:wrong_pick_without_id; do
  cp /bin/${pair#*:} /tmp/new
  mv /tmp/new /tmp/${pair%:*}
done
kill -CONT $monitor
wait_for_events 3
cat /tmp/replaced.jsonl
id=$(events_of same | sed 's/.*"build_id":"\([0-9a-f]*\)".*/\1/')
offset=$(events_of same | sed 's/.*"module_offset":"\(0x[0-9a-f]*\)".*/\1/')
check "a file that is the same names the function of a process that is gone" "$(events_of same | grep -c '"symbol":"pick"')" 1
check "the build ID is known" "${#id}" 40
check "a replaced file names none, but the place and the build" \
  "$(events_of replaced | grep -c '"module_offset":"'$offset'","build_id":"'$id'","symbol":null')" 1
check "one without a build ID names none either" \
  "$(events_of without_id | grep -c '"module_offset":"0x[0-9a-f]*","build_id":null,"symbol":null')" 1
check "nothing has a wrong name" "$(grep -c wrong_function /tmp/replaced.jsonl)" 0
check "and it is said of both" "$(grep -c '"rule":"image-changed"' /tmp/replaced.jsonl)" 2
check "with both build IDs" \
  "$(grep -c '"message":"/tmp/replaced is not .* that had build ID '$id', this one has build ID ' /tmp/replaced.jsonl)" 1

# The debug file of the build that was there.
folder=/usr/lib/debug/.build-id/${id%${id#??}}
mkdir -p $folder
cp /bin/pick $folder/${id#??}.debug
kill -STOP $monitor
/tmp/gone >/dev/null 2>&1
rm /tmp/gone
/tmp/replaced >/dev/null 2>&1
kill -CONT $monitor
wait_for_events 5
cat /tmp/replaced.jsonl | tail -4
check "a debug file of the build has the name" "$(grep '"event":"bound-exception".*"thread_name":"gone"' /tmp/replaced.jsonl | grep -c '"symbol":"pick"')" 1
check "the other build has its own name at the same place" \
  "$(events_of replaced | grep -c '"module_offset":"'$offset'".*"symbol":"wrong_function"')" 1
kill $monitor
wait
rm -r /usr/lib/debug /tmp/replaced.jsonl
rmmod kebound
end
