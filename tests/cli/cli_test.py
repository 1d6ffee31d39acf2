#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The command line as kebound(1) promises it: options, messages, exit statuses, streams, signals."""

import json
import os
import signal
import subprocess
import time
import unittest

import harness
from harness import Case, on_a_terminal


class Help(Case):
    def shows(self, *words):
        result = self.kebound(*words)
        self.assertEqual(result.returncode, 0, result.replay)
        self.assertEqual(result.stderr, "", result.replay)
        return result.stdout

    def test_every_help_fits_80_by_24(self):
        for words in (["--help"], ["run", "--help"], ["attach", "--help"], ["report", "--help"], ["replay", "-h"],
                      ["monitor", "--help"], ["-h"], ["run", "-h"]):
            lines = self.shows(*words).splitlines()
            # The last line of the screen is the next prompt's.
            self.assertLessEqual(len(lines), 23, words)
            self.assertLessEqual(max(map(len, lines)), 80, words)

    def test_help_documents_every_own_status(self):
        for command in ("run", "attach"):
            for status in ("123", "124", "125", "126", "127", "--error-exitcode"):
                self.assertIn(status, self.shows(command, "--help"))

    def test_version_is_one_line(self):
        self.assertRegex(self.shows("--version"), r"\Akebound \d+\.\d+\.\d+\n\Z")
        self.assertEqual(self.shows("--version"), self.shows("-V"))

    def test_help_that_cannot_be_written_is_a_failure(self):
        with open("/dev/full", "w") as full:
            process = subprocess.run([harness.KEBOUND, "--help"], stdout=full, stderr=subprocess.PIPE)
        self.assertEqual(process.returncode, 125)
        self.assertIn(b"No space left", process.stderr)

    def test_options_of_help_and_completions_are_the_same(self):
        folder = os.path.join(harness.SOURCE, "packaging/completions")
        with open(os.path.join(folder, "kebound.bash")) as stream:
            bash = stream.read()
        with open(os.path.join(folder, "_kebound")) as stream:
            zsh = stream.read()
        with open(os.path.join(harness.SOURCE, "man/kebound.1.md")) as stream:
            manual = stream.read()
        options = {word.rstrip(",") for word in self.shows("run", "--help").split()
                   if word.startswith("--") and len(word) > 2}
        self.assertGreater(len(options), 10)
        for option in options:
            name = option.rstrip(";")
            self.assertIn(name, bash)
            self.assertIn(name, zsh)
            self.assertIn("**" + name + "**", manual)


