#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Names of code that is hard to get at: libraries opened at run time, deleted files, other mount namespaces, files without their debug
information, which is elsewhere."""

import json
import os
import shutil
import subprocess
import unittest

import harness
from harness import Case

PROGRAMS = ""


class Symbols(Case):
    def setUp(self):
        super().setUp()
        self.program = shutil.copy(os.path.join(PROGRAMS, "places"), self.directory)
        self.library = shutil.copy(os.path.join(PROGRAMS, "places_library.so"), self.directory)

    def exception(self, *words):
        path = os.path.join(self.directory, "events.jsonl")
        result = self.kebound("run", "--on-bound=clamp", "--report=jsonl", "-o", path, *words)
        with open(path) as stream:
            events = [json.loads(line) for line in stream]
        found = [event for event in events if event["event"] == "bound-exception"]
        self.assertEqual(len(found), 1, result.replay)
        return found[0]

    def assert_named(self, event, symbol, source, marker):
        path = os.path.join(harness.SOURCE, "tests/cli/programs", source)
        with open(path) as stream:
            line = next(number for number, text in enumerate(stream, 1) if marker in text)
        self.assertEqual((event["symbol"], os.path.basename(event["file"] or ""), event["line"]), (symbol, source, line))

    def test_a_recording_keeps_its_names_when_the_program_is_another_one(self):
        event = self.exception(self.program)
        notes = subprocess.run(["readelf", "--notes", self.program], stdout=subprocess.PIPE, text=True, check=True).stdout
        self.assertEqual(event["build_id"], notes.split("Build ID: ")[1].split()[0])
        shutil.copy(self.library, self.program)
        again = self.kebound("report", "--format=jsonl", os.path.join(self.directory, "events.jsonl"))
        events = [json.loads(line) for line in again.stdout.splitlines()]
        self.assertEqual([e for e in events if e["event"] == "bound-exception"], [event])
        self.assert_named(event, "pick", "places.c", "the program's check")

    def test_the_program_itself(self):
        self.assert_named(self.exception(self.program), "pick", "places.c", "the program's check")

    def test_a_program_whose_file_is_deleted(self):
        event = self.exception(self.program, "unlink")
        self.assertFalse(os.path.exists(self.program))
        self.assert_named(event, "pick", "places.c", "the program's check")

    def test_a_library_that_was_opened_at_run_time(self):
        event = self.exception(self.program, "library", self.library)
        self.assert_named(event, "checked", "places_library.c", "the library's check")
        names = [frame["symbol"] for frame in event["stack"]]
        self.assertEqual(names[:3], ["checked", "library_pick", "main"])
        self.assertEqual([frame["inlined"] for frame in event["stack"][:3]], [True, False, False])

    def test_a_library_whose_file_is_deleted(self):
        event = self.exception(self.program, "library", self.library, "unlink")
        self.assertFalse(os.path.exists(self.library))
        self.assert_named(event, "checked", "places_library.c", "the library's check")

    def test_a_program_that_only_another_mount_namespace_has(self):
        flags = "-m" if os.geteuid() == 0 else "-rm"
        hidden = os.path.join(self.directory, "hidden")
        os.mkdir(hidden)
        script = f"mount -t tmpfs tmpfs '{hidden}' && cp '{self.program}' '{hidden}/places'"
        if subprocess.run(["unshare", flags, "sh", "-c", script], capture_output=True).returncode != 0:
            self.skipTest("no mount namespace is to be had")
        event = self.exception("unshare", flags, "sh", "-c", script + f" && '{hidden}/places'")
        self.assertFalse(os.path.exists(hidden + "/places"))
        self.assertEqual(event["module"], hidden + "/places")
        self.assert_named(event, "pick", "places.c", "the program's check")

    def test_a_program_whose_debug_information_is_in_a_file_beside_it(self):
        debug = self.program + ".debug"
        subprocess.run(["objcopy", "--only-keep-debug", self.program, debug], check=True)
        subprocess.run(["objcopy", "--strip-all", "--remove-section=.note.gnu.build-id", "--add-gnu-debuglink=" + debug,
                        self.program], check=True, cwd=self.directory)
        self.assert_named(self.exception(self.program), "pick", "places.c", "the program's check")
        os.unlink(debug)
        self.assertIsNone(self.exception(self.program)["line"])


if __name__ == "__main__":
    harness.parse_arguments()
    PROGRAMS = os.path.join(os.path.dirname(harness.DRIVERS), "programs")
    unittest.main(verbosity=2)
