#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""kebound scan as it is used: reports, messages, statuses. --fixtures: the programs of scan/testing."""

import json
import os
import sys
import unittest

import jsonschema

import harness

FIXTURES = ""


class Scan(harness.Case):
    def fixture(self, name):
        return os.path.join(FIXTURES, name)

    def scan(self, *words, **keywords):
        return self.kebound("scan", *words, **keywords)

    def fails(self, status, *words):
        result = self.scan(*words)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertRegex(result.stderr, harness.MESSAGE_WITH_REMEDY)
        self.assertEqual(result.stdout, "")
        return result.stderr

    def test_text_goes_to_standard_output(self):
        result = self.scan(self.fixture("gcc_o2"))
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("6 bounds checks in 5 functions", result.stdout)
        self.assertIn("unchecked (checks.c:29): 1 access", result.stdout)

    def test_the_document_shows_what_is_printed(self):
        with open(harness.SOURCE + "/docs/scan.md") as stream:
            document = stream.read()
        for line in self.scan(self.fixture("gcc_o2")).stdout.split("\n"):
            if line.startswith(("pick (", "  checks.c:18", "6 bounds", "index and limit", "1 function", "  unchecked")):
                self.assertIn(line, document)

    def test_json_follows_its_schema(self):
        with open(harness.SOURCE + "/docs/scan.schema.json") as stream:
            schema = json.load(stream)
        jsonschema.Draft7Validator.check_schema(schema)
        names = [name for name in sorted(os.listdir(FIXTURES)) if not name.endswith((".o", ".debug"))]
        self.assertGreater(len(names), 20)
        for name in names:
            result = self.scan("--report", "json", self.fixture(name))
            self.assertEqual((result.returncode, result.stderr), (0, ""), name)
            report = json.loads(result.stdout)
            jsonschema.validate(report, schema)
            self.assertEqual(report["totals"]["checks"], len(report["checks"]), name)
            self.assertEqual(sum(report["totals"]["by_source"].values()), len(report["checks"]), name)

    def test_every_function_without_checks_is_listed_on_request(self):
        program = self.fixture("fortified_static")
        few = self.scan("--no-debug-info", program).stdout
        self.assertRegex(few, r"\.\.\. and \d+ more; --all lists them")
        every = self.scan("--no-debug-info", "--all", program).stdout
        self.assertNotIn("--all lists them", every)
        self.assertGreater(every.count("\n"), few.count("\n"))

    def test_without_debug_information_there_are_no_lines(self):
        text = self.scan("--no-debug-info", self.fixture("gcc_o2")).stdout
        self.assertNotIn("checks.c", text)
        self.assertIn("6 bounds checks", text)

    def test_the_report_goes_to_a_file(self):
        path = os.path.join(self.directory, "report.json")
        result = self.scan("--report=json", "-o", path, self.fixture("gcc_o2"))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        with open(path) as stream:
            self.assertEqual(json.load(stream)["version"], 1)

    def test_a_report_that_cannot_be_written_is_an_error(self):
        self.fails(125, "-o", "/dev/full", self.fixture("gcc_o2"))
        self.fails(125, "-o", self.directory + "/no/such/folder", self.fixture("gcc_o2"))

    def test_usage_errors(self):
        program = self.fixture("gcc_o2")
        for words in ([], [program, program], ["--bogus", program], ["--report", "xml", program], ["--report"],
                      ["--output=", program]):
            self.fails(125, *words)

    def test_files_that_cannot_be_scanned(self):
        with open(self.fixture("gcc_o2"), "rb") as stream:
            program = stream.read()
        other = bytearray(program)
        other[18:20] = (183).to_bytes(2, "little")
        cases = [(127, "/no/such/file", "No such file"), (126, "/", "no regular file"),
                 (126, "/dev/null", "no regular file"),
                 (126, self.file("empty"), "empty"), (126, self.file("text", "#!/bin/sh\n"), "no ELF file"),
                 (126, self.file("short", program[:30]), "header"),
                 (126, self.file("truncated", program[:len(program) // 8]), "truncated"),
                 (126, self.file("other", bytes(other)), "AArch64"),
                 (126, self.fixture("object.o"), "object file"),
                 (126, self.fixture("split.debug"), "debug file")]
        for status, path, why in cases:
            self.assertIn(why, self.fails(status, path), path)

    def test_help(self):
        result = self.scan("--help")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for option in ("--report", "--output", "--all", "--no-debug-info"):
            self.assertIn(option, result.stdout)

    def test_names_cannot_steer_the_terminal(self):
        with open(self.fixture("gcc_o2"), "rb") as stream:
            path = self.file("evil\x1b[31m", stream.read())
        self.assertNotIn("\x1b", self.scan(path).stdout)


if __name__ == "__main__":
    position = sys.argv.index("--fixtures")
    FIXTURES = os.path.abspath(sys.argv[position + 1])
    del sys.argv[position:position + 2]
    harness.parse_arguments()
    unittest.main()