class UsageErrors(Case):
    def test_each_names_what_why_and_a_way_out(self):
        for pattern, words in (
                ("COMMAND: none is given", []),
                ("'walk': no such command", ["walk"]),
                ("'': no such command", [""]),
                ("--walk: unknown option", ["--walk"]),
                ("PROGRAM: none is given", ["run"]),
                ("PROGRAM: none is given", ["run", "--"]),
                ("--drive: unknown option", ["run", "--drive", "x", "true"]),
                ("-z: unknown option", ["run", "-z", "true"]),
                ("--driver: a value is missing", ["run", "--driver"]),
                ("--report: 'xml' is not one of text, jsonl, sarif, html, journal, none", ["run", "--report", "xml", "true"]),
                ("--profile: 'nt4' is not one of", ["run", "--profile=nt4", "true"]),
                ("--error-exitcode: '0' is not a number from 1 to 255", ["run", "--error-exitcode=0", "true"]),
                ("--error-exitcode: '256' is not", ["run", "--error-exitcode", "256", "true"]),
                ("--pin: 'here' is not one of", ["run", "--pin", "here", "true"]),
                ("FILE: none is given", ["report"]),
                ("FILE: more than one", ["report", "a", "b"]),
                ("--format: 'xml' is not one of text, jsonl, sarif, html", ["report", "--format=xml", "x"]),
                ("--formt: unknown option", ["report", "--formt", "x"]),
                ("--output: a value is missing", ["report", "x", "--output"]),
                ("--verbose: takes no value", ["report", "--verbose=1", "x"]),
                ("FILE: none is given", ["replay", "--driver", "x.so"]),
                ("--driver: none is given", ["replay", "x.jsonl"]),
                ("--on-bound: 'jump' is not one of", ["replay", "x.jsonl", "--on-bound", "jump"]),
                ("--output: the journal takes no file", ["run", "--report=journal", "-o", "x", "true"]),
                ("PID: none is given", ["attach"]),
                ("PID: more than one", ["attach", "1", "2"]),
                ("PID: '1x' is not a process number", ["attach", "1x"]),
                ("PID: '0' is not", ["attach", "0"]),
                ("PID: '99999999999999' is not", ["attach", "99999999999999"])):
            with self.subTest(words=words):
                result = self.refuses(125, pattern, *words)
                self.assertEqual(result.stdout, "")

    def test_what_does_not_fit_into_the_program_is_named(self):
        inproc = ["run", "--host", "inproc"]
        for status, pattern, words in (
                (125, "--host: 'here' is not one of", ["run", "--host=here", "true"]),
                (125, "--driver: cannot be had with --host inproc", [*inproc, "--driver", "x.so", "true"]),
                (125, "--callback-threads: cannot", [*inproc, "--callback-threads=2", "true"]),
                (125, "--pin: cannot", [*inproc, "--pin=follow", "true"]),
                (125, "--backtraces: cannot", [*inproc, "--backtraces=all", "true"]),
                (125, "--host: a running process cannot", ["attach", "--host=inproc", "1"]),
                (127, "no-such-program: not found in PATH", [*inproc, "no-such-program"]),
                (126, "is a directory", [*inproc, self.directory]),
                (126, "is not executable", [*inproc, self.file("plain", b"#!/bin/sh\n", 0o644)])):
            with self.subTest(words=words):
                self.refuses(status, pattern, *words)
        result = self.kebound(*inproc, "--pin=none", "--backtraces=none", "--callback-threads=0", "--", "sh", "-c",
                              "exit 3")
        self.assertEqual((result.returncode, result.stderr), (3, ""), result.replay)

    def test_a_static_program_cannot_be_given_a_library(self):
        with open(harness.PICK, "rb") as stream:
            program = stream.read()
        # Without a PT_INTERP (type 3) there is no loader: made an entry of no meaning (PT_NULL).
        headers = int.from_bytes(program[28:32], "little")
        for at in range(headers, headers + 32 * int.from_bytes(program[44:46], "little"), 32):
            if program[at:at + 4] == b"\3\0\0\0":
                program = program[:at] + bytes(4) + program[at + 4:]
        path = self.file("static", program)
        self.refuses(126, "statically linked.*; use --host supervisor", "run", "--host=inproc", path)

    def test_a_second_slot_is_not_to_be_had_in_the_windows_profile(self):
        self.refuses(125, "--on-bound: .*one slot", "run", "--profile=windows", "--driver=x.so",
                     "--on-bound=clamp", "true")

    def test_terminal_escapes_in_names_are_not_passed_on(self):
        result = self.refuses(127, r"\\x1b\[2J", "run", "./\x1b[2Jname")
        self.assertNotIn("\x1b", result.stderr)

    def test_the_environment_is_named_where_the_error_is_its(self):
        for pattern, text in ((r"KEBOUND_OPTIONS: --reprot: unknown option; correct", "--reprot=x"),
                              (r"KEBOUND_OPTIONS: a ' is not closed", "--driver 'x"),
                              (r"KEBOUND_OPTIONS: true: only options", "true"),
                              (r"KEBOUND_OPTIONS: --pin: 'x' is not", "--pin x")):
            self.refuses(125, pattern, "run", "true", env={"KEBOUND_OPTIONS": text})
        result = self.kebound("run", "--help", env={"KEBOUND_OPTIONS": "'"})
        self.assertEqual(result.returncode, 0, result.replay)

    def test_options_of_the_environment_apply_and_the_command_line_wins(self):
        options = {"KEBOUND_OPTIONS": "--error-exitcode 77 --report none --on-bound clamp"}
        result = self.kebound("run", harness.PICK, "12", env=options)
        self.assertEqual((result.returncode, result.stderr), (77, ""), result.replay)
        result = self.kebound("run", "--error-exitcode", "78", harness.PICK, "12", env=options)
        self.assertEqual(result.returncode, 78, result.replay)


