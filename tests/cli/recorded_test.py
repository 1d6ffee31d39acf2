#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""kebound report and kebound replay: recordings of real runs rendered again, and put before other drivers."""

import json
import os
import subprocess
import unittest

import harness
from harness import Case

SITES = ""


class RecordedCase(Case):
    def record(self, *words):
        path = os.path.join(self.directory, "events.jsonl")
        self.kebound("run", "--report=jsonl", "-o", path, *words)
        return path

    def rendered(self, form, path):
        result = self.kebound("report", path, "--format", form)
        self.assertEqual((result.returncode, result.stderr), (0, ""), result.replay)
        return result.stdout


class Report(RecordedCase):
    def test_json_lines_come_out_as_they_went_in(self):
        path = self.record("--on-bound=clamp", "--backtraces=all", SITES, "3")
        with open(path) as stream:
            self.assertEqual(self.rendered("jsonl", path), stream.read())

    def test_text_says_what_the_run_would_have_said(self):
        path = self.record("--on-bound=clamp", SITES, "2")
        live = self.kebound("run", "--on-bound=clamp", SITES, "2").stderr
        headlines = [line for line in live.splitlines() if line.startswith("kebound: bound exception: ")]
        self.assertGreater(len(headlines), 2)
        text = self.rendered("text", path)
        for line in headlines:
            self.assertIn(line + "\n", text)
        self.assertEqual(text.splitlines()[-4:], live.splitlines()[-4:])

    def test_the_other_forms_are_made_of_the_same_events(self):
        path = self.record("--on-bound=clamp", "--backtraces=all", SITES, "2")
        results = json.loads(self.rendered("sarif", path))["runs"][0]["results"]
        with open(path) as stream:
            events = [json.loads(line) for line in stream]
        count = sum(event["event"] == "bound-exception" for event in events)
        self.assertEqual(sum(result["occurrenceCount"] for result in results), count)
        self.assertIn("<!DOCTYPE html>", self.rendered("html", path))

    def test_standard_input_and_an_output_file_work(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12")
        output = os.path.join(self.directory, "out.txt")
        with open(path) as stream:
            result = self.kebound("report", "-", "-o", output, stdin=stream)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""), result.replay)
        with open(output) as stream:
            self.assertIn("index 12 outside [0, 9] in pick()", stream.read())

    def test_a_recording_that_was_cut_off_is_used_and_said_to_be(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12")
        with open(path) as stream:
            whole = stream.read()
        cut = self.file("cut.jsonl", whole[:-20])
        result = self.kebound("report", cut)
        self.assertEqual(result.returncode, 0, result.replay)
        self.assertIn("cut.jsonl:%d: the last line was cut off" % whole.count("\n"), result.stderr, result.replay)
        self.assertIn("index 12", result.stdout, result.replay)
        self.assertIn("report-incomplete", result.stdout, result.replay)

    def test_what_is_no_recording_is_refused_with_its_line(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12")
        with open(path) as stream:
            lines = stream.read().splitlines(True)
        bad = self.file("bad.jsonl", lines[0] + "{\"version\":1}\n" + lines[1])
        self.refuses(125, r"bad.jsonl:2: the member 'event' is missing", "report", bad)
        self.refuses(125, r"bad.jsonl:2: the member 'event' is missing", "replay", bad, "--on-bound=clamp")
        self.refuses(125, "No such file", "report", self.directory + "/none")
        self.refuses(125, "Is a directory", "report", self.directory)
        self.refuses(125, ":1: it is not JSON; give", "report", self.file("text", "hello\nworld\n"))
        with open("/dev/full", "w") as full:
            result = subprocess.run([harness.KEBOUND, "report", path], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(result.returncode, 125)
        self.assertIn(b"No space left", result.stderr)


class Replay(RecordedCase):
    def replay(self, status, *words):
        result = self.kebound("replay", *words)
        self.assertEqual(result.returncode, status, result.replay)
        return result.stdout

    def test_the_same_policy_answers_the_same(self):
        path = self.record("--on-bound=clamp", SITES, "3")
        with open(path) as stream:
            count = sum('"bound-exception"' in line for line in stream)
        self.assertEqual(self.replay(0, path, "--on-bound=clamp"),
                         f"kebound: replay: {count} exceptions: {count} as recorded, 0 differ, 0 not to be told\n")
        self.assertEqual(self.replay(0, path, "--on-bound=clamp", "--verbose").count("    the same\n"), count)

    def test_another_policy_shows_both_answers(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12")
        output = self.replay(1, path, "--on-bound=propagate")
        self.assertIn("index 12 outside [0, 9] in pick() at pick.c:", output)
        self.assertRegex(output, r"    was builtin!clamp -> BoundExceptionHandled \(edited\); handled: eax 12 -> 9; ")
        self.assertRegex(output, r"    now builtin!\w+ -> BoundExceptionContinueSearch; propagated: SIGSEGV to the program\n")
        self.assertIn("    differs: answer, disposition, registers\n", output)
        self.assertTrue(output.endswith("1 exception: 0 as recorded, 1 differ, 0 not to be told\n"), output)

    def test_drivers_are_loaded_asked_and_unloaded(self):
        path = self.record("--on-bound=propagate", harness.PICK, "12")
        a, b = harness.DRIVERS + "/order_a.so", harness.DRIVERS + "/order_b.so"
        lines = self.replay(0, path, "--driver", a, "--driver", b).splitlines()
        said = [line.split("] ")[1] for line in lines if line.startswith("[")]
        self.assertEqual(said, ["a loaded", "b loaded", "b asked", "a asked", "b unloaded", "a unloaded"])

    def test_a_callback_that_wants_memory_cannot_be_told_and_the_next_one_is(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12", "13")
        output = self.replay(1, path, "--driver", harness.DRIVERS + "/reads_memory.so")
        self.assertRegex(output, r"now not to be told: reads_memory\S* read 0x[0-9a-f]+, which is not in the record")
        self.assertTrue(output.endswith("2 exceptions: 0 as recorded, 0 differ, 2 not to be told\n"), output)

    def test_code_and_bounds_are_read_at_their_addresses(self):
        repair = os.path.join(os.path.dirname(harness.PICK), "../../lib/drivers/repair.so")
        path = self.record("--driver", repair, harness.PICK, "12", "-1")
        output = self.replay(0, path, "--driver", repair)
        self.assertIn("2 exceptions: 2 as recorded, 0 differ, 0 not to be told\n", output)

    def test_bug_checks_and_drivers_that_do_not_load_have_their_statuses(self):
        path = self.record("--on-bound=clamp", harness.PICK, "12")
        output = self.replay(123, path, "--driver", harness.DRIVERS + "/invalid_answer.so")
        self.assertIn("*** STOP: 0x0000007F", output)
        self.refuses(124, "DriverEntry", "replay", path, "--driver", harness.DRIVERS + "/no_entry.so")

    def test_one_recording_of_every_host_is_understood(self):
        path = self.record("--host=inproc", "--on-bound=clamp", harness.PICK, "12")
        self.replay(0, path, "--on-bound=clamp")


if __name__ == "__main__":
    harness.parse_arguments()
    SITES = os.path.join(os.path.dirname(harness.DRIVERS), "programs", "sites")
    unittest.main(verbosity=2)
