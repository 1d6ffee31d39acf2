#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run_guest.py --build DIR CASE: one guest test. Prints the command that replays it when it fails."""
import argparse
import sys

import guest_lib
import cases_bound  # noqa: F401  the imports register the cases
import cases_drivers  # noqa: F401
import cases_inproc  # noqa: F401
import cases_life  # noqa: F401
import cases_rules  # noqa: F401
import cases_signals  # noqa: F401


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("case", nargs="?", help="without one: the list of cases")
    arguments = parser.parse_args()
    if arguments.case is None:
        print("\n".join(sorted(guest_lib.CASES)))
        return 0
    return guest_lib.run_case(arguments.case, arguments.build)


if __name__ == "__main__":
    sys.exit(main())