class Statuses(Case):
    def test_the_programs_own_status_is_kebounds(self):
        for status in (0, 1, 2, 77, 123, 124, 125, 126, 127, 128, 254, 255):
            result = self.kebound("run", "--", "sh", "-c", f"exit {status}")
            self.assertEqual(result.returncode, status, result.replay)

    def test_a_program_that_dies_of_a_signal_takes_kebound_along(self):
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT, signal.SIGKILL,
                       signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1, signal.SIGRTMIN):
            result = self.kebound("run", "--", "sh", "-c", f"kill -{int(number)} $$",
                                  cwd=self.directory)
            self.assertEqual(result.returncode, -number, result.replay)
        self.assertEqual([name for name in os.listdir(self.directory) if "core" in name], [])

    def test_an_exception_that_propagates_ends_as_without_kebound(self):
        bare = subprocess.run([harness.PICK, "12"], capture_output=True, text=True)
        result = self.kebound("run", harness.PICK, "12")
        self.assertEqual(result.returncode, bare.returncode, result.replay)
        self.assertEqual(result.returncode, -signal.SIGSEGV, result.replay)
        self.assertEqual(result.stdout, bare.stdout, result.replay)

    def test_error_exitcode_counts_only_where_an_exception_occurred(self):
        for words, status in ((["--on-bound=clamp", harness.PICK, "12"], 9),
                              (["--on-bound=propagate", harness.PICK, "12"], 9),
                              (["--on-bound=terminate", harness.PICK, "12"], 9),
                              (["--report=none", "--on-bound=skip", harness.PICK, "12"], 9),
                              ([harness.PICK, "3"], 0), (["false"], 1)):
            result = self.kebound("run", "--error-exitcode=9", *words)
            self.assertEqual(result.returncode, status, result.replay)

    def test_what_does_not_exist_is_127(self):
        self.refuses(127, "no-such-program: not found in PATH; check", "run", "no-such-program")
        self.refuses(127, "no such file", "run", self.directory + "/none")
        self.refuses(127, "name is empty", "run", "--", "")
        self.refuses(127, "not a directory", "run", "/dev/null/x")
        self.refuses(127, "process 4194304", "attach", "4194304")

    def test_what_cannot_be_executed_is_126(self):
        arm = bytearray(b"\x7fELF\x01\x01\x01" + bytes(9) + b"\x02\0\x28\0" + b"\x01\0\0\0" + bytes(28))
        for pattern, path in (("is a directory", self.directory),
                              ("is not executable; .*chmod", self.file("plain", b"#!/bin/sh\n", 0o644)),
                              ("the file is empty", self.file("empty")),
                              ("another architecture \\(32-bit ARM\\)", self.file("arm", bytes(arm))),
                              ("truncated", self.file("short", b"\x7fELF\x02")),
                              ("interpreter '/no/shell' cannot", self.file("script", "#!/no/shell\n")),
                              ("is not a regular file", "/dev/null")):
            self.refuses(126, pattern, "run", path)

    def test_a_missing_32_bit_loader_is_explained(self):
        with open(harness.PICK, "rb") as stream:
            program = stream.read()
        self.assertIn(b"/lib/ld-linux.so.2\0", program)
        path = self.file("pick", program.replace(b"/lib/ld-linux.so.2\0", b"/lib/ld-linuX.so.2\0"))
        self.refuses(126, "needs the program loader '/lib/ld-linuX.so.2'", "run", path)

    def test_a_driver_that_cannot_be_loaded_is_124_and_nothing_is_started(self):
        witness = os.path.join(self.directory, "witness")
        for pattern, driver in (("\\S", self.directory + "/none.so"), ("\\S", self.directory),
                                ("\\S", self.file("text.so", "hello")), ("\\S", self.file("empty.so")),
                                ("DriverEntry", harness.DRIVERS + "/no_entry.so"),
                                ("ExNoSuchRoutine.*KeNoSuchRoutine", harness.DRIVERS + "/missing_symbols.so"),
                                ("\\S", harness.DRIVERS + "/wrong_class.so"),
                                ("(?i)c0000001", harness.DRIVERS + "/entry_fails.so")):
            with self.subTest(driver=driver):
                self.refuses(124, pattern, "run", "--driver", driver, "--", "touch", witness)
        self.assertFalse(os.path.exists(witness))

    def test_a_bug_check_is_123_and_the_target_is_gone(self):
        driver = harness.DRIVERS + "/invalid_answer.so"
        result = self.kebound("run", "--driver", driver, harness.PICK, "12")
        self.assertEqual(result.returncode, 123, result.replay)
        self.assertIn("0x0000007F", result.stderr, result.replay)
        self.assertNotIn("done", result.stdout, result.replay)
        self.refuses(123, "bug check", "run", "--report=none", "--driver", driver, harness.PICK, "12")

    def test_a_report_that_cannot_be_written_is_125(self):
        self.refuses(125, "No such file or directory; choose another", "run", "-o", "/nonexistent/x", "true")
        self.refuses(125, "Is a directory", "run", "-o", self.directory, "true")
        self.refuses(125, "No space left", "run", "--report=jsonl", "-o", "/dev/full",
                     "--on-bound=clamp", harness.PICK, "12")


