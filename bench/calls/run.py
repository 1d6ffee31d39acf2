#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py KEBOUND PROGRAM...: what the sources that are calls cost where nothing fails: each program's calls, bare and
preloaded; the start of a program, with and without breakpoints."""
import subprocess
import sys
import time


def output(command):
    return subprocess.run(command, text=True, capture_output=True, check=True).stdout.strip()


def start_ms(commands, rounds=41):
    """Medians, taken in turns so that all see the same machine."""
    times = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            begin = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - begin)
    return {name: sorted(values)[rounds // 2] * 1e3 for name, values in times.items()}


def main():
    kebound, *programs = sys.argv[1:]
    print("nanoseconds of processor time per call")
    for program in programs:
        print(f"  {program.rsplit('_', 1)[1]} bits, bare        {output([program])}")
        print(f"  {program.rsplit('_', 1)[1]} bits, preloaded   "
              f"{output([kebound, 'run', '--host', 'inproc', '--report', 'none', '--', program])}")
    print("milliseconds from start to end, medians")
    supervised = [kebound, "run", "--report", "none"]
    for words in (["/bin/true"], ["/usr/bin/python3", "-c", "pass"]):
        result = start_ms({"bare": words, "supervised": [*supervised, "--calls", "none", "--", *words],
                           "with breakpoints": [*supervised, "--", *words]})
        print(f"  {words[0]}: " + ", ".join(f"{name} {value:.2f}" for name, value in result.items()))


if __name__ == "__main__":
    main()
