#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks objects compiled with kernel flags. usage: kernel_objects.py NM READELF OBJECT...

All that they leave undefined must be the pal's functions, the four mem functions that a compiler calls by itself, or
defined by another of them; nothing may run before main.
"""
import re
import subprocess
import sys

PAL = re.compile(r"^kebound::pal::\w+\(")
MEM = {"memcpy", "memset", "memmove", "memcmp"}
STARTUP = re.compile(r"\.(init_array|ctors|preinit_array|tdata|tbss|eh_frame|gcc_except_table)\b")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def check(nm, readelf, objects):
    problems = []
    defined, undefined = set(), set()
    for path in objects:
        for line in output(nm, "-C", path).splitlines():
            kind, name = re.match(r"[0-9a-f]*\s+(\w)\s+(.*)", line).groups()
            (undefined if kind in "Uw" else defined).add(name)
        for section in STARTUP.finditer(output(readelf, "-SW", path)):
            problems.append(f"{path}: has a section {section.group(0)}")
    for name in sorted(undefined - defined):
        if name not in MEM and not PAL.match(name):
            problems.append(f"undefined: {name}")
    if not any("dispatch" in name for name in defined):
        problems.append("no dispatch was instantiated: this check looks at nothing")
    return problems


if __name__ == "__main__":
    found = check(sys.argv[1], sys.argv[2], sys.argv[3:])
    print("\n".join(found))
    sys.exit(1 if found else 0)
