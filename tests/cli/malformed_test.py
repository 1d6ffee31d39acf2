#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Thousands of malformed programs, drivers and command lines: each ends with a documented status and a message
of the documented form, kebound never crashes, and no process is left over.

  --count N     how many (default 10000)
  --seed S      from which seed (default 1); case I depends on S and I alone
  --only I      runs case I and prints it
"""

import argparse
import ast
import collections
import ctypes
import errno
import os
import random
import shlex
import signal
import subprocess
import sys
import tempfile
import time

import harness
from malformed_inputs import Generator

TIMEOUT = 20
PR_SET_CHILD_SUBREAPER = 36


def run(words, directory, environment=None):
    """Runs in `directory`, for whatever a damaged program may do there. (status, stderr) of a command; the status of one that cannot be executed is its errno's name."""
    try:
        result = subprocess.run(words, env={**os.environ, **(environment or {})}, timeout=TIMEOUT,
                                cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    except subprocess.TimeoutExpired:
        return "timeout", ""
    except OSError as error:
        return errno.errorcode[error.errno], ""
    return result.returncode, result.stderr.decode(errors="surrogateescape")


def expected_statuses(case, directory):
    if case.statuses is not None:
        return case.statuses
    bare, _ = run([case.compare], directory)
    if isinstance(bare, str) and bare != "timeout":
        return {126}
    # Killed by the kernel in the middle of exec: kebound tells that apart from a program that ran.
    return {bare, 126} if bare in (-signal.SIGSEGV, -signal.SIGKILL) else {bare}


def judge(case, directory):
    """None if kebound did as documented, else what it did instead."""
    status, stderr = run([harness.KEBOUND, *case.words], directory, case.environment)
    expected = expected_statuses(case, directory)
    if status not in expected:
        return f"status {status}, expected {sorted(map(str, expected))}: {stderr}"
    messages = [line for line in stderr.splitlines(True) if line.startswith("kebound: ")]
    own = status in (124, 125, 126, 127)
    if own and len(messages) != 1:
        return f"{len(messages)} messages: {stderr}"
    if own and not harness.MESSAGE_WITH_REMEDY.fullmatch(messages[0]):
        return f"a message of another form: {stderr}"
    if any(ord(c) < 32 and c != "\n" for c in stderr):
        return f"control characters: {stderr!r}"
    return None


def replay(case):
    assignments = [f"{name}={shlex.quote(value)}" for name, value in case.environment.items()]
    return " ".join([*assignments, harness.KEBOUND, shlex.join(case.words)])


def cases(options, directory, numbers):
    generator = Generator(directory)
    for number in numbers:
        yield number, generator.make(random.Random(f"{options.seed}/{number}"))


def left_behind():
    """The names of what an ended kebound left to us, and whether any of it still runs. The process that reads debug
    information ends when kebound has, not before; it gets a moment."""
    names = []
    deadline = time.monotonic() + 5
    while True:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return names, False
        if ended:
            with open(f"/proc/{ended.si_pid}/comm", encoding="utf-8", errors="replace") as file:
                name = file.read().strip()
            os.waitpid(ended.si_pid, 0)
            if name != "kebound-symbols":
                names.append(name)
        elif time.monotonic() > deadline:
            return names + ["what still runs"], True
        else:
            time.sleep(0.001)


def worker(options, numbers, results):
    """Runs the cases; orphans of kebound would become this process's children."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    counts, failures = collections.Counter(), []
    with tempfile.TemporaryDirectory(prefix="kebound-malformed-") as directory:
        for number, case in cases(options, directory, numbers):
            problem = judge(case, directory)
            # A damaged program's end can depend on where the kernel put its stack: only what differs always counts.
            for _ in range(3 if problem and case.compare else 0):
                problem = problem and judge(case, directory)
            counts[case.kind] += 1
            if problem:
                failures.append(f"case {number} ({case.kind}): {replay(case)}\n    {problem}")
            left, still_runs = left_behind()
            if left:
                failures.append(f"case {number} ({case.kind}): {replay(case)}\n    left behind: {left}")
            if still_runs:
                break  # whose it is would be unclear from here on
            if len(failures) >= 20:
                break
    with os.fdopen(results, "w", errors="surrogateescape") as stream:
        stream.write(repr((dict(counts), failures)))


def run_all(options):
    jobs = min(os.cpu_count() or 1, 4)
    streams = []
    for job in range(jobs):
        reading, writing = os.pipe()
        if os.fork() == 0:
            os.close(reading)
            worker(options, range(job, options.count, jobs), writing)
            os._exit(0)
        os.close(writing)
        streams.append(os.fdopen(reading, errors="surrogateescape"))
    counts, failures = collections.Counter(), []
    for stream in streams:
        text = stream.read()
        stream.close()
        _, status = os.wait()
        if status != 0 or not text:
            failures.append(f"a worker of the test ended early ({status})")
            continue
        part, failed = ast.literal_eval(text)
        counts.update(part)
        failures += failed
    for kind, count in sorted(counts.items()):
        print(f"{count:6} {kind}")
    print(f"{sum(counts.values()):6} inputs, {len(failures)} failed (seed {options.seed})")
    for failure in failures[:20]:
        print(failure.encode(errors="backslashreplace").decode())
    return 1 if failures or sum(counts.values()) != options.count else 0


def main():
    harness.parse_arguments()
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    options = parser.parse_args()
    if options.only is None:
        return run_all(options)
    # Its files stay, for the debugger.
    directory = tempfile.mkdtemp(prefix="kebound-malformed-")
    (_, case), = cases(options, directory, [options.only])
    problem = judge(case, directory)
    print(f"{case.kind}: {replay(case)}\n{problem or 'as documented'}")
    return 1 if problem else 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
