#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""boot.py: boots a kernel of hosts/bare in QEMU, once, and keeps what it said on its serial line for judge.py.

The machine is emulated: neither KVM nor root is needed."""
import argparse
import subprocess
import sys
import time

GOOD = 33  # of isa-debug-exit: what the kernel writes there, twice and one


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--qemu", default="qemu-system-x86_64")
    parser.add_argument("--kernel", required=True, help="the .bin of a kernel")
    parser.add_argument("--log", required=True)
    parser.add_argument("--append", default="", help="the kernel's command line")
    parser.add_argument("--icount", action="store_true", help="count instructions instead of time")
    parser.add_argument("--timeout", type=int, default=100)
    arguments = parser.parse_args()
    words = [arguments.qemu, "-accel", "tcg", "-cpu", "max", "-smp", "1", "-m", "64", "-nodefaults", "-nographic",
             "-no-reboot", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=4",
             "-kernel", arguments.kernel, "-append", arguments.append]
    if arguments.icount:
        words += ["-icount", "shift=0,sleep=off"]
    began = time.monotonic()
    with open(arguments.log, "wb") as out:
        try:
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                    timeout=arguments.timeout, check=False).returncode
        except subprocess.TimeoutExpired:
            status = None
    with open(arguments.log, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    done = status == GOOD and any(line.startswith("@done") for line in lines)
    print(f"{'done' if done else 'NOT DONE'} after {time.monotonic() - began:.1f} s, qemu ended with {status}; the log is {arguments.log}")
    if not done:
        print("\n".join(lines[-60:]))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
