#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hunt.py --kebound PATH --seeds FIRST-LAST: random programs, whose failed checks kebound must recover exactly or call unknown.

Each seed is a file of functions and the options that it is compiled with. What kebound claims is compared with what the same functions do
whose indices are looked at in the source. Each wrong claim is reduced and printed with its code."""
import argparse
import collections
import concurrent.futures
import os
import random
import shutil
import sys
import tempfile
import time

import reduce
import shapes
import trial
import truth


def seeds_of(words):
    first, _, last = words.partition("-")
    return range(int(first), int(last or first) + 1)


def quiet(arguments):
    return arguments.pause is not None and os.path.exists(arguments.pause)


class Hunt:
    def __init__(self, arguments):
        self.arguments = arguments
        self.folder = arguments.folder or tempfile.mkdtemp(prefix="generated-")
        self.bench = trial.Bench(self.folder, os.path.abspath(arguments.kebound))
        self.counts, self.kinds = collections.Counter(), collections.Counter()
        self.cases = 0

    def seed(self, seed):
        r = random.Random(seed)
        some = trial.configs(r)
        program = shapes.Program(r, self.arguments.shapes)
        file = trial.Program(self.bench, f"s{seed}", program.pool, program.shapes, self.arguments.clamp)
        for mode in {config.mode for config in some}:
            if file.truth(mode) is None:
                raise SystemExit(f"seed {seed} is no C: {file.path}")
        if self.arguments.only:
            some = [config for config in some if self.arguments.only in config.name]
        if self.arguments.configs:
            some = r.sample(some, min(self.arguments.configs, len(some)))
        found = []
        with concurrent.futures.ThreadPoolExecutor(self.arguments.jobs) as pool:
            for config, judged in zip(some, pool.map(file.judge, some)):
                if judged is None:
                    raise SystemExit(f"seed {seed}: {config} does not compile {file.path}")
                found += judged[0]
                self.counts.update(judged[1])
        self.report(seed, program.pool, found)
        for name in os.listdir(self.folder):
            if name.startswith((f"s{seed}-", f"s{seed}.")) and not self.arguments.folder:
                os.remove(os.path.join(self.folder, name))

    def report(self, seed, pool, found):
        """One case for each shape and kind, with the names of the others."""
        cases = {}
        for finding in found:
            if finding.answer == "propagate":
                how = truth.relation(finding.event, finding.truth) if finding.verdict == truth.WRONG else finding.verdict
                how += " (an element is not read)" if any("(void)" in line for line in finding.shape.lines) else ""
                self.kinds[finding.config.compiler[:5], f"m{finding.config.mode}", finding.event["confidence"], how] += 1
            cases.setdefault((finding.shape.name, finding.verdict, finding.answer, finding.event["confidence"], finding.config.compiler[0]), []).append(finding)
        for (name, verdict, answer, *_), some in cases.items():
            if self.arguments.name not in (None, name):
                continue
            self.cases += 1
            how = truth.relation(some[0].event, some[0].truth) if answer == "propagate" else "clamp"
            print(f"==== seed {seed} {name} {verdict}: {how}: {', '.join(sorted({f.config.name for f in some}))}")
            small = reduce.reduced(self.bench, pool, some[0], f"reduced{seed}") if self.arguments.reduce else None
            finding, program = small or (some[0], None)
            words, source = reduce.described(finding, pool)
            print(words)
            print(source[:6000])
            if program:
                print(reduce.disassembly(f"{program.path.removesuffix('.c')}-{finding.config.name}", name))
            sys.stdout.flush()


    def summary(self):
        """Prints the counts; the status of the program."""
        for kind, count in sorted(self.kinds.items()):
            print(f"  {count:5} {' '.join(kind)}")
        words = ", ".join(f"{count} {word}" for word, count in self.counts.most_common())
        print(f"{sum(self.counts.values())} runs: {words}; {self.cases} functions with wrong claims")
        bad = sum(self.kinds.values()) + self.counts["clamp " + truth.WRONG]
        if bad > self.arguments.open:
            print(f"{bad} wrong claims, and {self.arguments.open} are known to be open")
        # A test that sees nothing claimed sees nothing wrong either.
        claimed = self.counts[truth.RIGHT]
        if claimed * 20 < sum(count for word, count in self.counts.items() if not word.startswith("clamp")):
            print("fewer than one in twenty is recovered: something else is wrong")
            return 1
        return 1 if bad > self.arguments.open else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kebound", required=True)
    parser.add_argument("--seeds", required=True, type=seeds_of)
    parser.add_argument("--shapes", type=int, default=80, help="functions for each seed")
    parser.add_argument("--configs", type=int, help="so many of the 32 configurations for each seed")
    parser.add_argument("--only", help="configurations whose name has this in it")
    parser.add_argument("--name", help="report only the function of that name")
    parser.add_argument("--clamp", action="store_true", help="run with --on-bound clamp as well")
    parser.add_argument("--open", type=int, default=0, help="so many wrong claims are known, and not a failure")
    parser.add_argument("--no-reduce", dest="reduce", action="store_false")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--folder", help="build there, and leave everything")
    parser.add_argument("--pause", help="wait while this file exists, before each seed")
    arguments = parser.parse_args()
    hunt = Hunt(arguments)
    try:
        for seed in arguments.seeds:
            while quiet(arguments):
                time.sleep(5)
            hunt.seed(seed)
    finally:
        if not arguments.folder:
            shutil.rmtree(hunt.folder, ignore_errors=True)
    return hunt.summary()


if __name__ == "__main__":
    sys.exit(main())
