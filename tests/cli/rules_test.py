#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""--rules and --gen-suppressions on the command line: files, messages, what the report says of rules."""

import os
import unittest

import harness
from harness import Case


class Rules(Case):
    def refuses_rules(self, pattern, text, *words):
        return self.refuses(125, pattern, "run", "--rules", self.file("rules", text), *words, "--", "touch", self.witness)

    def setUp(self):
        super().setUp()
        self.witness = os.path.join(self.directory, "witness")

    def tearDown(self):
        self.assertFalse(os.path.exists(self.witness), "the program was started")

    def test_a_wrong_line_is_named_with_its_place_and_a_way_out(self):
        for pattern, text in (
                (r"rules:1:1: 'clomp': is no action; begin the line with propagate, clamp", "clomp"),
                (r"rules:3:7: 'fun': is neither a limit nor a condition; use once", "# a\nskip\nclamp fun=x\n"),
                (r"rules:1:14: 'x87': is no source; use x86-bound", "clamp source=x87"),
                (r"rules:1:13: '0': is not a number from 1 up; write first=N", "clamp first=0"),
                (r"rules:1:12: 'x': is no line number", "clamp line=x"),
                (r"rules:1:16: '\"': is not closed; end", 'clamp function="a b'),
                (r"rules:1:4097: the line has more than 4096 bytes; shorten it", "clamp function=" + "a" * 5000),
                (r"rules:1:1: '\\x1b': is a control character", "\x1b[2J")):
            with self.subTest(text=text):
                result = self.refuses_rules(pattern, text)
                self.assertNotIn("\x1b", result.stderr)

    def test_every_wrong_line_is_named_and_nothing_is_started(self):
        path = self.file("rules", "clomp\nclamp\nskup\n")
        result = self.kebound("run", "--rules", path, "--", "touch", self.witness)
        self.assertEqual(result.returncode, 125, result.replay)
        self.assertRegex(result.stderr, r"\A[^\n]*rules:1:1: [^\n]*\n[^\n]*rules:3:1: [^\n]*\n\Z", result.replay)

    def test_files_that_cannot_be_read_are_named(self):
        self.refuses(125, "/none: the rules cannot be read: No such file", "run", "--rules", self.directory + "/none",
                     "--", "touch", self.witness)
        self.refuses(125, "Is a directory", "run", "--rules", self.directory, "--", "touch", self.witness)
        self.refuses(125, "--rules: the file name is empty", "run", "--rules", "", "--", "touch", self.witness)
        self.refuses(125, "the file has more than 1 MiB", "run", "--rules", "/dev/zero", "--", "touch", self.witness)
        self.refuses(125, "--rules: with --driver it needs a second callback", "run", "--profile=windows", "--driver",
                     harness.DRIVERS + "/quiet.so", "--rules", self.file("good", "clamp"), "--", "touch", self.witness)

    def test_rules_come_from_several_files_in_their_order_and_from_standard_input(self):
        skip, clamp = self.file("skip", "skip function=nothing\n"), self.file("clamp", "clamp function=pick\n")
        result = self.kebound("run", "--rules", skip, "--rules=-", "--rules", clamp, harness.PICK, "12",
                              input="terminate function=nobody\n")
        self.assertEqual((result.returncode, result.stdout), (0, "square 12 is 81\ndone\n"), result.replay)
        self.assertIn(f"by the rule at {clamp}:1\n", result.stderr, result.replay)
        self.assertIn(f"1 x by {clamp}:1: clamp function=pick\n", result.stderr, result.replay)
        self.assertNotIn("nobody", result.stderr, result.replay)

    def test_verbose_names_rules_that_were_not_used(self):
        path = self.file("rules", "clamp function=nobody\nclamp\n")
        result = self.kebound("run", "--verbose", "--rules", path, harness.PICK, "12")
        self.assertRegex(result.stderr, r"0 x by \S*rules:1: clamp function=nobody \(never used\)\n", result.replay)

    def test_an_empty_file_has_no_rules_and_on_bound_counts(self):
        result = self.kebound("run", "--on-bound=clamp", "--rules", self.file("rules"), harness.PICK, "12")
        self.assertEqual((result.returncode, result.stdout), (0, "square 12 is 81\ndone\n"), result.replay)

    def test_suppressions_are_lines_of_their_own_without_an_indent(self):
        result = self.kebound("run", "--on-bound=clamp", "--gen-suppressions=all", harness.PICK, "12", "12")
        self.assertRegex(result.stderr, r"\n# index 12 outside \[0, 9\] in pick\(\) at pick.c:\d+\n"
                                        r"ignore source=x86-bound module=pick function=pick file=pick.c\n", result.replay)
        self.assertEqual(result.stderr.count("\nignore "), 1, result.replay)
        self.refuses(125, "--gen-suppressions: 'yes' is not one of all, no", "run", "--gen-suppressions=yes", "true")


if __name__ == "__main__":
    harness.parse_arguments()
    unittest.main()
