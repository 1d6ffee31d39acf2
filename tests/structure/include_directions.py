#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks who includes whom. usage: include_directions.py ROOT

The rules are those of docs/architecture.md. Unit tests and their helpers (*_test.cc, testing*, fake_*, *oracle*) may link, and so include,
what they like; the production code of a folder may not.
"""
import os
import re
import sys

import tree

# Folder of the including file -> folders that it may include from. The longest match counts.
RULES = {
    "core": ["core"],
    "trap": ["trap"],
    "events": ["events", "trap"],
    "include": ["include"],
    "nt": ["core", "trap", "nt", "include"],
    # Also a part of the in-process host, so it leans on nothing hosted where that uses it.
    "rules": ["core", "trap", "rules"],
    "report": ["events", "trap", "rules", "report"],
    "scan": ["events", "trap", "report", "scan"],
    "hosts/posix": ["core", "events", "trap", "hosts/posix"],
    # It shares nothing with the hosts that run callbacks: it reads what they wrote.
    "hosts/inproc_run": ["trap", "events", "rules", "include/kebound", "hosts/posix", "hosts/inproc_run"],
    "hosts": ["core", "trap", "events", "nt", "include", "rules", "hosts/posix", "hosts/driver", "hosts/kernel"],
}
# core/ and trap/ compile in a kernel: only headers that bring no hosted runtime along.
FREESTANDING = {"stddef.h", "stdint.h", "type_traits", "utility", "array", "bit"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.MULTILINE)


def resolve(root, including, name):
    """The project's file that an include names, or None for a header from elsewhere."""
    for folder in (os.path.dirname(including), "", "include"):
        path = os.path.normpath(os.path.join(folder, name))
        if not path.startswith("..") and os.path.isfile(os.path.join(root, path)):
            return path
    return None


def is_test(path):
    name = os.path.basename(path)
    return "_test." in name or name.startswith(("testing", "fake_")) or "oracle" in name


def rule_for(path):
    matches = [folder for folder in RULES if path.startswith(folder + "/")]
    return max(matches, key=len) if matches else None


def allowed(including, rule, included):
    folders = list(RULES[rule])
    if rule == "hosts":
        folders.append(os.path.join(*including.split("/")[:2]))  # itself
    return any(included.startswith(folder + "/") for folder in folders)


def check(root):
    problems = []
    for path in tree.files(root, tree.CXX):
        rule = rule_for(path)
        if rule is None or is_test(path):
            continue
        text = tree.read(root, path)
        for match in INCLUDE.finditer(text):
            line = text.count("\n", 0, match.start(2)) + 1
            bracket, name = match.groups()
            included = resolve(root, path, name)
            if bracket == '"' and included is None:
                problems.append(f"{path}:{line}: \"{name}\" is not in the tree")
            elif included is not None and (bracket == '"' or rule != "core" and rule != "trap"):
                if not allowed(path, rule, included):
                    problems.append(f"{path}:{line}: {rule} must not include {included}")
            elif rule in ("core", "trap") and name not in FREESTANDING:
                problems.append(f"{path}:{line}: <{name}> is not freestanding")
    return problems


if __name__ == "__main__":
    found = check(sys.argv[1])
    print("\n".join(found))
    sys.exit(1 if found else 0)
