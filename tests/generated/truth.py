# SPDX-License-Identifier: Apache-2.0
"""What the oracle says that a run does, and whether a claim is true by it."""
import dataclasses

# Words for a run, best first. LATER: the index is one that fails, but not the first one of that check, as of a loop of which only the
# last index was compared. EXPLICIT: the program's own `if (k > 9) __builtin_trap()`, which says so. LINE: index and limits are right, and
# the line that debug information has for the compare is another one of the function: the compiler made one compare of several. CHOSEN:
# "no such check", in a function with ?: in an index; table[k < 3 ? k : k + 6] of three elements is compiled to what table[k] is compiled to.
RIGHT, NEAR, EXPLICIT, UNKNOWN, SILENT = "right", "near line", "explicit", "unknown", "silent"
WRONG, LATER, LINE, CHOSEN = "WRONG", "LATER", "other line", "chosen"
BAD = (WRONG, LATER)


@dataclasses.dataclass
class Failure:
    site: int
    line: int
    index: int
    length: int
    is_trap: bool


@dataclasses.dataclass
class Run:
    """One child: what the runner and the oracle said of it."""
    name: str
    given: int
    pid: int
    failures: list = dataclasses.field(default_factory=list)
    result: int = None
    end: tuple = None


def parsed(output):
    """{(name, input): Run} of what a runner printed."""
    runs, run = {}, None
    for words in map(str.split, output.splitlines()):
        if words[0] == "begin":
            run = runs[words[1], int(words[2])] = Run(words[1], int(words[2]), int(words[3]))
        elif words[0] in ("fail", "trap"):
            run.failures.append(Failure(*map(int, words[1:]), words[0] == "trap"))
        elif words[0] == "result":
            run.result = int(words[1])
        elif words[0] == "end":
            run.end = (words[1], int(words[2]))
    return runs


def chosen(runs, most=3):
    """Inputs worth running: for each way of failing one, the smallest distance first. Runs that crash show nothing."""
    ways = {}
    for run in runs:
        if run.end == ("exit", 0) and run.result is not None and run.failures:
            way = tuple(sorted({(f.site, f.index < 0, f.is_trap) for f in run.failures}))
            ways.setdefault(way, []).append(run)
    return [min(some, key=lambda r: (abs(r.failures[0].index), r.given)) for some in ways.values()][:most]


def signed(raw, width):
    raw &= (1 << width) - 1
    return raw - (1 << width) if raw >> (width - 1) else raw


def is_index(event, index):
    """Whether the event has that index, whole."""
    width, raw = event["index_width"], event["index_raw"]
    if width not in (8, 16, 32, 64) or raw is None:
        return False
    raw = int(raw, 16)
    return event["index"] == signed(raw, width) and (index in (raw, signed(raw, width)) or width == 64 and index % (1 << 64) == raw)


def is_check(event, failure, permissive):
    uppers = {failure.length - 1} | ({failure.length} if failure.site in permissive else set())
    return failure.length >= 0 and event["lower"] == 0 and event["upper"] in uppers and is_index(event, failure.index)


def judged(event, truth, permissive, lines, source, has_choice=False):
    """(verdict, why) of the first event of a run. `lines` are those of the shape in `source`."""
    if event is None:
        return SILENT, "no event"
    if event["confidence"] == "unknown":
        return UNKNOWN, event.get("doubt") or "no reason given"
    checks = [f for f in truth.failures if not f.is_trap]
    first = {}
    for failure in checks:
        # Where an index may be equal to the length, the compiler's check fails at the next one.
        first.setdefault((failure.site, failure.site in permissive and failure.index == failure.length), failure)
    matching = [f for f in first.values() if is_check(event, f, permissive)]
    if not matching:
        if any(f.is_trap and is_check(event, f, ()) for f in truth.failures):
            return EXPLICIT, None
        if any(is_check(event, f, permissive) for f in checks):
            return LATER, "an index of a later time"
        return CHOSEN if has_choice else WRONG, "no such check fails"
    if event["line"] is None or not event["file"].endswith(source) or event["line"] in {f.line for f in matching}:
        return RIGHT, None
    if event["line_ip"] is not None and event["line"] in lines:
        return NEAR, None
    return LINE, f"line {event['line']}, not {sorted({f.line for f in matching})}"


def relation(event, truth):
    """How a wrong claim is made from what is true, as compilers do it: a word for statistics."""
    index, length = event["index"], event["upper"] + 1
    checks = [(f.index, f.length) for f in truth.failures if f.length > 0]
    for i, n in checks:
        if i == index:
            return "another limit"
    for i, n in checks:
        for c in (2, 3, 4, 5, 6, 8, 9, 10, 12, 16, 24, 32):
            if index * c == i and length in (-(-n // c), n // c + 1):
                return "without the factor"
            if i == index // c and length in (n * c, n * c + c):
                return "without the quotient"
    for i, n in checks:
        if i - index == n - length or i - index == n + 1 - length:
            return "without the sum"
    return "something else"


def judged_clamp(events, run, truth, is_single):
    """(verdict, why) of a run whose indices kebound corrected."""
    if not events or any(e["disposition"] != "handled" for e in events):
        return UNKNOWN, "not handled"
    if any(f.is_trap for f in truth.failures) or run.end == ("signal", 4):
        return UNKNOWN, "an explicit trap, or one that was not taken for a check"
    if run.end != ("exit", 0):
        return WRONG, f"handled, and ended with {run.end[0]} {run.end[1]}"
    # A number that is only out of bounds as an unsigned one is negative to kebound, and the nearest index is another.
    is_plain = is_single and all(abs(f.index) < 1 << 31 for f in truth.failures)
    if is_plain and run.result != truth.result:
        return WRONG, f"handled, and gives {run.result}, clamped in its source {truth.result}"
    return RIGHT, None
