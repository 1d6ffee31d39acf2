#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""judge.py --log LOG [--build DIR] SECTION...: whether the test machine's log says that these tests passed.

A section conformance/CASE is judged as run_conformance.py judges the other hosts."""
import argparse
import os
import sys

import guest_log

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "conformance"))
import run_conformance  # noqa: E402  pylint: disable=wrong-import-position,import-error


def judge_conformance(section, case):
    wrong = section.failures()
    failed = [line.split("FAILED ", 1)[1] for line in section.log if line.startswith("conformance: FAILED")]
    bug_checks = guest_log.records(section, "bug-check")
    for record in bug_checks:
        record["parameters"] = [record[f"p{i}"] for i in range(1, 5)]
        record["pid"], record["tid"] = int(record["pid"]), int(record["tid"])
    terminated = guest_log.records(section, "terminated")
    wrong += run_conformance.judge(case, {
        "failures": failed, "violations": guest_log.records(section, "verifier"),
        "bug_check": bug_checks[0] if bug_checks else None,
        "reason": terminated[-1]["reason"] if terminated else "", "image": "kebound_conformance"})
    # A driver whose DriverEntry fails, or is stopped, is a module that does not load. busybox' insmod tries twice.
    refused = case["entry_fails"] or case["name"] == "BugCheck-in-DriverEntry"
    if len(bug_checks) > (2 if refused else 1):
        wrong.append(f"{len(bug_checks)} bug check records")
    loaded = section.values("loaded")
    if (loaded == ["0"]) == refused:
        wrong.append(f"insmod ended with {loaded}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--log", required=True)
    parser.add_argument("--build", help="the build directory, for conformance/")
    parser.add_argument("sections", nargs="+")
    arguments = parser.parse_args()
    sections = guest_log.read(arguments.log)
    status = 0
    for name in arguments.sections:
        if name not in sections:
            print(f"FAILED {name}: the machine never came to it: {arguments.log}")
            status = 1
            continue
        section = sections[name]
        if name.startswith("conformance/"):
            case = run_conformance.cases_of(arguments.build)[name.split("/", 1)[1]]
            wrong = judge_conformance(section, case)
        else:
            wrong = section.failures()
        for line in wrong:
            print(f"FAILED {name}: {line}")
        if wrong:
            print("\n".join(section.lines + section.log))
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
