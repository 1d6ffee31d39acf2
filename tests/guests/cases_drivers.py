# SPDX-License-Identifier: Apache-2.0
"""Drivers at work on real programs: repairs, rendezvous, the program's memory, and what ends the host."""
from guest_lib import *

BUG_CHECK_STATUS = 123


def check_threads(run, threads, exceptions):
    """None lost, none doubled: per thread as many events as the thread counted itself."""
    run.succeeded()
    run.dispositions("handled", threads * exceptions)
    counted = {}
    for line in run.out.splitlines():
        words = line.split()
        if words[:1] == ["thread"]:
            counted[int(words[3])] = int(words[5])
            expect_equal(words[7], "0", f"misplaced repairs of thread {words[1]}")
    expect_equal(sorted(counted.values()), [exceptions] * threads, "exceptions that the threads counted")
    seen = {}
    for event in run.events():
        seen[event["tid"]] = seen.get(event["tid"], 0) + 1
    expect_equal(seen, counted, "events per thread")
    # Each exception has its own index: a doubled event for a lost one would show here.
    distinct = {(e["tid"], e["index"], e["lower"], e["upper"]) for e in run.events()}
    expect_equal(len(distinct), threads * exceptions, "distinct exceptions")


@case("driver-repairs")
def driver_repairs(bench):
    run = bench.run("bound32", "--times", "3", "--expect", "9", drivers=["repair"])
    run.succeeded()
    run.dispositions("handled", 3)
    answer = run.events()[0]["answers"][0]
    expect(answer["driver"].startswith("repair"), f"the answer is of {answer['driver']}")
    expect_equal(answer["status"], "BoundExceptionHandled", "answer")


@case("threads-repaired-while-another-driver-registers-and-deregisters")
def threads_churned(bench):
    run = bench.run("threads32", drivers=["repair", "churn"])
    check_threads(run, 4, 25000)
    text = " ".join(r.get("text", "") for r in run.events("driver-output"))
    expect("late 0 failures 0" in text, f"churn says: {text[-300:]!r}")
    rounds = int(text.partition("rounds ")[2].split()[0])
    calls = int(text.partition("calls ")[2].split()[0])
    expect(rounds > 10 and calls > 10, f"too little churn to mean anything: {rounds} rounds, {calls} calls")


@case("threads-repaired-while-a-second-driver-is-loaded-and-unloaded")
def threads_load_loop(bench):
    report = bench.report_path()
    run = bench.execute([os.path.join(bench.build, "bin", "load_loop"), bench.driver("repair"),
                         bench.driver("passer"), report, bench.guest("threads32")])
    run.records = read_records(report)
    check_threads(run, 4, 25000)
    loads = len([r for r in run.events("driver-loaded") if "passer" in r["driver"]])
    unloads = len([r for r in run.events("driver-unloaded") if "passer" in r["driver"]])
    asked = sum(1 for e in run.events() if any("passer" in a["driver"] for a in e["answers"]))
    expect(loads > 5 and loads == unloads, f"{loads} loads, {unloads} unloads")
    expect(asked > 5, f"the second driver was asked {asked} times only")


@case("threads-with-worker-threads")
def threads_workers(bench):
    run = bench.run("threads32", "4", "5000", drivers=["repair"], options=("--callback-threads", "4"))
    check_threads(run, 4, 5000)


@case("threads-unpinned")
def threads_unpinned(bench):
    check_threads(bench.run("threads32", "4", "2000", drivers=["repair"], options=("--pin", "none")), 4, 2000)


@case("blocked-callback-does-not-stall-other-threads")
def meet(bench):
    run = bench.run("pair32", drivers=["meet"])
    run.succeeded()
    run.dispositions("handled", 20)


@case("sleeping-callback-does-not-stall-other-threads")
def delay(bench):
    run = bench.run("pair32", drivers=["delay"])
    run.succeeded()
    run.dispositions("handled", 20)


@case("blocked-callbacks-on-worker-threads")
def meet_workers(bench):
    bench.run("pair32", drivers=["meet"], options=("--callback-threads", "2")).succeeded()


