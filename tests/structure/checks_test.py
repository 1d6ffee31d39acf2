#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The checks themselves: each finds what it is for, and nothing else."""
import os
import tempfile
import unittest

import include_directions
import source_rules

LICENCE = "// SPDX-License-Identifier: Apache-2.0\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.root = self.folder.name

    def tearDown(self):
        self.folder.cleanup()

    def write(self, path, text):
        full = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as file:
            file.write(text)


class IncludeDirections(Tree):
    def problems(self, path, include):
        for folder in ("core", "trap", "events", "nt", "report", "include/nt", "hosts/a", "hosts/b", "hosts/posix",
                       "hosts/inproc_run", "include/kebound", "rules"):
            self.write(folder + "/x.h", LICENCE)
        self.write(path, f"{LICENCE}#include {include}\n")
        return include_directions.check(self.root)

    def test_lets_pass_what_the_rules_allow(self):
        for path, include in (("core/y.cc", '"core/x.h"'), ("core/y.cc", "<stdint.h>"), ("nt/y.cc", '"core/x.h"'),
                              ("nt/y.cc", "<string>"), ("nt/y.cc", '"nt/x.h"'), ("hosts/a/y.cc", '"hosts/posix/x.h"'),
                              ("hosts/a/y.cc", '"hosts/a/x.h"'), ("hosts/inproc_run/y.cc", '"include/kebound/x.h"'), ("events/y.cc", '"trap/x.h"'),
                              ("rules/y.cc", '"trap/x.h"'), ("report/y.cc", '"rules/x.h"'), ("hosts/a/y.cc", '"rules/x.h"'),
                              ("core/y_test.cc", '"hosts/posix/x.h"'), ("tools/y.cc", '"hosts/a/x.h"')):
            with self.subTest(path=path, include=include):
                self.assertEqual(self.problems(path, include), [])

    def test_finds_what_they_forbid(self):
        for path, include in (("core/y.cc", '"nt/x.h"'), ("core/y.cc", "<atomic>"), ("trap/y.cc", '"core/x.h"'),
                              ("trap/y.cc", "<string>"), ("nt/y.cc", '"hosts/a/x.h"'), ("nt/y.cc", '"events/x.h"'),
                              ("hosts/a/y.cc", '"hosts/b/x.h"'), ("hosts/a/y.cc", '"report/x.h"'), ("hosts/inproc_run/y.cc", '"nt/x.h"'),
                              ("hosts/posix/y.cc", '"nt/x.h"'), ("report/y.cc", '"nt/x.h"'),
                              ("rules/y.cc", '"hosts/a/x.h"'), ("rules/y.cc", '"report/x.h"'), ("trap/y.cc", '"rules/x.h"'),
                              ("core/y.cc", '"gone.h"')):
            with self.subTest(path=path, include=include):
                self.assertEqual(len(self.problems(path, include)), 1)
                os.remove(os.path.join(self.root, path))


class SourceRules(Tree):
    def test_finds_a_missing_licence(self):
        self.write("core/a.cc", "int a;\n")
        self.assertIn("no SPDX", source_rules.check(self.root)[0][0])

    def test_warns_above_400_lines_and_fails_above_500(self):
        self.write("core/a.cc", LICENCE + "\n" * 420)
        self.assertEqual((len(source_rules.check(self.root)[0]), len(source_rules.check(self.root)[1])), (0, 1))
        self.write("core/a.cc", LICENCE + "\n" * 520)
        self.assertEqual(len(source_rules.check(self.root)[0]), 1)

    def test_finds_a_condition_in_a_body_and_not_elsewhere(self):
        self.write("core/a.cc", LICENCE + "#if A\nnamespace n {\n#if B\nstruct S {\n#if C\n#endif\nint a = 1;\n};\n"
                   "enum class E : int { kA };\n#endif\n// void f() {\n#ifdef D\n#endif\n}\n#endif\n")
        self.assertEqual(source_rules.check(self.root)[0], [])
        for body in ("void f() {\n#if A\n#endif\n}\n", "struct S {\nint f() const {\n#ifdef A\n#endif\n}\n};\n",
                     "namespace n {\nauto f(struct S* s) -> int {\nif (s) {\n#ifndef A\n#endif\n}\n}\n}\n"):
            self.write("core/a.cc", LICENCE + body)
            self.assertEqual(len(source_rules.check(self.root)[0]), 1, body)


if __name__ == "__main__":
    unittest.main()
