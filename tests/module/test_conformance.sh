# SPDX-License-Identifier: Apache-2.0
# Each case with a module, a driver and a program of its own. cases.txt: NAME PROFILE MARKED LIVELOCK
while read -r name profile marked livelock; do
  begin "conformance/$name"
  insmod /modules/kebound.ko profile="$profile" livelock_limit="$livelock"
  insmod /modules/kebound_conformance.ko case="$name" integritycheck="$marked" 2>/dev/null
  loaded=$?
  echo "@loaded $loaded"
  if [ $loaded = 0 ]; then
    conformance_guest /dev/kebound-conformance
    rmmod kebound_conformance
  fi
  rmmod kebound
  check "the module can be unloaded" $? 0
  end
done </tests/cases.txt
