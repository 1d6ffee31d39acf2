#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds and runs the shapes with one compiler, at all levels and in both sizes, and prints a table.

usage: ground_truth_test.py CC CXX DIRECTORY OBJECT... -- OBJECT...     (of the harness, 64 and 32 bits)

Fails where anything recovered with certainty is wrong, where a resumed shape comes to another result than its source
with the index clamped, where what is only likely is wrong more often than one time in a hundred, or where less is
recovered than is known to be possible.
"""
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
GCC = ["-fsanitize=bounds", "-fsanitize-undefined-trap-on-error"]
CLANG = ["-fsanitize=array-bounds", "-fsanitize-trap=array-bounds"]
# clang's bounds are two checks, one of them by ud2.
CLANG_BOTH = ["-fsanitize=bounds", "-fsanitize-trap=bounds"]
# Of the events, in percent: those with index and limits, by the code alone. Regressions fall below. clang's code at -O1
# and above leaves much open that the hosts ask debug information about (docs/recovery.md).
LEAST_KNOWN = {("gcc", 0): 90, ("gcc", 1): 85, ("gcc", 2): 80, ("gcc", 3): 80,
               ("clang", 0): 98, ("clang", 1): 44, ("clang", 2): 44, ("clang", 3): 44}


def run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    return result.returncode, result.stdout + result.stderr


def build(command):
    status, output = run(command)
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{output}")


def build_references(cc, directory, bits, clang):
    """The shapes at the source: gcc is as good as any compiler for that."""
    objects = []
    for name, options in (("plain", []), ("variable", ["-DCLAMP_VARIABLE"])):
        path = directory / f"reference-{name}-{bits}.o"
        rows = ["-DROWS_HAVE_ENDS"] if clang else []
        build(["gcc", f"-m{bits}", "-O1", "-w", "-DREFERENCE", *options, *rows, "-c", HERE / "shapes.c", "-o", path])
        objects.append(path)
    return objects


def numbers_of(output):
    return {name: int(value) for name, value in re.findall(r"^([\w ]+): (\d+)$", output, re.M)}


def main():
    cc, cxx, directory = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])
    rest = sys.argv[4:]
    split = rest.index("--")
    harness = {64: rest[:split], 32: rest[split + 1:]}
    clang = "clang" in os.path.basename(cc)
    directory.mkdir(parents=True, exist_ok=True)
    failures = []
    print(f"{'':34} {'events':>7} {'certain':>8} {'likely':>7} {'unknown':>8} {'resumed':>8} {'refused':>8} wrong")
    for bits in (64, 32):
        references = build_references(cc, directory, bits, clang)
        for level in range(4):
            for name, checks in [("bounds", CLANG_BOTH), ("array-bounds", CLANG)] if clang else [("bounds", GCC)]:
                title = f"{os.path.basename(cc)} -O{level} -m{bits} {name}"
                shapes = directory / f"{name}-{level}-{bits}.o"
                program = directory / f"{name}-{level}-{bits}"
                build([cc, f"-m{bits}", f"-O{level}", "-g", "-w", *checks, "-c", HERE / "shapes.c", "-o", shapes])
                build([cxx, f"-m{bits}", shapes, *references, *harness[bits], "-o", program])
                status, output = run([program], timeout=120)
                n = numbers_of(output)
                events, wrong = n.get("events", 0), n.get("wrong", -1)
                certain, likely = n.get("certain", 0), n.get("likely", 0)
                print(f"{title:34} {events:7} {certain:8} {likely:7} {events - certain - likely:8} "
                      f"{n.get('runs_resumed', 0):8} {n.get('runs_refused', 0):8} {wrong:5}")
                if status != 0 or wrong != 0:
                    shown = "\n".join(output.splitlines()[:20])
                    failures.append(f"{title}: status {status}\n{shown}\nagain: {program}")
                if n.get("likely_and_wrong", 0) * 100 > likely:
                    failures.append(f"{title}: {n['likely_and_wrong']} of {likely} likely ones are wrong; {program} -v")
                least = LEAST_KNOWN["clang" if clang else "gcc", level]
                if events == 0 or (certain + likely) * 100 < least * events:
                    failures.append(f"{title}: {certain + likely} of {events} known, {least} % are possible")
    print("\n".join(failures))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
