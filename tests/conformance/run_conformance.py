#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run_conformance.py --build DIR --host HOST CASE: runs one case and judges what the host said."""
import argparse
import bisect
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUG_CHECK_STATUS = 123
DRIVER_NOT_LOADED_STATUS = 124


def number(value):
    return value if isinstance(value, int) else int(value, 16)


def judge(case, seen):
    """`seen`: failures, violations, bug_check, reason, image. Returns what is wrong, in words."""
    wrong = list(seen["failures"])
    record = seen["bug_check"]
    if case["bug_check"] == 0:
        if record:
            wrong.append(f"the host stopped with bug check {record}")
    elif not record:
        wrong.append(f"the host did not stop with bug check {case['bug_check']:#x}")
    else:
        if number(record["code"]) != case["bug_check"]:
            wrong.append(f"bug check {record['code']}, wanted {case['bug_check']:#x}")
        parameters = [number(p) for p in record["parameters"]]
        if len(parameters) != 4:
            wrong.append(f"the record has {len(parameters)} parameters")
        elif case["bug_parameter"] is not None and parameters[0] != case["bug_parameter"]:
            wrong.append(f"first parameter {parameters[0]:#x}, wanted {case['bug_parameter']:#x}")
        if case["bug_callback"]:
            if case["bug_callback"] not in record["callback"]:
                wrong.append(f"the record names {record['callback']!r}, wanted {case['bug_callback']!r}")
            if seen["image"] not in record["driver"]:
                wrong.append(f"the record names the driver {record['driver']!r}, wanted {seen['image']!r}")
        if case["name"] == "BugCheck-record-of-a-callback" and not (record["pid"] and record["tid"]):
            wrong.append("the record does not name the faulting thread")
    rules = {v["rule"] for v in seen["violations"]}
    if case["violation"]:
        if case["violation"] not in rules:
            wrong.append(f"not reported: {case['violation']}; reported: {sorted(rules)}")
        text = " ".join(f"{v['callback']} {v['message']}" for v in seen["violations"] if v["rule"] == case["violation"])
        for name in case["violation_names"].split():
            if name not in text:
                wrong.append(f"the report of {case['violation']} does not name {name}: {text!r}")
    unexpected = rules - {case["violation"]}
    if unexpected and not case["bug_check"]:
        wrong.append(f"reported, but nothing of the kind happened: {seen['violations']}")
    if case["reason"] and case["reason"] not in seen["reason"]:
        wrong.append(f"the reason given is {seen['reason']!r}, wanted {case['reason']!r}")
    return wrong


def run_fake(build, case):
    words = [os.path.join(build, "bin", "conformance_fake"), case["name"]]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=90, check=False)
    if done.returncode != 0:
        return words, [f"ended with status {done.returncode}: {done.stderr}"]
    return words, judge(case, json.loads(done.stdout))


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


# Layout of the head of struct conformance_shared, of which only the pids and messages are wanted here.
CONTROLLER_PID_OFFSET = 9 * 4
SLOTS_OFFSET = 11 * 4
SLOT_SIZE = (2 + 9 + 9 + 5 + 2) * 4
MESSAGES_OFFSET = SLOTS_OFFSET + 4 * SLOT_SIZE


def run_supervisor(build, case):
    scratch = tempfile.mkdtemp(prefix="kebound-conformance-")
    shared = os.path.join(scratch, "shared")
    report = os.path.join(scratch, "report.jsonl")
    with open(shared, "wb") as file:
        file.truncate(65536)
    driver = "conformance_marked" if case["integrity_note"] else "conformance"
    words = ["env", f"KEBOUND_CONFORMANCE_FILE={shared}", f"KEBOUND_CONFORMANCE_CASE={case['name']}",
             os.path.join(build, "bin", "kebound"), "run",
             "--driver", os.path.join(build, "lib", "drivers", driver + ".so"),
             "--profile", "windows" if case["windows"] else "default"]
    if case["livelock_limit"] >= 0:
        words += ["--livelock-limit", str(case["livelock_limit"])]
    words += ["--report", "jsonl", "-o", report, "--", os.path.join(build, "bin", "guests", "conformance_guest"), shared]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return words, ["no end within 100 s"]
    with open(shared, "rb") as file:
        memory = file.read()

    def word(offset):
        return int.from_bytes(memory[offset:offset + 4], "little")
    used = min(word(MESSAGES_OFFSET), 4096)
    failures = memory[MESSAGES_OFFSET + 4:MESSAGES_OFFSET + 4 + used].decode(errors="replace").splitlines()
    records = []
    if os.path.exists(report):
        with open(report, encoding="utf-8") as lines:
            records = [json.loads(line) for line in lines]
    bug_checks = [r for r in records if r["event"] == "bug-check"]
    exceptions = [r for r in records if r["event"] == "bound-exception"]
    wanted = BUG_CHECK_STATUS if case["bug_check"] else DRIVER_NOT_LOADED_STATUS if case["entry_fails"] else 0
    wrong = judge(case, {"failures": failures,
                         "violations": [r for r in records if r["event"] == "verifier"],
                         "bug_check": bug_checks[0] if bug_checks else None,
                         "reason": " ".join(e.get("reason") or "" for e in exceptions[-1:]),
                         "image": "conformance"})
    if done.returncode != wanted:
        wrong.append(f"exit status {done.returncode}, wanted {wanted}; stderr: {done.stderr}")
    if len(bug_checks) > 1:
        wrong.append(f"{len(bug_checks)} bug check records")
    for pid in (word(CONTROLLER_PID_OFFSET), word(CONTROLLER_PID_OFFSET + 4)):
        end = time.monotonic() + 5
        while pid and alive(pid) and time.monotonic() < end:
            time.sleep(0.01)
        if pid and alive(pid):
            wrong.append(f"the target {pid} lives on")
    if not wrong:
        shutil.rmtree(scratch)
    return words, wrong


