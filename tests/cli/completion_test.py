#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Completion as it is used: an interactive bash on a terminal, with tabs typed; zsh loads its file."""

import os
import pty
import re
import select
import subprocess
import time
import unittest

import harness


class Bash(harness.Case):
    def setUp(self):
        super().setUp()
        rc = self.file("bashrc", f"""
PS1='READY> '
bind 'set bell-style none'
bind 'set enable-bracketed-paste off'
bind 'set completion-query-items 0'
bind 'set page-completions off'
bind 'set show-all-if-ambiguous on'
source /usr/share/bash-completion/bash_completion
source {harness.SOURCE}/packaging/completions/kebound.bash
cd {self.directory}
""")
        self.file("repair.so")
        self.file("notes.txt")
        pid, self.master = pty.fork()
        if pid == 0:
            os.environ["TERM"] = "dumb"
            os.execv("/bin/bash", ["bash", "--noprofile", "--rcfile", rc, "-i"])
        self.addCleanup(os.waitpid, pid, 0)
        self.addCleanup(os.close, self.master)
        self.read_until(lambda text: text.endswith("READY> "))

    def read_until(self, complete, quiet=10.0):
        text, deadline = "", time.monotonic() + quiet
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self.master], [], [], 0.05)
            if ready:
                text += os.read(self.master, 65536).decode()
            if complete(text):
                return text
        self.fail(f"bash said only {text!r}")

    def completions(self, line):
        """The words that bash offers for `line` when tab is pressed."""
        # The marker shows that bash has done with the tab; ^U clears the line before it.
        os.write(self.master, line.encode() + b"\t")
        time.sleep(0.1)
        os.write(self.master, b"\x15echo '<'END'>'\n")
        text = self.read_until(lambda text: "<END>\r\nREADY> " in text)
        text = text[:text.index("echo '<'END'>'")]
        return set(re.split(r"[\s\x07\x08]+", text.replace("READY> ", " ")))

    def offers(self, line, *words):
        offered = self.completions(line)
        for word in words:
            self.assertIn(word, offered, line)
        return offered

    def test_commands(self):
        self.offers("kebound ", "run", "attach", "monitor", "scan", "--help", "--version")

    def test_options(self):
        self.offers("kebound run --", "--driver", "--on-bound", "--report", "--pin", "--verbose")
        self.offers("kebound attach --", "--driver", "--livelock-limit")

    def test_values_in_both_spellings(self):
        self.offers("kebound run --on-bound ", "propagate", "clamp", "skip", "terminate")
        self.offers("kebound run --report=", "text", "jsonl", "none")
        self.offers("kebound run --profile w", "windows")
        self.offers("kebound run --gen-suppressions ", "all", "no")
        self.offers("kebound run --rules n", "notes.txt")
        self.offers("kebound run --backtraces=a", "--backtraces=all")

    def test_drivers_are_shared_objects(self):
        self.assertNotIn("notes.txt", self.offers("kebound run --driver ", "repair.so"))

    def test_behind_the_program_its_own_completion_is_used(self):
        self.assertNotIn("--driver", self.completions("kebound run ls --d"))
        self.offers("kebound run --report none -- ls n", "notes.txt")

    def test_scan_offers_its_options_and_files(self):
        self.offers("kebound scan --", "--report", "--output", "--all", "--no-debug-info")
        self.offers("kebound scan --report ", "text", "json")
        self.offers("kebound scan ", "repair.so", "notes.txt")

    def test_attach_offers_processes(self):
        self.offers("kebound attach ", "1")


class Zsh(unittest.TestCase):
    def test_the_file_is_found_by_compinit_and_parses(self):
        folder = harness.SOURCE + "/packaging/completions"
        script = (f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D; "
                  "print -r -- $_comps[kebound]; autoload +X _kebound && print loaded")
        result = subprocess.run(["zsh", "-fc", script], capture_output=True, text=True)
        self.assertEqual(result.stdout, "_kebound\nloaded\n", result.stderr)
        self.assertEqual(subprocess.run(["zsh", "-fn", folder + "/_kebound"]).returncode, 0)


if __name__ == "__main__":
    harness.parse_arguments()
    unittest.main()
