# SPDX-License-Identifier: Apache-2.0
"""Runs a program with and without the preload library, and finds out whose handlers were where."""
import os
import re
import resource
import subprocess
import tempfile
import unittest

PRELOAD_NAME = "libkebound-preload.so"
WITNESS_LINE = re.compile(r"(.+) (\d+) kernel=(.*) program=(.*) (flags=[0-9a-f]+ mask=[0-9a-f]+)")
VARYING = re.compile(r"0x[0-9a-f]+|\b[pt]id=\d+")


class Run:
    """What a program did, and what the witness saw: handlers[program, signal] = (kernel's, program's), and
    found[program, signal] = the action as the program finds it."""

    def __init__(self, done, notes, folder):
        self.status, self.stdout, self.stderr, self.folder = done.returncode, done.stdout, done.stderr, folder
        self.handlers, self.found = {}, {}
        for line in notes:
            program, number, kernel, own, rest = WITNESS_LINE.fullmatch(line.rstrip("\n")).groups()
            self.handlers[program, int(number)] = (kernel, own)
            self.found[program, int(number)] = own + " " + rest

    def behaviour(self):
        """What must be the same with and without us; addresses and process ids differ from run to run anyway."""
        return self.status, VARYING.sub("...", self.stdout)


class ChainTest(unittest.TestCase):
    build = None  # the build tree

    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = temporary.name

    def run_once(self, words, preload, text_in="", **environment):
        """In a folder of its own, without core files."""
        folder = tempfile.mkdtemp(dir=self.folder)
        notes = folder + "/witness"
        libraries = [self.build + "/lib/inproc_chain_witness.so"]
        if preload:
            libraries.insert(0, self.build + "/lib/" + PRELOAD_NAME)
        everything = {**os.environ, "LC_ALL": "C", "HOME": folder, "KEBOUND_TEST_WITNESS": notes,
                      "LD_PRELOAD": " ".join(libraries), **environment}
        everything["KEBOUND_OPTIONS"] = "--on-bound clamp"  # so that there is somebody to ask
        everything.pop("KEBOUND_RING", None)
        done = subprocess.run(words, env=everything, cwd=folder, text=True, input=text_in, capture_output=True, timeout=120,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        if not os.path.exists(notes):
            return Run(done, [], folder)
        with open(notes, encoding="utf-8") as file:
            return Run(done, file.readlines(), folder)

    def run_both(self, words, **more):
        """Without and with the preload library; both must behave alike. Returns the run with it."""
        native = self.run_once(words, False, **more)
        ours = self.run_once(words, True, **more)
        self.assertEqual(ours.behaviour(), native.behaviour(), f"{words}\n{native.stderr}\n--- with us:\n{ours.stderr}")
        self.assertEqual(ours.found, native.found, "actions that the programs find when they ask")
        for key, (kernel, own) in native.handlers.items():
            self.assertEqual(kernel, own, f"{key}: the witness alone changes nothing")
        self.assertNotRegex(ours.stderr, "(?m)^kebound: ", "nothing of ours happened, so there is nothing to report")
        return ours

    def assert_behind_ours(self, run, program, signal_number, owner):
        """The kernel calls us, and the program finds its own handler, which is in the image `owner`."""
        self.assertEqual(run.handlers.get((program, signal_number)), (PRELOAD_NAME, owner), run.handlers)
