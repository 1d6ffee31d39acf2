#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The judgement of generated programs: what is right passes, and each way of being wrong is seen."""
import random
import unittest

import shapes
import text
import truth

RIGHT = {"index": 12, "index_raw": "0xc", "index_width": 32, "lower": 0, "upper": 9, "confidence": "certain", "file": "/tmp/s1.c", "line": 28,
         "line_ip": None, "disposition": "handled"}


def run(*failures):
    return truth.Run("f1", 7, 100, [truth.Failure(*f) for f in failures], 35, ("exit", 0))


CHECK = (1, 28, 12, 10, False)


def judged(*failures, permissive=(), choice=False, **changed):
    return truth.judged({**RIGHT, **changed}, run(*(failures or (CHECK,))), permissive, range(20, 40), "s1.c", choice)[0]


class Judging(unittest.TestCase):
    def test_a_check_that_fails_is_right(self):
        self.assertEqual(judged(), truth.RIGHT)
        self.assertEqual(judged(confidence="likely"), truth.RIGHT)
        self.assertEqual(judged(line=None), truth.RIGHT)
        self.assertEqual(judged((2, 30, 3, 2, False), CHECK), truth.RIGHT)

    def test_anything_else_is_wrong(self):
        for changed in ({"index": 11, "index_raw": "0xb"}, {"upper": 10}, {"upper": 8}, {"lower": 1}, {"index_width": None}, {"index_raw": None},
                        {"index": -4, "index_raw": "0xc", "index_width": 4}, {"index": 11}):
            with self.subTest(**changed):
                self.assertEqual(judged(**changed), truth.WRONG)
                self.assertEqual(judged(confidence="likely", **changed), truth.WRONG)
        self.assertEqual(truth.judged(RIGHT, run(), (), range(40), "s1.c")[0], truth.WRONG)
        self.assertEqual(judged(upper=8, choice=True), truth.CHOSEN)

    def test_the_whole_index_counts(self):
        self.assertEqual(judged((1, 28, 268, 10, False), index_width=8), truth.WRONG)
        self.assertEqual(judged((1, 28, -1, 10, False), index=-1, index_raw="0xffffffff"), truth.RIGHT)
        self.assertEqual(judged((1, 28, 4294967295, 10, False), index=-1, index_raw="0xffffffff"), truth.RIGHT)
        self.assertEqual(judged((1, 28, -1, 10, False), index=255, index_raw="0xff"), truth.WRONG)
        self.assertEqual(judged((1, 28, -1, 10, False), index=-1, index_raw="0xffffffffffffffff", index_width=64), truth.RIGHT)

    def test_a_limit_may_be_the_length_only_of_what_is_not_accessed(self):
        self.assertEqual(judged(upper=10, permissive=(1,)), truth.RIGHT)
        self.assertEqual(judged(upper=10, permissive=(2,)), truth.WRONG)
        # An index that is equal to the length passes there.
        self.assertEqual(judged((1, 28, 10, 10, False), CHECK, upper=10, permissive=(1,)), truth.RIGHT)

    def test_the_first_failure_of_a_check_counts(self):
        self.assertEqual(judged((1, 28, 10, 10, False), CHECK), truth.LATER)

    def test_an_explicit_trap_may_be_told(self):
        self.assertEqual(judged((1, 28, 12, 10, True)), truth.EXPLICIT)
        self.assertEqual(judged((1, 28, 12, -1, True)), truth.WRONG)

    def test_what_is_not_known_is_not_wrong(self):
        self.assertEqual(judged(confidence="unknown", upper=3), truth.UNKNOWN)
        self.assertEqual(truth.judged(None, run(CHECK), (), range(40), "s1.c")[0], truth.SILENT)

    def test_lines(self):
        self.assertEqual(judged(line=29), truth.LINE)
        self.assertEqual(judged(line=29, line_ip="0x1"), truth.NEAR)
        self.assertEqual(judged(line=50, line_ip="0x1"), truth.LINE)

    def test_a_corrected_run_ends_and_gives_the_same(self):
        def clamped(end=("exit", 0), result=35, single=True, **changed):
            after = truth.Run("f1", 7, 100, [], result, end)
            return truth.judged_clamp([{**RIGHT, **changed}], after, run(CHECK), single)[0]
        self.assertEqual(clamped(), truth.RIGHT)
        self.assertEqual(clamped(result=36), truth.WRONG)
        self.assertEqual(clamped(result=36, single=False), truth.RIGHT)
        self.assertEqual(clamped(end=("signal", 11)), truth.WRONG)
        self.assertEqual(clamped(end=("signal", 24)), truth.WRONG)
        self.assertEqual(clamped(end=("signal", 4), disposition="propagated"), truth.UNKNOWN)


class Generating(unittest.TestCase):
    def test_a_seed_gives_the_same_program(self):
        one, other = (shapes.Program(random.Random(5), 20).source(text.plain) for _ in range(2))
        self.assertEqual(one, other)
        self.assertNotEqual(one, shapes.Program(random.Random(6), 20).source(text.plain))

    def test_both_readings_have_the_same_lines(self):
        program = shapes.Program(random.Random(7), 40)
        plain, asked = (program.source(read).splitlines() for read in (text.plain, text.for_oracle))
        self.assertEqual(len(plain), len(asked))
        self.assertNotIn("ORACLE", "".join(plain))
        self.assertGreater("".join(asked).count("ORACLE_INDEX"), 40)

    def test_marks_nest(self):
        marked = f"a[{text.index(1, f'b[{text.index(2, chr(107), 4)}] + 3', 10)}]"
        self.assertEqual(text.plain(marked), "a[b[k] + 3]")
        self.assertEqual(text.for_oracle(marked), "a[ORACLE_INDEX(1, b[ORACLE_INDEX(2, k, 4)] + 3, 10)]")


if __name__ == "__main__":
    unittest.main()
