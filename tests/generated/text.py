# SPDX-License-Identifier: Apache-2.0
"""The text of a generated program, which is written once and read two ways: as plain C, and for the oracle.

Marks stand around what the oracle wants to know. They nest."""
import re

BEGIN, BETWEEN, END = "\u00ab", "\u00a6", "\u00bb"
MARK = re.compile(f"{BEGIN}([^{BEGIN}{BETWEEN}{END}]*){BETWEEN}([^{BEGIN}{BETWEEN}{END}]*){BETWEEN}([^{BEGIN}{BETWEEN}{END}]*){END}")


def index(site, expression, length):
    return f"{BEGIN}{site}{BETWEEN}{expression}{BETWEEN}{length}{END}"


def trap(site, expression, length):
    """An explicit trap, which compares `expression` with `length` or (length None) something else."""
    return f"{BEGIN}trap {site}{BETWEEN}{expression}{BETWEEN}{-1 if length is None else length}{END}"


def rendered(text, one):
    while BEGIN in text:
        text, count = MARK.subn(lambda m: one(*m.groups()), text)
        assert count, f"marks do not nest: {text}"
    return text


def plain(text):
    return rendered(text, lambda site, expression, _: "__builtin_trap()" if site.startswith("trap") else expression)


def for_oracle(text):
    def one(site, expression, length):
        if site.startswith("trap"):
            return f"ORACLE_TRAP({site[5:]}, {expression}, {length})"
        return f"ORACLE_INDEX({site}, {expression}, {length})"
    return rendered(text, one)
