#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The README shows what really happens: its session is run again, its driver is the example's source."""

import os
import re
import shutil
import subprocess
import unittest

import harness


def normalized(text):
    """Without what changes from run to run and from machine to machine."""
    text = re.sub(r"process \d+, thread \d+", "process N, thread N", text)
    # What the C library's frames are called depends on which of its debug files are there.
    text = re.sub(r"^ +#\d+ .*\(libc\.so\.6\+.*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"0x[0-9a-f]+", "X", text)


class Readme(harness.Case):
    def setUp(self):
        super().setUp()
        with open(harness.SOURCE + "/README.md") as stream:
            self.readme = stream.read()

    def test_the_sessions_are_what_happens(self):
        sessions = re.findall(r"```console\n(.*?)```", self.readme, re.DOTALL)
        self.assertEqual(len(sessions), 2)
        for session in sessions:
            commands = re.findall(r"^\$ (.*)$", session, re.MULTILINE)
            shown = re.sub(r"^\$ .*\n", "", session, flags=re.MULTILINE)
            for program in ("pick.c", "squares.c"):
                shutil.copy(harness.SOURCE + "/examples/programs/" + program, self.directory)
            output = ""
            for command in commands:
                path = os.path.dirname(harness.KEBOUND) + ":" + os.environ["PATH"]
                # The program's output goes to a pipe, the report after it: as they stand in the README.
                result = subprocess.run(command, shell=True, cwd=self.directory, text=True, capture_output=True,
                                        env={**os.environ, "PATH": path})
                output += result.stdout + result.stderr
            output = output.replace(self.directory, "/tmp/demo")
            self.assertEqual(normalized(output), normalized(shown))

    def test_the_driver_is_the_example(self):
        shown, = re.findall(r"```c\n(.*?)```", self.readme, re.DOTALL)
        with open(harness.SOURCE + "/examples/drivers/count.c") as stream:
            self.assertIn(shown, stream.read())

    def test_links_lead_somewhere(self):
        for page in ["README.md", "CONTRIBUTING.md"] + ["docs/" + name for name in
                                                        os.listdir(harness.SOURCE + "/docs") if name.endswith(".md")]:
            with open(os.path.join(harness.SOURCE, page)) as stream:
                for target in re.findall(r"\]\(([^)#]+)[^)]*\)", stream.read()):
                    if "://" not in target:
                        path = os.path.join(harness.SOURCE, os.path.dirname(page), target)
                        self.assertTrue(os.path.exists(path), f"{page}: {target}")

    def test_statuses_are_those_of_the_manual(self):
        with open(harness.SOURCE + "/man/kebound.1.md") as stream:
            manual = stream.read()
        for status in re.findall(r"^\| (\d+) \|", self.readme, re.MULTILINE):
            self.assertIn(f"\n{status}\n:   ", manual)


if __name__ == "__main__":
    harness.parse_arguments()
    unittest.main()
