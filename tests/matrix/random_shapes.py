#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""random_shapes.py --build DIR [--seed N] [--count N] [--level O2] [COMPILER...]

Shapes by chance: where the number comes from, its type, what the callers give, what is calculated from it, which array. The index is known by
construction. Whatever kebound claims of it has to be true, and a clamp has to give the nearest element; what it does not claim is counted."""
import argparse
import collections
import dataclasses
import os
import random
import re
import subprocess
import sys

import guests
import verdicts

TYPES = ("unsigned char", "signed char", "unsigned short", "short", "int", "unsigned", "long", "unsigned long")
CALLERS = {"all": "input", "bytes": "(unsigned char)input", "shorts": "(unsigned short)input", "masked": "(input & 31)"}

DATA = """#include "shape.h"
struct pair { int a, b; };
struct wide { long first, second, third; };
struct record { short before[2]; int seven[7]; int ten[10]; long after; };
struct tail { int head[3]; int seven[7]; int ten[10]; };
SHAPE_DATA int table[10];
SHAPE_DATA short shorts[20];
SHAPE_DATA unsigned char octets[26];
SHAPE_DATA long longs[5];
SHAPE_DATA struct pair pairs[6];
SHAPE_DATA struct wide wides[4];
SHAPE_DATA struct record record;
SHAPE_DATA struct record records[3];
SHAPE_DATA struct tail tail;
SHAPE_DATA int grid[3][4];
SHAPE_DATA struct record* volatile any_record = &record;
"""
# What is accessed, the array's length, and what its element 0 is set to; the others count up.
ARRAYS = (("table[{}]", 10, 10), ("shorts[{}]", 20, 20), ("octets[{}]", 26, 50), ("longs[{}]", 5, 80), ("pairs[{}].a", 6, 90),
          ("pairs[{}].b", 6, 100), ("wides[{}].second", 4, 110), ("record.ten[{}]", 10, 120), ("record.seven[{}]", 7, 130),
          ("tail.seven[{}]", 7, 140), ("tail.ten[{}]", 10, 150), ("records[{}].seven[3]", 3, 160), ("records[1].seven[{}]", 7, 170),
          ("grid[{}][2]", 3, 180), ("grid[1][{}]", 4, 190), ("place->ten[{}]", 10, 120), ("place->seven[{}]", 7, 130))
# In C, with k and the constants m and c; and what it is.
FORMS = (("{k}", lambda k, m, c: k), ("{k} + {c}", lambda k, m, c: k + c), ("{m} * {k}", lambda k, m, c: m * k),
         ("{m} * {k} + {c}", lambda k, m, c: m * k + c), ("{k} - {c}", lambda k, m, c: k - c), ("({k} >> 1) + {c}", lambda k, m, c: (k >> 1) + c),
         ("({k} & 31) + {c}", lambda k, m, c: (k & 31) + c), ("{m} * {k} - {c}", lambda k, m, c: m * k - c))


@dataclasses.dataclass
class Shape:
    name: str
    text: str
    given: int
    index: int
    upper: int
    nearest: int  # the value of that element


def make_shape(chance, name):
    access, length, first = chance.choice(ARRAYS)
    type_, source, caller = chance.choice(TYPES), chance.choice(("local", "own", "global", "stored", "pointer")), chance.choice(list(CALLERS))
    cast = chance.choice(("", "", "(long)", "(unsigned long)", "(unsigned)"))
    form, calculate = chance.choice(FORMS)
    m, c = chance.choice((2, 3, 4, 5, 8)), chance.randint(1, 6)
    # No sum wraps: a negative number only where all is signed. One of 8 or 16 bits is read as if it were unsigned where only positive ones pass.
    signed = type_ in ("int", "long") and cast in ("", "(long)") and caller == "all"
    numbers = [k for k in range(-7 if signed else 0, 32) if not 0 <= calculate(k, m, c) < length and (signed or calculate(k, m, c) >= 0)]
    if not numbers:
        return None
    k = min(chance.sample(numbers, min(3, len(numbers))), key=lambda k: abs(calculate(k, m, c) - length))
    place = "  struct record* const place = any_record;\n" if "place" in access else ""
    result = f"  return {access.format(form.format(k=cast + 'k', m=m, c=c))};\n"
    given = f"({type_}){CALLERS[caller]}"
    call = f"SHAPE_FUNCTION long {name}(long input) {{ return {name}_of({given}); }}\n"
    text = {
        "local": f"SHAPE_FUNCTION long {name}(long input) {{\n{place}  const {type_} k = {given};\n{result}}}\n",
        "own": f"SHAPE_FUNCTION long {name}_of({type_} k) {{\n{place}{result}}}\n{call}",
        "global": f"SHAPE_GLOBAL long {name}_of({type_} k) {{\n{place}{result}}}\n{call}",
        "stored": f"static {type_} kept_{name};\nstatic __attribute__((noinline)) void keep_{name}(long input) {{ kept_{name} = {given}; }}\n"
                  f"SHAPE_FUNCTION long {name}_of(void) {{\n{place}  const {type_} k = kept_{name};\n{result}}}\n"
                  f"SHAPE_FUNCTION long {name}(long input) {{\n  keep_{name}(input);\n  return {name}_of();\n}}\n",
        "pointer": f"SHAPE_DATA {type_} at_{name}[2];\nSHAPE_FUNCTION long {name}(long input) {{\n{place}  {type_}* from = at_{name} + 1;\n"
                   f"  *from = {given};\n  __asm__ volatile(\"\" : \"+r\"(from) : : \"memory\");\n  const {type_} k = *from;\n{result}}}\n",
    }[source]
    index = calculate(k, m, c)
    return Shape(name, text, k, index, length - 1, first + (0 if index < 0 else length - 1))


def source_of(shapes):
    lists = "".join(f'  {{"random", "{s.name}", {s.name}, {s.given}, {s.index}, 0, {s.upper}}},\n' for s in shapes)
    # First and last elements are shared by none, or with the same value.
    sets = "".join(f"  for (int i = 0; i < {length}; ++i) {access.format('i')} = {first} + i;\n"
                   for access, length, first in ARRAYS if "place" not in access)
    return (f"{DATA}__attribute__((constructor)) static void set(void) {{\n{sets}}}\n" + "".join(s.text for s in shapes) +
            f"static const struct shape shapes[] = {{\n{lists}}};\nstatic const struct shape_list list = {{shapes, sizeof shapes / sizeof *shapes}};\n"
            "const struct shape_list* const shape_lists[] = {&list};\nconst size_t shape_list_count = 1;\n")


class Judge:
    def __init__(self, build, shapes, folder):
        self.kebound = os.path.join(build, "bin", "kebound")
        self.shapes = {shape.name: shape for shape in shapes}
        self.folder = folder

    def run(self, program, answer):
        report = f"{program}-{answer}.jsonl"
        words = [self.kebound, "run", "--host", "supervisor", "--on-bound", answer, "--report", "jsonl", "-o", report, "--", program]
        done = subprocess.run(words, capture_output=True, text=True, errors="replace", timeout=300, check=True)
        return verdicts.Run(done.stdout, report)

    def claims(self, run, counts):
        """What is claimed and not true."""
        for name, expected in run.shapes.items():
            event = next(iter(run.events(name)), None)
            known = "silent" if event is None else event["confidence"]
            problem = verdicts.index_problem(event, expected) if known in ("certain", "likely") else None
            counts["wrong" if problem else known] += 1
            if problem:
                yield name, f"{known}: {problem}"

    def clamps(self, run, counts):
        for name in run.shapes:
            event = next(iter(run.events(name)), None)
            if event is None or event["disposition"] != "handled":
                continue
            counts["clamped"] += 1
            nearest = self.shapes[name].nearest
            if run.ends.get(name) != ("exit", 0) or run.results.get(name) != nearest:
                yield name, f"clamp: {run.ends.get(name)}, result {run.results.get(name)}, not {nearest}"

    def judge(self, compiler, level, mode):
        """How many claims, and clamps, are wrong."""
        config = guests.Config(compiler, level, mode)
        program = os.path.join(self.folder, f"random-{config.name}")
        subprocess.run([compiler, f"-{level}", f"-m{mode}", "-g", "-w", *guests.BOUNDS[config.is_clang].split(), f"-I{guests.SOURCES}",
                        os.path.join(self.folder, "random.c"), os.path.join(guests.SOURCES, "guest.c"), "-o", program], check=True)
        counts = collections.Counter()
        wrong = [*self.claims(self.run(program, "propagate"), counts), *self.clamps(self.run(program, "clamp"), counts)]
        print(f"{config.name}: " + ", ".join(f"{count} {what}" for what, count in sorted(counts.items())))
        for name, problem in wrong:
            print(f"  {name}: {problem}\n{re.sub('^', '    ', self.shapes[name].text.strip(), flags=re.MULTILINE)}")
        return len(wrong)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--level", choices=guests.LEVELS, default="O2")
    parser.add_argument("compilers", nargs="*", default=list(guests.COMPILERS))
    options = parser.parse_args()
    chance = random.Random(options.seed)
    shapes = [shape for shape in (make_shape(chance, f"s{i}") for i in range(options.count)) if shape]
    folder = os.path.join(options.build, "matrix", f"random-{options.seed}-{options.level}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "random.c"), "w", encoding="utf-8") as file:
        file.write(source_of(shapes))
    judge = Judge(options.build, shapes, folder)
    sys.exit(1 if sum(judge.judge(compiler, options.level, mode) for compiler in options.compilers for mode in guests.MODES) else 0)


if __name__ == "__main__":
    main()