class Options(Case):
    def test_every_option_works_in_a_run(self):
        for options in (["--callback-threads=2"], ["--pin=none"], ["--pin=follow"],
                        [f"--pin={min(os.sched_getaffinity(0))}"], ["--backtraces=all"], ["--backtraces=none"],
                        ["--livelock-limit=0"], ["--verbose"], ["--profile=windows"], ["--report=jsonl"],
                        ["--driver", harness.DRIVERS + "/quiet.so", "--callback-threads=1"]):
            result = self.kebound("run", "--on-bound=clamp", *options, harness.PICK, "12", "3")
            self.assertEqual((result.returncode, result.stdout),
                             (0, "square 12 is 81\nsquare 3 is 9\ndone\n"), result.replay)

    def test_what_on_bound_promises(self):
        outcomes = {"propagate": (-signal.SIGSEGV, ""), "clamp": (0, "square -1 is 0\ndone\n"),
                    "terminate": (None, "")}
        for action, (status, output) in outcomes.items():
            result = self.kebound("run", "--on-bound", action, harness.PICK, "-1")
            self.assertEqual(result.stdout, output, result.replay)
            if status is not None:
                self.assertEqual(result.returncode, status, result.replay)
        # Skipped, the program reads the element before its first one, whatever that is.
        result = self.kebound("run", "--on-bound=skip", harness.PICK, "-1")
        self.assertEqual(result.returncode, 0, result.replay)
        self.assertRegex(result.stdout, r"\Asquare -1 is -?\d+\ndone\n\Z", result.replay)

    def test_terminate_ends_the_program_for_good(self):
        result = self.kebound("run", "--on-bound=terminate", harness.PICK, "12")
        self.assertLess(result.returncode, 0, result.replay)
        self.assertIn("terminated", result.stderr, result.replay)

    def test_a_livelock_is_ended_and_named(self):
        driver = harness.DRIVERS + "/stubborn.so"
        result = self.kebound("run", "--livelock-limit=50", "--driver", driver, harness.PICK, "12", timeout=30)
        self.assertLess(result.returncode, 0, result.replay)
        self.assertIn("livelock", result.stderr, result.replay)

    def test_backtraces_are_there_when_asked_for(self):
        report = os.path.join(self.directory, "report")
        for which, stacks in (("first", 1), ("all", 3), ("none", 0)):
            self.kebound("run", "--on-bound=clamp", "--report=jsonl", "-o", report, "--backtraces", which,
                         harness.PICK, "12", "13", "14")
            with open(report) as stream:
                events = [json.loads(line) for line in stream]
            self.assertEqual(len([event for event in events if event.get("stack")]), stacks, which)