class Symbols:
    """Names for the places in images that the in-process host reports: it knows no symbols."""

    def __init__(self, *images):
        self.images = {}
        for path in images:
            listed = subprocess.run(["nm", "-C", "--defined-only", path], stdout=subprocess.PIPE, text=True, check=True)
            entries = [line.split(" ", 2) for line in listed.stdout.splitlines()]
            self.images[os.path.basename(path)] = sorted((int(e[0], 16), e[2]) for e in entries if e[1] in "tTwW")

    def named(self, text):
        def name(match):
            symbols = self.images.get(match.group(1), [])
            at = bisect.bisect_right(symbols, (int(match.group(2), 16), "\x7f")) - 1
            return f"{match.group(1)}!{symbols[at][1]}" if at >= 0 else match.group(0)
        return re.sub(r"([\w.-]+)\+0x([0-9a-f]+)", name, text)


def reported(text, symbols):
    """What the library's lines on standard error say: violations, the bug check, the reason of a termination."""
    seen = {"violations": [], "bug_check": None, "reason": ""}
    for line in text.splitlines():
        line = symbols.named(line)
        if match := re.fullmatch(r"kebound: bug check (0x[0-9a-f]+) \((.*?)\): (.*?)(?:; callback (\S.*))?; thread (\d+)", line):
            callback = match.group(4) or ""
            seen["bug_check"] = {"code": match.group(1), "parameters": match.group(2).split(", "), "callback": callback,
                                 "driver": callback.partition("!")[0], "pid": True, "tid": int(match.group(5))}
        elif match := re.fullmatch(r"kebound: livelock: .*", line):
            seen["reason"] = line
        elif match := re.fullmatch(r"kebound: ([\w-]+): (.*?)(?:; callback (\S.*))?", line):
            seen["violations"].append({"rule": match.group(1), "message": match.group(2), "callback": match.group(3) or ""})
        elif line:
            seen["violations"].append({"rule": "stray output", "message": line, "callback": ""})
    return seen


def run_inproc(build, case, bits):
    program = os.path.join(build, "bin", f"conformance_inproc_{bits}")
    module = os.path.join(build, "lib", f"conformance_cases_{bits}.so")
    folder = "lib" if bits == "64" else "lib32"
    options = ["--report", "none", "--profile", "windows" if case["windows"] else "default"]
    if case["livelock_limit"] >= 0:
        options += ["--livelock-limit", str(case["livelock_limit"])]
    words = ["env", f"LD_PRELOAD={os.path.join(build, folder, 'libkebound-preload.so')}",
             "KEBOUND_OPTIONS=" + " ".join(options), program, module, case["name"]]
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
                              stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return words, ["no end within 100 s"]
    if done.returncode != 0:
        return words, [f"ended with status {done.returncode}: {done.stderr}"]
    failures, _, ended = done.stdout.rpartition("ended: ")
    seen = reported(done.stderr, Symbols(program, module))
    wrong = judge(case, seen | {"failures": failures.splitlines(), "image": f"conformance_cases_{bits}"})
    wanted = f"signal {signal.SIGABRT:d}" if case["bug_check"] else "status 0"
    if ended.strip() != wanted:
        wrong.append(f"the case ended with {ended.strip()}, wanted {wanted}; stderr: {done.stderr}")
    return words, wrong


def cases_of(build):
    listed = subprocess.run([os.path.join(build, "bin", "conformance_fake"), "--list"], stdout=subprocess.PIPE, check=True)
    return {case["name"]: case for case in json.loads(listed.stdout)}


RUN = {"fake": run_fake,
       "supervisor": run_supervisor,
       "inproc64": lambda build, case: run_inproc(build, case, "64"),
       "inproc32": lambda build, case: run_inproc(build, case, "32")}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True, help="the build directory")
    parser.add_argument("--host", choices=tuple(RUN), required=True)
    parser.add_argument("case")
    arguments = parser.parse_args()
    case = cases_of(arguments.build)[arguments.case]
    words, wrong = RUN[arguments.host](arguments.build, case)
    if not wrong:
        return 0
    print(f"FAILED {case['name']} ({case['line']}): {case['claim']}")
    for line in wrong:
        print("  " + line)
    print("replay it with:\n  " + shlex.join(words))
    return 1


if __name__ == "__main__":
    sys.exit(main())
