# SPDX-License-Identifier: Apache-2.0
"""The files of the source tree, for the checks beside this file."""
import os
import re

SKIPPED_FOLDERS = {"build", ".git", "__pycache__"}
CODE = (".c", ".cc", ".h", ".hpp", ".py")
CXX = (".c", ".cc", ".h", ".hpp")


def files(root, suffixes):
    """Paths relative to root, sorted."""
    found = []
    for folder, subfolders, names in os.walk(root):
        subfolders[:] = [s for s in subfolders if s not in SKIPPED_FOLDERS]
        found += [os.path.relpath(os.path.join(folder, n), root) for n in names if n.endswith(suffixes)]
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as file:
        return file.read()


def without_comments_and_strings(text):
    """The same lines, with what is not code blanked."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"([^()\s\\]{0,16})\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n]){1,8}\'',
        re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)
