#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""table.py --build DIR: is docs/conformance.md what the suite says, and has every line of docs/contract.md a case?
With --write it writes the page anew."""
import argparse
import collections
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

for folder in ("bare", "module"):
    sys.path.insert(0, os.path.join(ROOT, "tests", folder))
from not_in_bare import NOT_IN_BARE  # noqa: E402  pylint: disable=wrong-import-position,import-error
from not_in_module import NOT_IN_MODULE  # noqa: E402  pylint: disable=wrong-import-position,import-error

# Of the last two the reasons stand beside their tests, not in the suite.
HOSTS = ("fake", "supervisor", "inproc64", "inproc32", "module", "bare")

# Lines of the contract that have no number: the name that cases use, and words that the contract must contain.
PARAGRAPHS = [
    ("Types fault", "The exception is a *fault*"),
    ("Types frame", "every host exposes the live frame there"),
    ("Dispatch context", "Runs on the faulting thread's behalf, at PASSIVE_LEVEL, in a critical region"),
    ("Dispatch concurrency", "No lock is held while a callback runs; dispatch allocates nothing"),
    ("Dispatch edits", "Edits to the frame count only when the search ends with Handled"),
    ("Dispatch kernel mode", "A bound exception in driver code, or on a thread that is already inside a callback"),
    ("Dispatch not a bound exception", "a #GP or a page fault at a BOUND"),
    ("Life", "A driver that registered must deregister in Unload"),
    ("Life left behind", "A registration left behind"),
    ("Life entry fails", "when DriverEntry fails after registering"),
    ("Bug checks", "A bug check ends the host, not the machine"),
]


def contract_lines(text):
    """Every line that needs a case, in the contract's order: name and the words that show it."""
    found = []
    section = ""
    flat = " ".join(text.split())
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:].split()[0]
        elif section in ("Register", "Deregister") and re.match(r"\d+\. ", line):
            number, words = line.split(". ", 1)
            found.append((f"{section} {number}", words))
        elif section == "Types" and line.startswith("| `"):
            found.append(("Types " + re.match(r"\| `(\w+)", line).group(1), line.split("|")[2].strip()))
        elif section == "Dispatch" and re.match(r"\| \d ", line):
            found.append((f"Dispatch {line[2]}", line.split("|")[2].strip()))
    for name, words in PARAGRAPHS:
        if words not in flat:
            sys.exit(f"docs/contract.md no longer says {words!r}; correct PARAGRAPHS in {__file__}")
        found.append((name, words))
    return found


def page(lines, cases):
    by_line = collections.defaultdict(list)
    for case in cases:
        by_line[case["line"]].append(case)
    known = {name for name, _ in lines}
    strangers = sorted(set(by_line) - known)
    if strangers:
        sys.exit(f"cases name lines that the contract does not have: {strangers}")
    uncovered = [name for name, _ in lines if not by_line[name]]
    if uncovered:
        sys.exit(f"lines of the contract without a case: {uncovered}")
    out = ["# Conformance", "",
           "Which case checks which line of [the contract](contract.md), and on which host. Written by",
           "`tests/conformance/table.py --write`; a test fails when this page, the suite and the contract do not agree.",
           "Each case is one test on each host, `conformance/HOST/NAME`. A case is driver code: the fake host runs it linked",
           "in; the supervisor as a loaded driver against a real i386 program; in process it is a module of the very program,",
           "64-bit or i386, that raises the exceptions; kebound.ko has it as a driver in the kernel of an emulated machine,",
           "against the supervisor's program; in a kernel of our own it is linked in, against user threads of that kernel.", "",
           "| line | case | claim | " + " | ".join(HOSTS) + " |", "|---|---|---" + "|---" * len(HOSTS) + "|"]
    notes = []
    for name, _ in lines:
        for case in sorted(by_line[name], key=lambda c: c["name"]):
            runs_on = set(case["hosts"])
            if case["name"] in NOT_IN_MODULE:
                runs_on.discard("module")
                notes.append(f"- `{case['name']}`: not in the module: {NOT_IN_MODULE[case['name']]}.")
            if case["name"] in NOT_IN_BARE:
                runs_on.discard("bare")
                notes.append(f"- `{case['name']}`: not in the bare kernel: {NOT_IN_BARE[case['name']]}.")
            marks = ["yes" if host in runs_on else "no" for host in HOSTS]
            out.append(f"| {name} | `{case['name']}` | {case['claim']} | {' | '.join(marks)} |")
            if "no" in marks[:-2]:
                notes.append(f"- `{case['name']}`: {case['why_not']}.")
                if not case["why_not"]:
                    sys.exit(f"{case['name']} does not run on every host and does not say why")
    return "\n".join(out + ["", "Why some do not run on every host:", ""] + sorted(notes)) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--write", action="store_true", help="write docs/conformance.md")
    parser.add_argument("--tests", nargs="*", help="what ctest has, as NAME=HOST; it must be all that there is")
    arguments = parser.parse_args()
    listed = subprocess.run([os.path.join(arguments.build, "bin", "conformance_fake"), "--list"],
                            stdout=subprocess.PIPE, check=True)
    cases = json.loads(listed.stdout)
    if arguments.tests is not None:
        here = {test.partition("=")[2] for test in arguments.tests}
        wanted = {f"{case['name']}={host}" for case in cases for host in case["hosts"] if host in here}
        if wanted != set(arguments.tests):
            sys.exit(f"CMakeLists.txt and the suite do not agree on {sorted(wanted ^ set(arguments.tests))}: a case's name "
                     "stands on the line of its macro, and both know for which hosts that is")
    with open(os.path.join(ROOT, "docs", "contract.md"), encoding="utf-8") as contract:
        lines = contract_lines(contract.read())
    wanted = page(lines, cases)
    path = os.path.join(ROOT, "docs", "conformance.md")
    if arguments.write:
        with open(path, "w", encoding="utf-8") as file:
            file.write(wanted)
        return 0
    with open(path, encoding="utf-8") as file:
        if file.read() != wanted:
            print(f"docs/conformance.md is stale; write it with {__file__} --build {arguments.build} --write")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
