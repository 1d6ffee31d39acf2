#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The manual: every page formats without a complaint, and every routine that a driver can call has one."""

import glob
import os
import re
import subprocess
import unittest

import harness

ROUTINE = re.compile(r"\b((?:v?Dbg|Ke|Kf|Ex|Rtl|Iof?|Mm|Probe|Ps|Obf?|Zw|Interlocked)[A-Z][A-Za-z0-9]*|\w+List|\w+ListHead|YieldProcessor)\(")


def declared_routines():
    """Routines and macros of include/nt that are called like functions."""
    names = set()
    for header in glob.glob(harness.SOURCE + "/include/nt/**/*.h", recursive=True):
        with open(header) as stream:
            code = re.sub(r"//[^\n]*", "", stream.read())
        for declaration in re.finditer(r"(?:NTKERNELAPI|NTSYSAPI|FORCEINLINE)[^;{]*", code):
            names.update(ROUTINE.findall(declaration.group())[:1])
        names.update(re.findall(r"#define (Ke\w+|Ex\w+|Rtl\w+Memory|Ps\w+|Ob\w+|Io\w+Request)\(", code))
    return names


class Manual(unittest.TestCase):
    def pages(self):
        built = os.path.join(os.path.dirname(os.path.dirname(harness.KEBOUND)), "man")
        pages = sorted(glob.glob(built + "/man[13]/*.[13]"))
        self.assertGreater(len(pages), 40)
        return built, pages

    def test_every_routine_has_a_page(self):
        _, pages = self.pages()
        documented = {os.path.basename(page)[:-2] for page in pages}
        declared = declared_routines()
        self.assertGreater(len(declared), 80)
        self.assertEqual(declared - documented, set())

    def test_pages_format_without_complaints(self):
        built, pages = self.pages()
        for page in pages:
            result = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], cwd=built, text=True,
                                    capture_output=True, env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8"})
            self.assertEqual((result.returncode, result.stderr), (0, ""), page)
            self.assertIn("NAME", result.stdout, page)
            self.assertNotRegex(result.stdout, r"[^-]\u2010\u2010|\u2013driver", page)

    def test_links_lead_to_pages(self):
        built, pages = self.pages()
        for page in pages:
            with open(page) as stream:
                link = re.match(r"\.so (\S+)\n", stream.read())
            if link:
                self.assertTrue(os.path.exists(os.path.join(built, link.group(1))), page)


if __name__ == "__main__":
    harness.parse_arguments()
    unittest.main()
