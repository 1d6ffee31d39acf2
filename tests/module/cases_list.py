#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""cases_list.py: what `conformance_fake --list` says, as the lines that test_conformance.sh reads."""
import json
import sys

from not_in_module import NOT_IN_MODULE


def line(case):
    limit = case["livelock_limit"] if case["livelock_limit"] >= 0 else 10000
    return f"{case['name']} {'windows' if case['windows'] else 'default'} {int(case['integrity_note'])} {limit}"


if __name__ == "__main__":
    print("\n".join(line(case) for case in json.load(sys.stdin)
                    if "module" in case["hosts"] and case["name"] not in NOT_IN_MODULE))
