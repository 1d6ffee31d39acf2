# SPDX-License-Identifier: Apache-2.0
"""Runs guests with and without kebound and looks at what came out: statuses, output, JSON Lines."""
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time

CASES = {}


def case(name):
    """Registers a case; CMakeLists.txt finds it by this line."""
    def register(function):
        assert name not in CASES, name
        CASES[name] = function
        return function
    return register


class Failure(Exception):
    pass


def expect(condition, message):
    if not condition:
        raise Failure(message)


def expect_equal(got, wanted, what):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


@dataclasses.dataclass
class Result:
    status: int  # as subprocess gives it: negative is a signal
    out: str
    err: str
    records: list
    command: str

    def events(self, kind="bound-exception"):
        return [r for r in self.records if r.get("event") == kind]

    def succeeded(self):
        expect_equal(self.status, 0, "exit status")
        expect(self.out.endswith("EXIT-SUCCESS\n"), "the guest did not reach its end")

    def dispositions(self, wanted, count):
        got = [e["disposition"] for e in self.events()]
        expect_equal(len(got), count, "number of bound exceptions in the report")
        expect(all(d == wanted for d in got), f"not all were {wanted}: {sorted(set(got))}")


class Bench:
    """What a case is given: where things are, and how to run them."""

    def __init__(self, build):
        self.build = build
        self.kebound = os.path.join(build, "bin", "kebound")
        self.scratch = tempfile.mkdtemp(prefix="kebound-guest-")
        self.commands = []  # for the replay line of a failure
        self.reports = 0

    def guest(self, name):
        return os.path.join(self.build, "bin", "guests", name)

    def driver(self, name):
        return os.path.join(self.build, "lib", "drivers", name + ".so")

    def report_path(self):
        self.reports += 1
        return os.path.join(self.scratch, f"report-{self.reports}.jsonl")

    def command(self, guest, *arguments, options=(), drivers=(), report=None):
        words = [self.kebound, "run"]
        for driver in drivers:
            words += ["--driver", self.driver(driver)]
        words += list(options)
        words += ["--report", "jsonl", "-o", report] if report else ["--report", "none"]
        return words + ["--", self.guest(guest), *arguments]

    def run(self, guest, *arguments, options=(), drivers=(), timeout=60):
        report = self.report_path()
        result = self.execute(self.command(guest, *arguments, options=options, drivers=drivers, report=report),
                              timeout)
        result.records = read_records(report)
        return result

    def natively(self, guest, *arguments, timeout=60):
        return self.execute([self.guest(guest), *arguments], timeout)

    def execute(self, words, timeout=60, **keywords):
        text = shlex.join(words)
        self.commands.append(text)
        # A session of its own, so that a guest that hangs can be ended with all its children.
        with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              start_new_session=True, **keywords) as process:
            try:
                out, err = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired as expired:
                os.killpg(process.pid, signal.SIGKILL)
                raise Failure(f"no end within {timeout} s; it said: {expired.stdout!r} {expired.stderr!r}") from None
        return Result(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"), [], text)

    def same_as_natively(self, guest, *arguments, options=(), drivers=()):
        """The program under kebound prints and ends as it does alone; kebound itself says nothing."""
        alone = self.natively(guest, *arguments)
        traced = self.run(guest, *arguments, options=options, drivers=drivers)
        expect_equal(traced.out, alone.out, "stdout against a run without kebound")
        expect_equal(traced.err, alone.err, "stderr against a run without kebound")
        expect_equal(traced.status, alone.status, "status against a run without kebound")
        return traced


def read_records(path):
    """All records; a line that is no JSON object is a failure of the report."""
    records = []
    if os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    records.append(json.loads(line))
                except ValueError:
                    raise Failure(f"{path}:{number}: not JSON: {line!r}") from None
    return records


def alive(pid):
    """Whether a process runs; a zombie that nobody has reaped does not."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def state(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
        return stat.read().rpartition(")")[2].split()[0]


def eventually(condition, what, seconds=10):
    """For what another process does in its own time; the limit only bounds a failure."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"did not happen within {seconds} s: {what}")
        time.sleep(0.005)


def run_case(name, build):
    bench = Bench(build)
    try:
        CASES[name](bench)
    except Failure as failure:
        print(f"FAILED {name}: {failure}")
        print("replay the last command with:")
        print("  " + (bench.commands[-1] if bench.commands else "(no command was run)"))
        print(f"reports are in {bench.scratch}")
        return 1
    subprocess.run(["rm", "-rf", bench.scratch], check=False)
    return 0


__all__ = ["case", "expect", "expect_equal", "eventually", "alive", "state", "read_records", "run_case",
           "Failure", "Bench", "Result", "CASES", "os", "signal", "subprocess", "sys", "time"]
