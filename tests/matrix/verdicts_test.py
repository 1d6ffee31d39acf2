#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The matrix's judgement: what is right passes, and each way of being wrong is seen."""
import unittest

import verdicts

WANTED = {"index": 12, "lower": 0, "upper": 9}
PLACE = ("arrays.c", 28)
SOURCES = {"arrays.c", "containers.cc"}
RIGHT = {"index": 12, "index_raw": "0xc", "index_width": 32, "lower": 0, "upper": 9, "confidence": "certain", "file": "/src/arrays.c",
         "line": 28, "disposition": "propagated", "reason": None, "code": "83ff09", "index_register": "edi", "ip": "0x5555555551a0",
         "line_ip": None, "index_address": "0x7ffe1000", "answers": [],
         "registers": {"before": {"edi": "0xc"}, "after": {}}}


def judged(wanted=None, **changed):
    return verdicts.judge({**RIGHT, **changed}, wanted or WANTED, PLACE, SOURCES)[0]


class Judging(unittest.TestCase):
    def test_a_right_event_is_exact(self):
        self.assertEqual(judged(), verdicts.EXACT)
        self.assertEqual(judged(confidence="likely"), verdicts.EXACT)

    def test_a_wrong_claim_is_wrong_however_confident(self):
        for confidence in ("certain", "likely"):
            for changed in ({"index": 11, "index_raw": "0xb"}, {"index": 48, "index_raw": "0x30"}, {"upper": 10}, {"lower": 1},
                            {"index_raw": "0xd"}, {"index_width": None, "index_raw": None}, {"index": -12}):
                with self.subTest(confidence=confidence, **changed):
                    self.assertEqual(judged(confidence=confidence, **changed), verdicts.WRONG)

    def test_a_wrong_line_is_wrong_where_the_check_is_said_to_be_known(self):
        self.assertEqual(judged(line=29), verdicts.WRONG)
        self.assertEqual(judged(line=29, confidence="likely"), verdicts.WRONG)
        self.assertEqual(judged(line=29, confidence="unknown"), verdicts.UNKNOWN)
        self.assertEqual(judged(file="/src/containers.cc"), verdicts.WRONG)

    def test_a_line_of_merged_checks_may_be_a_neighbours_and_no_others(self):
        self.assertEqual(judged(line=29, line_ip="0x5555555551b0"), verdicts.NEAR)
        self.assertEqual(judged(line=28, line_ip="0x5555555551b0"), verdicts.EXACT)
        self.assertEqual(judged(line=35, line_ip="0x5555555551b0"), verdicts.WRONG)
        self.assertEqual(judged(line=29, line_ip="0x5555555551b0", upper=10), verdicts.WRONG)

    def test_what_is_not_said_is_not_wrong(self):
        self.assertEqual(judged(confidence="unknown", index=0, upper=0, index_raw="0x0"), verdicts.UNKNOWN)
        self.assertEqual(judged(line=None), verdicts.NO_LINE)
        self.assertEqual(verdicts.judge(None, WANTED, PLACE, SOURCES)[0], verdicts.SILENT)

    def test_a_narrow_index_has_the_sign_of_its_width(self):
        wanted = {"index": 200, "lower": 0, "upper": 99}
        narrow = {"index_width": 8, "index_raw": "0xc8", "upper": 99}
        self.assertEqual(judged(wanted, index=-56, **narrow), verdicts.EXACT)
        self.assertEqual(judged(wanted, index=200, **{**narrow, "index_width": 32}), verdicts.EXACT)
        self.assertEqual(judged(wanted, index=200, **narrow), verdicts.WRONG)

    def test_a_check_in_a_header_has_the_line_of_who_asked(self):
        header = {"file": "/usr/include/c++/12/array", "line": 208}
        frame = {"file": "/src/arrays.c", "line": 28}
        self.assertEqual(judged(**header, stack=[header, frame]), verdicts.EXACT)
        self.assertEqual(judged(**header, stack=[header, {**frame, "line": 30}]), verdicts.WRONG)
        self.assertEqual(judged(**header, stack=[header]), verdicts.NO_LINE)
        self.assertEqual(judged(**header), verdicts.EXACT)  # no backtraces from this host


class JudgingClamp(unittest.TestCase):
    def clamped(self, events, end=("exit", 0), result=35):
        return verdicts.judge_clamp(events, end, result, 35)[0]

    def test_handled_has_to_compute_the_same(self):
        handled = [{**RIGHT, "disposition": "handled"}]
        self.assertEqual(self.clamped(handled), "same")
        self.assertEqual(self.clamped(handled, result=36), verdicts.WRONG)
        self.assertEqual(self.clamped(handled, end=("signal", 11), result=None), verdicts.WRONG)

    def test_refused_has_to_give_a_reason_and_end_the_program(self):
        self.assertEqual(self.clamped([{**RIGHT, "reason": "why"}], ("signal", 4), None), "refused")
        self.assertEqual(self.clamped([RIGHT], ("signal", 4), None), verdicts.WRONG)
        self.assertEqual(self.clamped([{**RIGHT, "reason": "why"}]), verdicts.WRONG)


class Agreeing(unittest.TestCase):
    def differ(self, **changed):
        return verdicts.disagreements(RIGHT, {**RIGHT, **changed})

    def test_what_must_differ_may(self):
        self.assertEqual(self.differ(answers=[{"status": "C", "status_value": 0, "edited": False}]), [])
        self.assertEqual(self.differ(time_ns=1, pid=2, tid=2, ip="0x7777771a0", index_address="0x7ffe2008", code="83ff090f87"), [])

    def test_anything_else_is_found(self):
        for changed in ({"index": 1}, {"line": 2}, {"confidence": "likely"}, {"ip": "0x5555555551a1"}, {"line_ip": "0x5555555551a8"}, {"index_address": None},
                        {"answers": [{"status": "H", "status_value": 1, "edited": True}]}, {"code": "83fe09"}, {"new": 1},
                        {"registers": {"before": {"edi": "0xd"}, "after": {}}}, {"registers": {"before": {"edi": "0xc"}, "after": {"edi": "0x9"}}}):
            with self.subTest(**changed):
                self.assertEqual(len(self.differ(**changed)), 1)


if __name__ == "__main__":
    unittest.main()