@case("target-killed-while-its-callback-blocks")
def killed_in_callback(bench):
    # One thread alone waits for the other's callback for ever; the program is killed meanwhile.
    report = bench.report_path()
    command = bench.command("lone32", drivers=["meet"], report=report)
    bench.commands.append(" ".join(command))
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as kebound:
        pid = int(kebound.stdout.readline().split()[1])
        eventually(lambda: state(pid) in "tT", "the target stands in its exception")
        os.kill(pid, signal.SIGKILL)
        try:
            status = kebound.wait(20)
        except subprocess.TimeoutExpired:
            kebound.kill()
            raise Failure("kebound waits for a callback of a program that is dead") from None
    expect_equal(status, -signal.SIGKILL, "status")


@case("driver-reads-and-writes-user-memory")
def memory(bench):
    run = bench.run("memory32", "memory", drivers=["memory"])
    run.succeeded()
    run.dispositions("handled", 8)


@case("driver-reads-and-writes-memory-of-a-64-bit-process")
def memory64(bench):
    run = bench.run("compat64", "--memory", "--times", "3", "--expect", "-4", drivers=["memory"])
    run.succeeded()
    run.dispositions("handled", 3)


def ends_in_bug_check(bench, codes, command, parameter=None, driver="memory"):
    run = bench.run("memory32", command, drivers=[driver])
    expect_equal(run.status, BUG_CHECK_STATUS, "status")
    expect_equal(run.out, "asking\n", "what the program did before it was terminated")
    records = run.events("bug-check")
    expect_equal(len(records), 1, "bug check records")
    record = records[0]
    code = record["code"] if isinstance(record["code"], int) else int(record["code"], 16)
    expect(code in codes, f"code {code:#x}, wanted {[hex(c) for c in codes]}")
    parameters = [p if isinstance(p, int) else int(p, 16) for p in record["parameters"]]
    expect_equal(len(parameters), 4, "parameters")
    if parameter is not None:
        expect_equal(parameters[0], parameter, "first parameter")
    expect(driver in record["driver"], f"driver is {record['driver']!r}")
    expect(record["pid"] > 0, "no target thread in the record")
    expect(not alive(record["pid"]), "the target lives on")
    return record


@case("bug-check-callback-returns-3")
def returns_three(bench):
    record = ends_in_bug_check(bench, [0x7F], "5", 5)
    expect("on_bound" in record["callback"] or "+0x" in record["callback"], "the callback is not named")


@case("bug-check-callback-returns-garbage")
def returns_garbage(bench):
    ends_in_bug_check(bench, [0x7F], "9", 5)


@case("bug-check-driver-reads-unmapped-user-memory")
def reads_unmapped(bench):
    ends_in_bug_check(bench, [0x1E, 0x50], "read-unmapped")


@case("bug-check-driver-writes-unmapped-user-memory")
def writes_unmapped(bench):
    ends_in_bug_check(bench, [0x1E, 0x50], "write-unmapped")


@case("bug-check-driver-writes-read-only-user-memory")
def writes_readonly(bench):
    ends_in_bug_check(bench, [0x1E, 0x50, 0xBE], "write-readonly")


@case("bug-check-driver-reads-null")
def reads_null(bench):
    ends_in_bug_check(bench, [0x1E, 0x50], "read-null")


@case("bug-check-driver-reads-non-canonical")
def reads_non_canonical(bench):
    ends_in_bug_check(bench, [0x1E, 0x50], "4")


@case("bug-check-bounds-failure-in-driver-code")
def driver_bounds(bench):
    ends_in_bug_check(bench, [0x7F], "6", 5, driver="memory_checked")


@case("bug-check-by-the-driver-itself")
def driver_bug_check(bench):
    record = ends_in_bug_check(bench, [0xE2], "7", 1)
    expect(not record["callback"] or "memory" in record["callback"], "callback of somebody else")


@case("bug-check-ends-all-targets")
def bug_check_ends_all(bench):
    report = bench.report_path()
    run = bench.execute([bench.kebound, "run", "--driver", bench.driver("memory"), "--report", "jsonl", "-o", report,
                         "--", "/bin/sh", "-c",
                         f"sleep 1000 & echo $!; (sleep 1000 & echo $!); {bench.guest('memory32')} 5; echo on"])
    expect_equal(run.status, BUG_CHECK_STATUS, "status")
    lines = run.out.split()
    expect_equal(lines[2:], ["asking"], "the output behind the two process ids")
    for pid in lines[:2]:
        eventually(lambda: not alive(int(pid)), f"the end of {pid}", 5)
