# SPDX-License-Identifier: Apache-2.0
# Runs in the machine of bench/module/run, one processor, whose time is counted instructions.
cost() { # WORDS MODE
  echo "@cost $1: $(cost32 2000 "$2")"
}

check_cost() { # WORDS MODE
  echo "@cost $1: $(cost_check 1000 "$2")"
}

begin cost
check_cost "a ud2 that is no check, SIGILL and a handler, without the module" ud2
cost "a BOUND that passes, without the module" none
cost "SIGSEGV and a handler that returns, without the module" signal
insmod /modules/kebound.ko
cost "a BOUND that passes, with the module" none
cost "SIGSEGV and a handler, the module loaded and nobody registered" signal
insmod /modules/probe.ko atomic=1 answer=1
cost "handled by an atomic callback" handled
rmmod probe
insmod /modules/probe.ko atomic=0 answer=1
cost "handled by a callback that may sleep" handled
device sleep 600 >/dev/null &
sleep 1
cost "the same with a reader of /dev/kebound that has fallen behind" handled
kill $!
wait
echo 0 >/sys/module/probe/parameters/answer
cost "asked, nobody's, and then SIGSEGV and a handler" signal
rmmod probe
insmod /modules/corrector.ko
check_cost "a compiler's check, the first time it fails" first
check_cost "a compiler's check, handled by a callback that may sleep" handled
check_cost "a ud2 that is no check, looked at, SIGILL and a handler" ud2
rmmod corrector
rmmod kebound
end