class Streams(Case):
    def test_the_programs_streams_are_untouched(self):
        report = os.path.join(self.directory, "report")
        script = "cat; echo to-stderr >&2"
        result = self.kebound("run", "-o", report, "--verbose", "sh", "-c", script, input="in\0put\n")
        self.assertEqual((result.stdout, result.stderr), ("in\0put\n", "to-stderr\n"), result.replay)

    def test_the_program_inherits_what_it_would_without_kebound(self):
        report = os.path.join(self.directory, "report")
        for script in ("ls -l /proc/self/fd | wc -l", "grep -E '^(Sig[PBIC]|Shd)' /proc/self/status",
                       "ulimit -a", "cat /proc/self/oom_score_adj", "umask; pwd",
                       "grep -E 'Cpus_allowed|NoNewPrivs' /proc/self/status", "env | grep -v ^_= | sort"):
            bare = subprocess.run(["sh", "-c", script], capture_output=True, text=True)
            result = self.kebound("run", "-o", report, "--driver",
                                  harness.DRIVERS + "/quiet.so", "sh", "-c", script)
            self.assertEqual(result.stdout, bare.stdout, result.replay)

    def test_closed_streams_stay_closed_for_the_program(self):
        script = 'ls /proc/self/fd | tr "\\n" " " >&3'
        command = f'"{harness.KEBOUND}" run --report=none sh -c \'{script}\' 3>&1 <&- >&- 2>&-'
        bare = subprocess.run(["sh", "-c", f"sh -c '{script}' 3>&1 <&- >&- 2>&-"],
                              capture_output=True, text=True)
        result = subprocess.run(["sh", "-c", command], capture_output=True, text=True)
        self.assertEqual(result.stdout, bare.stdout)

    def test_the_report_goes_where_output_says(self):
        report = os.path.join(self.directory, "report")
        result = self.kebound("run", "--on-bound=clamp", "-o", report, harness.PICK, "12")
        self.assertEqual(result.stderr, "", result.replay)
        with open(report) as stream:
            self.assertIn("index 12", stream.read())
        result = self.kebound("run", "--on-bound=clamp", "-o", "-", harness.PICK, "12")
        self.assertEqual(result.stderr, "", result.replay)
        self.assertIn("index 12", result.stdout, result.replay)

    def test_json_lines_are_objects_with_an_event(self):
        report = os.path.join(self.directory, "report")
        self.kebound("run", "--on-bound=clamp", "--report=jsonl", "-o", report, harness.PICK, "12", "-1")
        with open(report) as stream:
            events = [json.loads(line) for line in stream]
        bounds = [event for event in events if event.get("source") == "x86-bound"]
        self.assertEqual([(e["index"], e["lower"], e["upper"]) for e in bounds], [(12, 0, 9), (-1, 0, 9)])

    def test_no_report_is_no_report(self):
        result = self.kebound("run", "--report=none", "--on-bound=clamp", "--verbose", harness.PICK, "12")
        self.assertEqual(result.stderr, "", result.replay)


class Drivers(Case):
    def drivers_say(self, *words):
        """What the drivers print in a run, in order."""
        report = os.path.join(self.directory, "report")
        self.kebound("run", "--report=jsonl", "-o", report, *words)
        with open(report) as stream:
            events = [json.loads(line) for line in stream]
        return [event["text"].strip() for event in events if event["event"] == "driver-output"]

    def test_loaded_in_order_asked_and_unloaded_in_reverse(self):
        a, b = harness.DRIVERS + "/order_a.so", harness.DRIVERS + "/order_b.so"
        self.assertEqual(self.drivers_say("--driver", a, "--driver", b, harness.PICK, "12"),
                         ["a loaded", "b loaded", "b asked", "a asked", "b unloaded", "a unloaded"])

    def test_the_built_in_is_asked_last_and_only_if_wanted(self):
        driver = harness.DRIVERS + "/order_a.so"
        result = self.kebound("run", "--driver", driver, harness.PICK, "12")
        self.assertEqual(result.returncode, -signal.SIGSEGV, result.replay)
        result = self.kebound("run", "--on-bound=clamp", "--driver", driver, harness.PICK, "12")
        self.assertEqual((result.returncode, result.stdout), (0, "square 12 is 81\ndone\n"), result.replay)

    def test_a_driver_that_fails_has_those_before_it_unloaded(self):
        a, bad = harness.DRIVERS + "/order_a.so", harness.DRIVERS + "/no_entry.so"
        self.assertEqual(self.drivers_say("--driver", a, "--driver", bad, "true"),
                         ["a loaded", "a unloaded"])

    def test_the_windows_profile_wants_the_integrity_flag(self):
        self.refuses(124, "\\S", "run", "--profile=windows", "--driver", harness.DRIVERS + "/quiet.so", "true")


