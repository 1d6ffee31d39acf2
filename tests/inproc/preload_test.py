#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""preload_test.py BUILD: the preload library over programs that know nothing of it, 64- and 32-bit ones."""
import os
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop(1)
LIBRARY = {64: BUILD + "/lib/libkebound-preload.so", 32: BUILD + "/lib32/libkebound-preload.so"}
LINE = r"kebound: bound exception at \S+\+0x[0-9a-f]+: index 12 is not in 0\.\.9; thread \d+; "

# abi.h
HEADER = struct.Struct("<QIIII40xQQ48xQ")
MAGIC, VERSION, RECORD_SIZE, HEADER_SIZE = 0x32676E6972424B7F, 3, 1192, 4096


def run(bits, program, *arguments, options="", preload=True, **environment):
    environment = {**os.environ, "KEBOUND_OPTIONS": options, **environment}
    if preload:
        environment["LD_PRELOAD"] = LIBRARY[bits]
    return subprocess.run([BUILD + "/bin/" + program, *arguments], env=environment, text=True, capture_output=True,
                          timeout=60, check=False)


class Ring:
    """A ring file, as a reader makes it."""

    def __init__(self, folder, capacity):
        self.path, self.capacity = folder + "/ring", capacity
        with open(self.path, "wb") as file:
            file.write(HEADER.pack(MAGIC, VERSION, RECORD_SIZE, capacity, 0, 0, 0, 0))
            file.truncate(HEADER_SIZE + capacity * RECORD_SIZE)

    def read(self):
        with open(self.path, "rb") as file:
            data = file.read()
        _, _, _, _, _, head, dropped, _ = HEADER.unpack_from(data)
        records = []
        for number in range(head):
            at = HEADER_SIZE + number % self.capacity * RECORD_SIZE
            sequence, _, pid, tid, kind, disposition, code_size, code, is_64bit, asked, _ = struct.unpack_from(
                "<Qqii3B15s2BI", data, at)
            _, source, confidence, length, register, width, ip, index, lower, upper, _ = struct.unpack_from(
                "<I5B7xQqqqQ", data, at + 48)
            records.append({"sequence": sequence, "pid": pid, "tid": tid, "kind": kind, "disposition": disposition,
                            "code": code[:code_size], "is_64bit": is_64bit, "asked": asked, "source": source,
                            "confidence": confidence, "length": length, "register": register, "width": width, "ip": ip,
                            "index": index, "lower": lower, "upper": upper,
                            "before_rax": struct.unpack_from("<Q", data, at + 136)[0],
                            "after_rax": struct.unpack_from("<Q", data, at + 312)[0]})
        return records, dropped


class Policies(unittest.TestCase):
    def test_clamp_puts_the_index_at_the_bound(self):
        done = run(32, "guests/bound32", "--expect", "9", options="--on-bound clamp")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "^" + LINE + "handled\n$")

    def test_clamp_keeps_the_upper_half_behind_a_16_bit_check(self):
        done = run(32, "guests/bound32", "--operand", "16", options="--on-bound=clamp --report=none")
        native = run(32, "guests/bound32", "--operand", "16", "--handler", "skip", preload=False)
        self.assertEqual((done.returncode, native.returncode), (0, 0), done.stderr)
        self.assertIn("index 9", done.stdout)

    def test_clamp_refuses_reversed_bounds(self):
        done = run(32, "guests/bound32", "--lower", "9", "--upper", "0", options="--on-bound clamp")
        self.assertEqual(done.returncode, -signal.SIGSEGV)
        self.assertIn("clamp refused", done.stderr)

    def test_skip_goes_on_behind_the_check(self):
        self.assertEqual(run(32, "guests/bound32", "--expect", "12", options="--on-bound skip").returncode, 0)

    def test_terminate_kills(self):
        done = run(32, "guests/bound32", "--handler", "exit", options="--on-bound terminate")
        self.assertEqual(done.returncode, -signal.SIGKILL)
        self.assertRegex(done.stderr, LINE + "terminated")

    def test_propagate_is_the_default_and_the_programs_handler_sees_no_difference(self):
        done = run(32, "guests/bound32", "--handler", "skip", options="--report none")
        native = run(32, "guests/bound32", "--handler", "skip", preload=False)
        self.assertEqual((done.stdout, done.stderr, done.returncode), (native.stdout, "", native.returncode))
        self.assertEqual(run(32, "guests/bound32").returncode, -signal.SIGSEGV)

    def test_32_bit_code_of_a_64_bit_program(self):
        done = run(64, "guests/compat64", "--times", "100", "--expect", "9", options="--on-bound clamp --report none")
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_threads(self):
        done = run(32, "guests/threads32", options="--on-bound clamp --report none")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)

    def test_a_wrong_option_is_named_and_the_rest_is_used(self):
        done = run(32, "guests/bound32", "--expect", "9", options="--colour --on-bound clamp --livelock-limit x")
        self.assertEqual(done.returncode, -signal.SIGSEGV)  # "--on-bound" was the value of "--colour"
        self.assertRegex(done.stderr, "^kebound: --colour: [^\n]*\n")


