#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""calls_test.py BUILD [unittest's arguments]: failed checks that end in a call, under both hosts, against the same
program by itself."""
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import builds

BUILD = sys.argv.pop(1)
KEBOUND = BUILD + "/bin/kebound"
PROGRAMS = BUILD + "/tests/calls/made"
# What both hosts have to say of an event in the same words.
COMPARED = ("source", "module", "module_offset", "symbol", "file", "line", "index", "lower", "upper", "confidence",
            "index_register", "disposition", "check", "resumable", "detail", "doubt")


def line_of(source, mark):
    with open(os.path.join(builds.SOURCES, source), encoding="ascii") as file:
        return next(number for number, text in enumerate(file, 1) if text.rstrip().endswith("// LINE " + mark))


def without_addresses(text):
    return re.sub(r"0x[0-9a-f]+", "0x...", text)


class Run:
    """One run: what it printed, how it ended, its events."""

    def __init__(self, command, kebound=(), stdin=""):
        report = None
        if kebound:
            handle, report = tempfile.mkstemp(prefix="kebound-calls-")
            os.close(handle)
            command = [KEBOUND, "run", "--report", "jsonl", "-o", report, *kebound, "--", *command]
        self.command = " ".join(command)
        with tempfile.TemporaryFile("w+") as file:
            file.write(stdin)
            file.seek(0)
            done = subprocess.run(command, stdin=file, text=True, capture_output=True, timeout=60, check=False)
        self.status, self.out, self.err = done.returncode, done.stdout, without_addresses(done.stderr)
        self.events, self.summary = [], None
        if report:
            with open(report, encoding="utf-8") as file:
                records = [json.loads(text) for text in file]
            os.unlink(report)
            self.events = [r for r in records if r["event"] == "bound-exception"]
            self.notes = [r for r in records if r["event"] == "verifier"]

    def seen(self):
        return (self.status, self.out, self.err)


class Case(unittest.TestCase):
    def compare(self, build, command, options=(), stdin=""):
        """The events, after all else was found the same under each host that can see them."""
        bare = Run(command, stdin=stdin)
        traced = Run(command, ["--host", "supervisor", *options], stdin)
        self.assertEqual(traced.seen(), bare.seen(), traced.command)
        self.assertEqual([note["rule"] for note in traced.notes], [], traced.command)
        if build.shared:
            inside = Run(command, ["--host", "inproc", *options], stdin)
            self.assertEqual(inside.seen(), bare.seen(), inside.command)
            self.same_events(traced, inside)
        return traced.events

    def same_events(self, traced, inside):
        self.assertEqual(len(traced.events), len(inside.events), inside.command)
        for a, b in zip(traced.events, inside.events):
            # The process itself keeps the failed instruction, the supervisor what follows it, too.
            self.assertTrue(a["code"].startswith(b["code"]) and b["code"], traced.command)
            for key in COMPARED:
                self.assertEqual(a.get(key), b.get(key), f"{key}: {traced.command}")

    def each(self, matrix, source, extra=()):
        return [(build, builds.make(PROGRAMS, source, build, extra)) for build in matrix]


class Indices(Case):
    WANTED = {0: (10, 9, "table"), 1: (-1, 9, "table"), 2: (4, 3, "grid"), 3: (3, 2, "grid"), 4: (7, 3, "pair"),
              5: (200, 9, "byte"), 6: (5, 4, "large"), 7: (-4000000000, 4, "large")}

    def test_index_limits_and_line_are_right_or_not_known(self):
        for build, program in self.each(builds.INDICES, "indices.c"):
            for number, (index, upper, mark) in self.WANTED.items():
                events = self.compare(build, [program, str(number)])
                self.assertEqual([e["source"] for e in events], ["ubsan"], f"{program} {number}")
                event = events[0]
                self.assertEqual(event["line"], line_of("indices.c", mark), f"{program} {number}")
                if build.silent:
                    self.assertEqual(event["confidence"], "unknown")
                else:
                    self.assertEqual((event["index"], event["lower"], event["upper"], event["confidence"]),
                                     (index, 0, upper, "certain"), f"{program} {number}")

    def test_each_failed_check_of_a_loop_is_an_event(self):
        for build, program in self.each([b for b in builds.INDICES if not b.aborts and not b.silent], "indices.c"):
            events = self.compare(build, [program, "8"])
            self.assertEqual([e["index"] for e in events], [10, 11])

    def test_checks_that_pass_are_no_events(self):
        for build, program in self.each(builds.INDICES, "indices.c"):
            self.assertEqual(self.compare(build, [program, "9"]), [])

    def test_a_source_that_is_off_is_not_seen(self):
        for build, program in self.each(builds.INDICES[:2], "indices.c"):
            self.assertEqual(self.compare(build, [program, "0"], ["--calls", "fortify,libc++"]), [])
            self.assertEqual(self.compare(build, [program, "0"], ["--calls", "none"]), [])

    def test_clamp_is_refused_because_the_index_is_a_copy(self):
        for build, program in self.each(builds.INDICES[:1] + builds.INDICES[2:3], "indices.c"):
            for host in ("supervisor", "inproc"):
                bare = Run([program, "0"])
                clamped = Run([program, "0"], ["--host", host, "--on-bound", "clamp"])
                self.assertEqual(clamped.seen(), bare.seen())
                self.assertEqual([e["disposition"] for e in clamped.events], ["propagated"])


class Sizes(Case):
    # The C library's headers fortify these for gcc only.
    GCC_ALONE = (5, 6, 7, 10)

    def pairs(self, numbers):
        return [(build, program, number) for build, program in self.each(builds.SIZES, "sizes.c") for number in numbers
                if not (build.name.startswith("clang") and number in self.GCC_ALONE)]

    # The last byte that would be written; the room has ten.
    COUNTED = {0: 11, 1: 11, 2: 11, 3: 11, 4: 11, 5: 11, 6: 11, 7: 11, 8: 12, 9: 12}

    def test_the_last_byte_is_the_index(self):
        for build, program, number in self.pairs(self.COUNTED):
            events = self.compare_but_for_resuming(build, [program, str(number)])
            self.assertEqual([(e["source"], e["index"], e["lower"], e["upper"], e["confidence"]) for e in events],
                             [("fortify", self.COUNTED[number], 0, 9, "certain")], f"{program} {number}")

    def test_wide_characters_are_counted_in_bytes(self):
        for build, program, number in self.pairs([10]):
            events = self.compare(build, [program, str(number)])
            self.assertEqual([(e["index"], e["upper"]) for e in events], [(47, 15)], program)

    def compare_but_for_resuming(self, build, command):
        """What snprintf was called with is not all there any more when the supervisor sees that it refuses."""
        if command[-1] != "5":
            return self.compare(build, command)
        bare = Run(command)
        traced = Run(command, ["--host", "supervisor"])
        self.assertEqual(traced.seen(), bare.seen(), traced.command)
        return traced.events

    def test_what_only_the_process_itself_can_tell(self):
        for build, program in self.each([b for b in builds.SIZES if b.shared], "sizes.c"):
            for number, (last, upper) in {11: (12, 9), 12: (12, 9), 13: (12, 9), 14: (2012, 1023)}.items():
                bare = Run([program, str(number)])
                inside = Run([program, str(number)], ["--host", "inproc"])
                self.assertEqual(inside.seen(), bare.seen(), inside.command)
                self.assertEqual([(e["index"], e["upper"]) for e in inside.events], [(last, upper)], inside.command)
                traced = Run([program, str(number)], ["--host", "supervisor"])
                self.assertEqual(traced.seen(), bare.seen(), traced.command)
                for event in traced.events:  # it may not know, but must not be wrong
                    if event["confidence"] != "unknown":
                        self.assertEqual((event["index"], event["upper"]), (last, upper), traced.command)

    def test_what_fits_is_no_event(self):
        for build, program in self.each(builds.SIZES, "sizes.c"):
            self.assertEqual(self.compare(build, [program, "99"]), [])

    def test_clamp_does_with_as_much_as_there_is_room_for(self):
        done = {0: 'case 0: 0, "twelve cha"', 2: 'case 2: 0, "xxxxxxxxxx"', 3: 'case 3: 10, "twelve cha"',
                4: 'case 4: 0, "twelve cha"', 6: 'case 6: 10, "0123456789"', 7: 'case 7: 10, "0123456789"'}
        for build, program, number in self.pairs(done):
            for host in ("supervisor", "inproc") if build.shared else ("supervisor",):
                run = Run([program, str(number)], ["--host", host, "--on-bound", "clamp"], "0123456789abcdef")
                self.assertEqual((run.status, run.out), (0, done[number] + "\n"), run.command)
                self.assertEqual([e["disposition"] for e in run.events], ["handled"], run.command)


class Containers(Case):
    def test_assertions_about_bounds_are_events_and_others_are_not(self):
        for build, program in self.each(builds.CONTAINERS, "containers.cc"):
            source = "libc++-abort" if build.name.startswith("libc++") else "libstdc++"
            for number in range(6):
                events = self.compare(build, [program, str(number)])
                self.assertEqual([e["source"] for e in events], [source], f"{program} {number}")
                self.assertEqual(events[0]["confidence"], "unknown")
            for number in (6, 99):
                self.assertEqual(self.compare(build, [program, str(number)]), [], f"{program} {number}")

    def test_handled_is_refused_where_nothing_comes_back(self):
        for build, program in self.each(builds.CONTAINERS, "containers.cc"):
            bare = Run([program, "0"])
            clamped = Run([program, "0"], ["--on-bound", "clamp"])
            self.assertEqual(clamped.seen(), bare.seen())
            self.assertEqual([e["disposition"] for e in clamped.events], ["propagated"])


class Traps(Case):
    """Hardened libc++ that traps. Index and limit are in the code, if anywhere; what was called is in the debug information."""
    LIMITS = {0: 9, 1: 5, 2: 3, 5: 4}
    EMPTY = {3: "front() called on an empty vector", 4: "back() called on an empty vector"}

    def events_of(self, build, program, number):
        events = self.compare(build, [program, str(number)])
        self.assertEqual([e["source"] for e in events], ["libc++"], f"{program} {number}")
        return events[0]

    def test_each_trap_says_which_check_it_was(self):
        for build, program in self.each(builds.TRAPPING_CONTAINERS, "containers.cc"):
            for number, upper in self.LIMITS.items():
                event = self.events_of(build, program, number)
                self.assertRegex(event["detail"], "out of (bounds|range)|out-of-bounds", f"{program} {number}")
                if event["confidence"] != "unknown":
                    self.assertEqual((event["index"], event["upper"]), (12, upper), f"{program} {number}")
            for number, words in self.EMPTY.items():
                event = self.events_of(build, program, number)
                self.assertTrue(event["detail"].endswith(words), event["detail"])
                self.assertEqual((event["confidence"], event["resumable"]), ("unknown", False))
            self.assertEqual(self.compare(build, [program, "99"]), [])

    def test_a_trap_of_two_checks_is_an_event_though_which_of_them_failed_is_not_known(self):
        for build, program in self.each(builds.MERGED, "merged.c"):
            # 12 - 9 and 14 - 9 have the same flags.
            events = self.compare(build, [program, "0", "14", "12"])
            self.assertEqual([(e["source"], e["check"], e["confidence"], e["doubt"], e["resumable"]) for e in events],
                             [("check-trap", "array-bounds", "unknown", "more than one check may have led to the trap", False)])
            # Of these only one is out of bounds.
            events = self.compare(build, [program, "1", "12", "3"])
            self.assertEqual([(e["confidence"], e["index"], e["upper"]) for e in events], [("certain", 12, 9)])
            self.assertEqual(self.compare(build, [program, "1", "3", "12"]), [])

    def test_without_debug_information_only_a_compare_tells(self):
        program = builds.make(PROGRAMS, "containers.cc", builds.UNTOLD)
        self.assertEqual([e["source"] for e in self.compare(builds.UNTOLD, [program, "0"])], ["check-trap"])
        self.assertEqual(self.compare(builds.UNTOLD, [program, "3"]), [])


class Smash(Case):
    def test_the_function_whose_guard_was_overwritten_is_named(self):
        for build, program in self.each(builds.SMASH, "smash.c"):
            events = self.compare(build, [program, "64"])
            self.assertEqual([(e["source"], e["symbol"]) for e in events], [("stack-protector", "fill")], program)
            self.assertEqual(self.compare(build, [program, "16"]), [])


class Lives(Case):
    def test_no_thread_slips_past_a_breakpoint(self):
        for build, program in self.each(builds.LIVES, "lives.c"):
            hosts = ("supervisor", "inproc") if build.shared else ("supervisor",)
            for host in hosts:
                run = Run([program, "threads"], ["--host", host])
                self.assertEqual((run.status, len(run.events)), (0, 8 * 50), run.command)
                self.assertEqual(sorted(e["index"] for e in run.events), [10 + i for i in range(8) for _ in range(50)])

    def test_children_and_the_programs_they_become(self):
        wanted = {"fork": [11, 12], "vfork": [13, 15], "spawn": [13, 15], "exec": [14, 15]}
        for build, program in self.each(builds.LIVES, "lives.c"):
            for how, indices in wanted.items():
                bare = Run([program, how])
                for host in ("supervisor", "inproc") if build.shared else ("supervisor",):
                    run = Run([program, how], ["--host", host])
                    self.assertEqual((run.status, run.out), (bare.status, bare.out), run.command)
                    self.assertEqual(sorted(e["index"] for e in run.events), indices, run.command)

    def test_modules_that_come_and_go(self):
        for build, program in self.each(builds.LIVES, "lives.c"):
            plugin = builds.make(PROGRAMS, "plugin.c", build, ("-shared", "-fPIC"))
            for host in ("supervisor", "inproc") if build.shared else ("supervisor",):
                run = Run([program, "plugin", plugin], ["--host", host])
                self.assertEqual(run.status, 0, run.command + run.err)
                self.assertEqual([e["index"] for e in run.events], [20, 21, 22], run.command)
                self.assertEqual({e["module"] for e in run.events}, {plugin})


class Attach(Case):
    def ask(self, program, index):
        program.stdin.write(f"{index}\n")
        program.stdin.flush()
        return program.stdout.readline()

    def test_breakpoints_come_with_attach_and_go_with_it(self):
        for build, program in self.each(builds.LIVES, "lives.c"):
            with subprocess.Popen([program, "wait"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL, text=True) as target:
                self.assertEqual(self.ask(target, 30), "0\n")
                before = self.code_of(target.pid)
                report = tempfile.NamedTemporaryFile(prefix="kebound-calls-")
                with subprocess.Popen([KEBOUND, "attach", "--report", "jsonl", "-o", report.name, "--verbose",
                                       str(target.pid)], stderr=subprocess.DEVNULL) as tracer:
                    deadline = time.monotonic() + 20
                    while self.code_of(target.pid) == before and time.monotonic() < deadline:
                        time.sleep(0.05)
                    self.assertNotEqual(self.code_of(target.pid), before, "no breakpoint was set")
                    self.assertEqual(self.ask(target, 31), "0\n")
                    tracer.send_signal(signal.SIGTERM)
                    tracer.wait(20)
                self.assertEqual(self.code_of(target.pid), before, "a breakpoint was left behind")
                self.assertEqual(self.ask(target, 32), "0\n")
                target.stdin.close()
                self.assertEqual(target.wait(20), 0)
                events = [json.loads(text) for text in report]
                self.assertEqual([e["index"] for e in events if e["event"] == "bound-exception"], [31])
                report.close()

    def code_of(self, pid):
        """Everything executable in the process, to be compared."""
        code = []
        with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for text in maps:
                words = text.split()
                begin, end = (int(number, 16) for number in words[0].split("-"))
                if "x" in words[1] and len(words) > 5 and words[5].startswith("/"):
                    memory.seek(begin)
                    code.append((begin, memory.read(end - begin)))
        return code


if __name__ == "__main__":
    unittest.main()
