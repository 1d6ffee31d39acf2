#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the registry's benchmarks and prints the medians as a table. usage: run.py PROGRAM [REPETITIONS]

The repetitions of all benchmarks are interleaved at random, so that a busy moment of the machine hits all alike; the
spread is the interquartile range.
"""
import collections
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile

COLUMNS = (("Kebound", "kebound"), ("RcuList", "liburcu"), ("MutexList", "mutex + list"))
ROWS = (("dispatch", "0"), ("dispatch", "1"), ("dispatch", "8"), ("dispatch", "64"), ("dispatch", "8, 2 threads"),
        ("pair", ""), ("pair_under_load", ""))
LABELS = {"dispatch": "dispatch, callbacks: ", "pair": "add + remove", "pair_under_load": "add + remove, another dispatches"}
TARGETS = {("dispatch", "64"): 200, ("pair", ""): 150}


def measure(program, repetitions):
    """(benchmark, argument, registry) -> nanoseconds of each repetition."""
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        subprocess.run([program, f"--benchmark_repetitions={repetitions}", "--benchmark_enable_random_interleaving=true",
                        "--benchmark_min_time=0.05", f"--benchmark_out={out.name}", "--benchmark_out_format=json"],
                       check=True, stdout=subprocess.DEVNULL)
        runs = json.load(open(out.name, encoding="utf-8"))["benchmarks"]
    times = collections.defaultdict(list)
    for run in runs:
        if run["run_type"] != "iteration":
            continue
        name, registry, argument = re.match(r"(\w+)<(\w+)>(?:/(\d+))?", run["name"]).groups()
        argument = argument or ""
        if run["threads"] > 1:
            argument += f", {run['threads']} threads"
        # Wall-clock time of one thread's iteration; with several threads the library divides by their number.
        times[name, argument, registry].append(run["real_time"] * run["threads"])
    return times


def cell(values):
    if not values:
        return "-"
    if len(values) < 4:
        return f"{statistics.median(values):.1f}"
    low, _, high = statistics.quantiles(values, n=4)
    return f"{statistics.median(values):.1f} ({low:.1f}..{high:.1f})"


def main():
    times = measure(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 9)
    print(f"ns of wall-clock time per operation and thread: median (interquartile range); load average at the end "
          f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} processors\n")
    print("| | " + " | ".join(label for _, label in COLUMNS) + " | target |")
    print("|---|" + "--:|" * (len(COLUMNS) + 1))
    for name, argument in ROWS:
        cells = [cell(times.get((name, argument, registry))) for registry, _ in COLUMNS]
        target = TARGETS.get((name, argument))
        print(f"| {LABELS[name]}{argument} | " + " | ".join(cells) + f" | {f'< {target}' if target else ''} |")
    print(f"\nliburcu with call_rcu instead of synchronize_rcu, add + remove: "
          f"{cell(times.get(('pair', '', 'RcuListLater')))} ns; it does not wait for running callbacks, so it does not do "
          f"what a deregistration promises.")


if __name__ == "__main__":
    main()