class Behind(unittest.TestCase):
    def test_actions_set_later_in_any_way_are_what_the_program_finds(self):
        for bits in (64, 32):
            for preload in (False, True):
                with self.subTest(bits=bits, preload=preload):
                    done = run(bits, f"guests/late_handlers{bits}", preload=preload)
                    self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "crashed\nEXIT-SUCCESS\n", ""))

    def test_signals_work_as_without_us(self):
        for bits in (64, 32):
            for case in ("timers", "altstack", "nested", "chld", "mask", "sigqueue", "interrupted",
                         "stop-threads", "exec-missing", "exit 5", "die 11", "die 4", "die-in-thread 11"):
                with self.subTest(bits=bits, case=case):
                    words = [f"guests/signals{bits}", *case.split()]
                    with_us, without = run(bits, *words), run(bits, *words, preload=False)
                    self.assertEqual((with_us.returncode, with_us.stdout, with_us.stderr),
                                     (without.returncode, without.stdout, without.stderr))


class Events(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.folder.cleanup()

    def test_the_ring_has_one_record_for_each_exception(self):
        ring = Ring(self.folder.name, 1024)
        done = run(32, "guests/bound32", "--times", "500", options="--on-bound clamp", KEBOUND_RING=ring.path)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        records, dropped = ring.read()
        self.assertEqual((len(records), dropped), (500, 0))
        for number, record in enumerate(records):
            self.assertEqual(record["sequence"], number + 1)
        first = records[0]
        self.assertEqual([first[k] for k in ("kind", "disposition", "is_64bit", "asked", "source", "confidence", "width")],
                         [1, 0, 0, 1, 1, 2, 32])
        self.assertEqual([first[k] for k in ("index", "lower", "upper", "before_rax", "after_rax")], [12, 0, 9, 12, 9])
        self.assertIn(b"\x62", first["code"])

    def test_a_full_ring_counts_what_it_drops(self):
        ring = Ring(self.folder.name, 64)
        done = run(32, "guests/threads32", "4", "1000", options="--on-bound clamp", KEBOUND_RING=ring.path)
        self.assertEqual(done.returncode, 0, done.stderr)
        records, dropped = ring.read()
        self.assertEqual((len(records), dropped), (64, 4 * 1000 - 64))
        self.assertEqual(sorted(r["sequence"] for r in records), list(range(1, 65)))

    def test_processes_share_a_ring(self):
        ring = Ring(self.folder.name, 64)
        for bits, program in ((32, "guests/bound32"), (64, "guests/compat64")):
            run(bits, program, options="--on-bound clamp", KEBOUND_RING=ring.path)
        self.assertEqual([r["is_64bit"] for r in ring.read()[0]], [0, 1])

    def test_what_is_no_ring_is_refused_and_the_program_runs(self):
        good = HEADER.pack(MAGIC, VERSION, RECORD_SIZE, 4, 0, 0, 0, 0).ljust(HEADER_SIZE, b"\0") + bytes(4 * RECORD_SIZE)
        bad = [b"", b"x" * 100, bytes(len(good)), good[:-1], good[:HEADER_SIZE]]
        for at, value in ((0, 0), (8, VERSION - 1), (8, VERSION + 1), (12, 8), (16, 0), (16, 3), (16, 8), (16, 0xFFFFFFFF)):
            bad.append(good[:at] + struct.pack("<I", value) + good[at + 4:])
        for number, content in enumerate(bad):
            path = f"{self.folder.name}/bad{number}"
            with open(path, "wb") as file:
                file.write(content)
            done = run(64, "guests/compat64", options="--on-bound clamp --report none", KEBOUND_RING=path)
            self.assertEqual((done.returncode, done.stderr.count("no event ring")), (0, 1), content[:20])
        done = run(64, "guests/compat64", options="--on-bound clamp", KEBOUND_RING="/nonexistent")
        self.assertEqual((done.returncode, done.stderr.count("no event ring")), (0, 1))


if __name__ == "__main__":
    unittest.main()
