#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""mixed_test.py BUILD: a program that has a SIGSEGV handler and raises bound exceptions; each kind goes where it belongs, and
none is lost or doubled."""
import os
import re
import struct
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop(1)
LIBRARY = {64: BUILD + "/lib/libkebound-preload.so", 32: BUILD + "/lib32/libkebound-preload.so"}
THREADS, ROUNDS = 4, 2000

# abi.h: the ring's header up to `dropped`, a record up to `disposition`.
HEADER, HEADER_SIZE = struct.Struct("<QIIII40xQQ"), 4096
RECORD = struct.Struct("<Q16x2B")
with open(os.path.dirname(os.path.abspath(__file__)) + "/../../include/kebound/abi.h", encoding="utf-8") as abi:
    text = abi.read()
RECORD_SIZE = int(re.search(r"sizeof\(kebound_ring_record\) == (\d+)", text).group(1))
VERSION = int(re.search(r"define KEBOUND_ABI_VERSION (\d+)", text).group(1))
HANDLED, PROPAGATED, EXCEPTION = 0, 1, 1


class Mixed(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.ring = folder.name + "/ring"

    def run_program(self, bits, mode, policy):
        """Status, output and dispositions; policy None: without us."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("KEBOUND_")}
        if policy is not None:
            capacity = 1 << 15
            with open(self.ring, "wb") as file:
                file.write(HEADER.pack(0x32676E6972424B7F, VERSION, RECORD_SIZE, capacity, 0, 0, 0))
                file.truncate(HEADER_SIZE + capacity * RECORD_SIZE)
            environment |= {"LD_PRELOAD": LIBRARY[bits], "KEBOUND_OPTIONS": "--on-bound " + policy, "KEBOUND_RING": self.ring}
        done = subprocess.run([f"{BUILD}/bin/guests/null_checks{bits}", mode, str(THREADS), str(ROUNDS)], env=environment,
                              text=True, capture_output=True, timeout=120, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), f"{bits} {mode} {policy}")
        return done.stdout, self.dispositions() if policy is not None else []

    def dispositions(self):
        with open(self.ring, "rb") as file:
            data = file.read()
        *_, head, dropped = HEADER.unpack_from(data)
        self.assertEqual(dropped, 0)
        result = []
        for number in range(head):
            sequence, kind, disposition = RECORD.unpack_from(data, HEADER_SIZE + number * RECORD_SIZE)
            self.assertEqual((sequence, kind), (number + 1, EXCEPTION))
            result.append(disposition)
        return result

    def expected(self, mode):
        """The first line of output, and how many bound exceptions that is."""
        each = THREADS * ROUNDS
        overflows = 0 if mode == "nested" else THREADS * (ROUNDS // 16)
        nested = each if mode == "nested" else 0
        bounds = 2 * each + nested + (each if mode == "late" else 0)
        return (f"nulls {each}, wild reads {each}, overflows {overflows}, bound exceptions {bounds}, "
                f"of them in the handler {nested}\nreached the handler: "), bounds

    def test_without_us_the_handler_gets_both_kinds(self):
        for bits in (64, 32):
            for mode in ("early", "nested"):
                with self.subTest(bits=bits, mode=mode):
                    line, bounds = self.expected(mode)
                    self.assertEqual(self.run_program(bits, mode, None)[0], f"{line}{bounds}\n")

    def test_what_is_propagated_reaches_the_handler_as_without_us(self):
        for bits in (64, 32):
            for mode in ("early", "nested"):
                with self.subTest(bits=bits, mode=mode):
                    line, bounds = self.expected(mode)
                    self.assertEqual(self.run_program(bits, mode, "propagate"), (f"{line}{bounds}\n", [PROPAGATED] * bounds))

    def test_what_is_clamped_does_not_and_all_else_does(self):
        for bits in (64, 32):
            for mode in ("early", "late", "nested"):
                with self.subTest(bits=bits, mode=mode):
                    line, bounds = self.expected(mode)
                    self.assertEqual(self.run_program(bits, mode, "clamp"), (f"{line}0\n", [HANDLED] * bounds))


if __name__ == "__main__":
    unittest.main()
