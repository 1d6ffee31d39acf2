# SPDX-License-Identifier: Apache-2.0
"""Runs a program as it is, with the preload library, and under `kebound run`, and finds out whose handlers were where."""
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
        self.report = None  # of kebound run
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

    def run_once(self, words, host=None, text_in="", **environment):
        """In a folder of its own, without core files. host: None, "preload" (the library alone), or a host of kebound run."""
        folder = tempfile.mkdtemp(dir=self.folder)
        notes, report = folder + "/witness", folder + "/report"
        libraries = [self.build + "/lib/inproc_chain_witness.so"]
        if host == "preload":
            libraries.insert(0, self.build + "/lib/" + PRELOAD_NAME)
        elif host:
            words = [self.build + "/bin/kebound", "run", "--host", host, "--on-bound", "clamp", "-o", report, "--", *words]
        everything = {**os.environ, "LC_ALL": "C", "HOME": folder, "KEBOUND_TEST_WITNESS": notes,
                      "LD_PRELOAD": " ".join(libraries), **environment}
        everything["KEBOUND_OPTIONS"] = "--on-bound clamp"  # so that there is somebody to ask
        everything.pop("KEBOUND_RING", None)
        done = subprocess.run(words, env=everything, cwd=folder, text=True, input=text_in, capture_output=True, timeout=120,
                              check=False, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)))
        lines = []
        if os.path.exists(notes):
            with open(notes, encoding="utf-8") as file:
                lines = [line for line in file if not line.startswith("kebound ")]
        run = Run(done, lines, folder)
        if host not in (None, "preload"):
            with open(report, encoding="utf-8") as file:
                run.report = file.read()
        return run

    def run_both(self, words, **more):
        """Without kebound and in each way of running with it; all must behave alike. Returns the run with the library preloaded."""
        native = self.run_once(words, **more)
        for key, (kernel, own) in native.handlers.items():
            self.assertEqual(kernel, own, f"{key}: the witness alone changes nothing")
        runs = {host: self.run_once(words, host, **more) for host in ("preload", "inproc", "supervisor")}
        for host, run in runs.items():
            told = f"{host}: {words}\n{native.stderr}\n--- with us:\n{run.stderr}\n{run.report}"
            self.assertEqual(run.behaviour(), native.behaviour(), told)
            self.assertEqual(run.found, native.found, f"{host}: actions that the programs find when they ask")
            self.assertNotRegex(run.stderr, "(?m)^kebound: ", f"{host}: nothing of ours happened, so there is nothing to report")
            self.assertIn(run.report, (None, ""), host)
        self.assertEqual(runs["inproc"].handlers, runs["preload"].handlers, "kebound run preloads the same library")
        return runs["preload"]

    def assert_behind_ours(self, run, program, signal_number, owner):
        """The kernel calls us, and the program finds its own handler, which is in the image `owner`."""
        self.assertEqual(run.handlers.get((program, signal_number)), (PRELOAD_NAME, owner), run.handlers)
