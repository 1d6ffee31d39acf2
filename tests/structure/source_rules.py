#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Checks length, licence line and preprocessor conditions of the sources. usage: source_rules.py ROOT"""
import os
import re
import sys

import tree

LONG = 400  # a warning
TOO_LONG = 500
LICENCE = "SPDX-License-Identifier: Apache-2.0"
# Where platforms are told apart by file, never inside a body.
SPLIT_BY_FILE = ("core/", "trap/", "nt/", "hosts/")

NOT_A_BODY = re.compile(r"\b(namespace|class|struct|union|enum)\b(?!.*\)\s*(const|noexcept|override|->.*)*\s*$)|extern\s*$")


def conditions_in_bodies(text):
    """Lines with an #if inside a function's braces."""
    lines = []
    bodies = []  # for each open brace: is it (inside) a function's
    pending = ""  # what stands before the next brace
    for number, line in enumerate(tree.without_comments_and_strings(text).split("\n"), 1):
        if re.match(r"\s*#", line):
            if re.match(r"\s*#\s*if", line) and bodies and bodies[-1]:
                lines.append(number)
            continue
        for character in line + "\n":
            if character == "{":
                inside = bool(bodies) and bodies[-1]
                bodies.append(inside or not NOT_A_BODY.search(pending.strip()))
                pending = ""
            elif character == "}":
                if bodies:
                    bodies.pop()
                pending = ""
            elif character == ";":
                pending = ""
            else:
                pending += " " if character == "\n" else character
    return lines


def check(root):
    problems, warnings = [], []
    for path in tree.files(root, tree.CODE + (".cmake", "CMakeLists.txt", ".sh")):
        text = tree.read(root, path)
        if not any(LICENCE in line for line in text.split("\n")[:3]):
            problems.append(f"{path}:1: no SPDX line")
        length = text.count("\n")
        if length > TOO_LONG:
            problems.append(f"{path}: {length} lines, {TOO_LONG} are too many")
        elif length > LONG:
            warnings.append(f"{path}: {length} lines, about {LONG} are enough")
        if path.startswith(SPLIT_BY_FILE) and path.endswith((".cc", ".c")):
            for line in conditions_in_bodies(text):
                problems.append(f"{path}:{line}: #if inside a function body; split by file")
    return problems, warnings


if __name__ == "__main__":
    found, doubtful = check(sys.argv[1])
    print("\n".join(found + ["warning: " + warning for warning in doubtful]))
    sys.exit(1 if found else 0)
