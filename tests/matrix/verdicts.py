# SPDX-License-Identifier: Apache-2.0
"""What a report says about a shape, against what the shape is known to do."""
import json
import os
import re

# Words for a cell, best first. SILENT: the trap was not taken for a bounds failure, which a plain ud2 without a compare that shows
# it must not be. WRONG fails the matrix.
EXACT, NEAR, NO_LINE, UNKNOWN, SILENT, WRONG = "exact", "near line", "no line", "unknown", "silent", "WRONG"
NEIGHBOURHOOD = 2  # lines


class Run:
    """One guest under kebound: what its children said they would do, what became of them, and the events."""

    def __init__(self, output, report):
        self.shapes, self.results, self.ends = {}, {}, {}
        for line in output.splitlines():
            words = line.split(" ")
            if words[0] == "begin":
                pid, given, index, lower, upper = map(int, words[2:])
                self.shapes[words[1]] = {"pid": pid, "input": given, "index": index, "lower": lower, "upper": upper}
            elif words[0] == "result":
                self.results[words[1]] = int(words[2])
            elif words[0] == "end":
                self.ends[words[1]] = (words[2], int(words[3]))
        with open(report, encoding="utf-8") as file:
            self.records = [json.loads(line) for line in file]
        self.by_pid = {}
        for record in self.records:
            if record["event"] == "bound-exception":
                self.by_pid.setdefault(record["pid"], []).append(record)

    def events(self, shape):
        return self.by_pid.get(self.shapes[shape]["pid"], [])


def position(event, sources):
    """File name and line of the guest's own source that the event names; (None, None) if it names none.

    A check inside a container is where the library's header has it; who asked is further out on the stack."""
    places = [(event["file"], event["line"])] + [(f["file"], f["line"]) for f in event.get("stack", ())]
    for file, line in places:
        if file is not None and os.path.basename(file) in sources:
            return os.path.basename(file), line
    return None, None


def signed(raw, width):
    raw &= (1 << width) - 1
    return raw - (1 << width) if raw >> (width - 1) else raw


def index_problem(event, wanted):
    """Why the index or a limit that the event claims to know is not the right one; None if all are right."""
    width = event["index_width"]
    if width not in (8, 16, 32, 64) or event["index_raw"] is None:
        return f"index of {width} bits, raw {event['index_raw']}"
    raw = int(event["index_raw"], 16)
    if raw != wanted["index"] % (1 << width):
        return f"raw index {raw:#x} of {width} bits, not {wanted['index']}"
    if event["index"] != signed(raw, width):
        return f"index {event['index']} is not what {raw:#x} of {width} bits is"
    if (event["lower"], event["upper"]) != (wanted["lower"], wanted["upper"]):
        return f"limits [{event['lower']}, {event['upper']}], not [{wanted['lower']}, {wanted['upper']}]"
    return None


def judge(event, wanted, place, sources):
    """(verdict, why) for the first event of a shape."""
    if event is None:
        return SILENT, "no event"
    file, line = position(event, sources)
    if event["confidence"] == "unknown":
        # The place is that of the trap then, which several checks may share: docs/protocol.md does not promise their line.
        return UNKNOWN, event.get("doubt") or "no reason given"
    problem = index_problem(event, wanted)
    if problem is not None:
        return WRONG, f"{event['confidence']}: {problem}"
    # line_ip: the compiler merged several checks, and the line is that of an access, which may be a neighbour's.
    is_merged = event["line_ip"] is not None
    if is_merged and line is not None and line != place[1] and file == place[0] and abs(line - place[1]) <= NEIGHBOURHOOD:
        return NEAR, "the compiler merged the check with its neighbours"
    if line is not None and (file, line) != place:
        return WRONG, f"at {file}:{line}, not {place[0]}:{place[1]}"
    in_library = event["file"] is not None and os.path.basename(event["file"]) not in sources
    if line is None and not (in_library and "stack" not in event):
        return NO_LINE, "no line"
    return EXACT, None


def judge_clamp(events, end, result, wanted):
    """('same', None), ('refused', why), or ('WRONG', what is different from the program with the clamp in its source)."""
    if not events:
        return SILENT, "no event"
    refused = [e for e in events if e["disposition"] != "handled"]
    if refused:
        if end[0] != "signal":
            return WRONG, f"was refused and ended with {end[0]} {end[1]}"
        if not refused[0].get("reason"):
            return WRONG, "was refused without a reason"
        return "refused", refused[0]["reason"]
    if end != ("exit", 0):
        return WRONG, f"was handled and ended with {end[0]} {end[1]}"
    if result != wanted:
        return WRONG, f"gives {result}, clamped in its source {wanted}"
    return "same", None


# What differs between two runs whoever looks on, and what docs/protocol.md says that the hosts see differently.
DIFFERENT = {"time_ns", "pid", "tid", "stack", "code", "registers", "answers"}
CODE_ADDRESSES = {"ip", "trap_ip", "line_ip"}
DATA_ADDRESSES = {"bounds_address", "index_address"}


def disagreements(one, other):
    """Members in which two hosts' events of the same check differ, beyond what they must."""
    found = []
    for name in sorted((set(one) | set(other)) - DIFFERENT):
        a, b = one.get(name, "(none)"), other.get(name, "(none)")
        if name in CODE_ADDRESSES and isinstance(a, str) and isinstance(b, str) and "(none)" not in (a, b):
            # Loaded elsewhere: the place within a page stays.
            a, b = int(a, 16) & 0xfff, int(b, 16) & 0xfff
        elif name in DATA_ADDRESSES and isinstance(a, str) and isinstance(b, str) and "(none)" not in (a, b):
            continue  # stack and heap begin anywhere
        if a != b:
            found.append(f"{name}: {a!r} and {b!r}")
    # Who answers is another file, how is the same; in process nobody is registered for `propagate`.
    answered = [[(a["status"], a["edited"]) for a in e["answers"] if a["status_value"] != 0] for e in (one, other)]
    if answered[0] != answered[1]:
        found.append(f"answers: {answered[0]} and {answered[1]}")
    shorter = min(one["code"], other["code"], key=len)
    if not (one["code"].startswith(shorter) and other["code"].startswith(shorter)):
        found.append(f"code: {one['code']} and {other['code']}")
    register = one["index_register"]
    before = [e["registers"]["before"] for e in (one, other)]
    if set(before[0]) != set(before[1]):
        found.append("registers: not the same names")
    elif register in before[0] and one["confidence"] != "unknown" and before[0][register] != before[1][register]:
        found.append(f"registers.before.{register}: {before[0][register]} and {before[1][register]}")
    if set(one["registers"]["after"]) != set(other["registers"]["after"]):
        found.append(f"registers.after: {one['registers']['after']} and {other['registers']['after']}")
    return found


def user_words(text):
    """Numbers that differ from run to run out of a reason, so that equal ones count as one."""
    return re.sub(r"0x[0-9a-f]+", "0x...", text)
