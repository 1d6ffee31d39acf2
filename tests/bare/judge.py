#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py --log LOG --kernel ELF [--build DIR] SECTION...: whether the log of a boot says that these tests passed.

A section conformance/CASE is judged as run_conformance.py judges the other hosts; in any other, each bug check has to
be announced by a line "@bug-check CODE P1 P2 P3 P4" before."""
import argparse
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "conformance"))
sys.path.insert(0, os.path.join(ROOT, "tests", "module"))
import guest_log  # noqa: E402  pylint: disable=wrong-import-position,import-error
import run_conformance  # noqa: E402  pylint: disable=wrong-import-position,import-error

BASE = 0xffffffff80000000  # hosts/bare/layout.h
DRIVER = "conformance"


def symbols_of(kernel):
    """The kernel knows no symbols: it says how far behind BASE a place is, as the image's."""
    symbols = run_conformance.Symbols(kernel)
    (entries,) = symbols.images.values()
    symbols.images = dict.fromkeys((DRIVER, "tests"), [(address - BASE, name) for address, name in entries])
    return symbols


def records(section, kind, symbols):
    return [{name: symbols.named(value) for name, value in record.items()} for record in guest_log.records(section, kind)]


def bug_checks_of(section, symbols):
    found = records(section, "bug-check", symbols)
    for record in found:
        record["parameters"] = [record[f"p{i}"] for i in range(1, 5)]
        record["pid"], record["tid"] = int(record["pid"]), int(record["tid"])
    return found


def panics(section):
    return [line for line in section.log if line.startswith("kebound: panic")]


def judge_conformance(section, case, symbols):
    bug_checks = bug_checks_of(section, symbols)
    terminated = records(section, "terminated", symbols)
    wrong = run_conformance.judge(case, {
        "failures": section.failures() + panics(section), "violations": records(section, "verifier", symbols),
        "bug_check": bug_checks[0] if bug_checks else None,
        "reason": terminated[-1]["reason"] if terminated else "", "image": DRIVER})
    if len(bug_checks) > 1:
        wrong.append(f"{len(bug_checks)} bug check records")
    return wrong


def judge_test(section, symbols):
    wrong = section.failures() + panics(section)
    announced = [words.split() for words in section.values("bug-check")]
    found = [[record["code"]] + record["parameters"] for record in bug_checks_of(section, symbols)]
    if found != announced:
        wrong.append(f"bug checks {found}, announced were {announced}")
    if not any(line.startswith("@check ok") for line in section.lines) and not announced:
        wrong.append("it stated nothing")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--kernel", required=True, help="its .elf")
    parser.add_argument("--build", help="the build directory, for conformance/")
    parser.add_argument("sections", nargs="+")
    arguments = parser.parse_args()
    sections = guest_log.read(arguments.log)
    symbols = symbols_of(arguments.kernel)
    status = 0
    for name in arguments.sections:
        if name not in sections:
            print(f"FAILED {name}: the kernel never came to it: {arguments.log}")
            status = 1
            continue
        section = sections[name]
        if name.startswith("conformance/"):
            case = run_conformance.cases_of(arguments.build)[name.split("/", 1)[1]]
            wrong = judge_conformance(section, case, symbols)
        else:
            wrong = judge_test(section, symbols)
        for line in wrong:
            print(f"FAILED {name}: {line}")
        if wrong:
            print("\n".join(section.lines + [symbols.named(line) for line in section.log]))
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