class Colour(Case):
    def coloured(self, *words, **environment):
        command = [harness.KEBOUND, "run", "--on-bound=clamp", *words, harness.PICK, "12"]
        status, output = on_a_terminal(command, {"TERM": "xterm", **environment})
        self.assertEqual(status, 0, output)
        return "\x1b[" in output

    def test_a_terminal_gets_colour(self):
        self.assertTrue(self.coloured())

    def test_no_color_and_dumb_terminals_do_not(self):
        self.assertFalse(self.coloured(NO_COLOR="1"))
        self.assertTrue(self.coloured(NO_COLOR=""))
        self.assertFalse(self.coloured(TERM="dumb"))

    def test_files_and_pipes_do_not(self):
        report = os.path.join(self.directory, "report")
        self.assertFalse(self.coloured("-o", report))
        with open(report) as stream:
            self.assertNotIn("\x1b", stream.read())
        result = self.kebound("run", "--on-bound=clamp", harness.PICK, "12", env={"TERM": "xterm"})
        self.assertNotIn("\x1b", result.stderr, result.replay)

    def test_json_does_not(self):
        self.assertFalse(self.coloured("--report=jsonl"))


class Signals(Case):
    def start(self, *words):
        process = subprocess.Popen([harness.KEBOUND, *words], stdout=subprocess.PIPE, text=True,
                                   start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(self.stop, process)
        return process

    @staticmethod
    def stop(process):
        """Nothing of a failed test goes on running."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def test_interrupt_is_the_programs_business(self):
        script = "trap 'echo interrupted; exit 5' INT; echo ready; while :; do sleep 0.05; done"
        process = self.start("run", "sh", "-c", script)
        self.assertEqual(process.stdout.readline(), "ready\n")
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.stdout.readline(), "interrupted\n")
        self.assertEqual(process.wait(10), 5)

    def test_a_program_that_dies_of_the_interrupt_takes_kebound_along(self):
        process = self.start("run", "sh", "-c", "echo ready; exec sleep 60")
        process.stdout.readline()
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        self.assertEqual(process.wait(10), -signal.SIGINT)

    def test_terminate_and_hangup_reach_the_program_as_terminate(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            script = "trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done"
            process = self.start("run", "sh", "-c", script)
            process.stdout.readline()
            process.send_signal(number)
            self.assertEqual(process.wait(10), 6)

    def test_attach_lets_go_on_terminate(self):
        target = subprocess.Popen(["sleep", "60"])
        self.addCleanup(target.wait)
        self.addCleanup(target.kill)
        process = self.start("attach", "--report=none", str(target.pid))
        deadline = time.monotonic() + 10
        while f"TracerPid:\t{process.pid}\n" not in self.status_of(target.pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        process.terminate()
        self.assertEqual(process.wait(10), 0)
        self.assertIsNone(target.poll())
        self.assertIn("TracerPid:\t0\n", self.status_of(target.pid))

    def test_attach_reproduces_the_status_of_a_process_that_ends(self):
        target = subprocess.Popen(["sh", "-c", "read line; exit 7"], stdin=subprocess.PIPE)
        self.addCleanup(target.stdin.close)
        process = self.start("attach", "--report=none", str(target.pid))
        deadline = time.monotonic() + 10
        while f"TracerPid:\t{process.pid}\n" not in self.status_of(target.pid):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        target.stdin.write(b"\n")
        target.stdin.flush()
        self.assertEqual(target.wait(10), 7)
        self.assertEqual(process.wait(10), 7)

    @staticmethod
    def status_of(pid):
        with open(f"/proc/{pid}/status") as stream:
            return stream.read()


if __name__ == "__main__":
    harness.parse_arguments()
    unittest.main()
