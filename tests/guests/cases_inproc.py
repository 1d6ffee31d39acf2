# SPDX-License-Identifier: Apache-2.0
"""kebound run --host inproc: the same guests with the callbacks in themselves."""
from cases_signals import Terminal, stop_and_continue
from guest_lib import *

INPROC = ("--host", "inproc")
CLAMP = (*INPROC, "--on-bound", "clamp")


def without_randomization(bench, *options):
    report = bench.report_path()
    words = bench.command("bound32", "--times", "20", "--expect", "9", options=("--on-bound", "clamp", *options), report=report)
    result = bench.execute(["/usr/bin/setarch", "-R", *words])
    expect_equal(result.status, 0, "status")
    return [r for r in read_records(report) if r["event"] == "bound-exception"]


@case("inproc-events-are-those-of-the-supervisor")
def same_events(bench):
    ours, theirs = without_randomization(bench, *INPROC), without_randomization(bench)
    expect_equal((len(ours), len(theirs)), (20, 20), "numbers of events")
    for mine, other in zip(ours, theirs):
        for member in ("program", "thread_name", "source", "ip", "module", "module_offset", "symbol", "file", "line", "index",
                       "lower", "upper", "confidence", "index_register", "answers", "disposition", "reason"):
            expect_equal(mine[member], other[member], member)
        expect(other["code"].startswith(mine["code"]) and mine["code"], "the code is the instruction")
        # The stack is elsewhere because the environment is larger, and the segment's base was not asked for.
        for side in ("before", "after"):
            for register, value in other["registers"][side].items():
                if register not in ("esp", "ebp", "gs_base"):
                    expect_equal(mine["registers"][side].get(register), value, f"{register} {side}")


@case("inproc-64-bit-programs")
def wide(bench):
    run = bench.run("compat64", "--times", "50", "--expect", "9", options=CLAMP)
    run.succeeded()
    run.dispositions("handled", 50)
    expect_equal(run.events("process-started")[0]["bits"], 64, "bits")


@case("inproc-skip-and-terminate")
def other_policies(bench):
    run = bench.run("bound32", "--expect", "12", options=(*INPROC, "--on-bound", "skip"))
    run.succeeded()
    run.dispositions("handled", 1)
    run = bench.run("bound32", options=(*INPROC, "--on-bound", "terminate"))
    expect_equal(run.status, -signal.SIGKILL, "status")
    run.dispositions("terminated", 1)


@case("inproc-death-by-an-exception-is-the-natural-one-and-names-its-place")
def propagate(bench):
    for _ in range(10):  # the program is gone before anybody can ask for its mappings
        run = bench.run("bound32", options=INPROC)
        expect_equal(run.status, -signal.SIGSEGV, "status")
        run.dispositions("propagated", 1)
        event = run.events()[0]
        expect_equal((event["symbol"], event["thread_name"]), ("raise_once", "bound32"), "place")
        expect_equal([(r["signal"], r["exit_status"]) for r in run.events("process-exited")], [(signal.SIGSEGV, None)], "end")
    bench.same_as_natively("bound32", "--handler", "skip", options=INPROC)


@case("inproc-signals-and-statuses-as-natively")
def as_natively(bench):
    for guest in ("signals32", "signals64"):
        for words in ("timers", "altstack", "nested", "chld", "mask", "sigqueue", "interrupted", "stop-child",
                      "tstp-child", "stop-threads", "exec-missing", "exit 77", "die 11", "die 15", "die-in-thread 11"):
            bench.same_as_natively(guest, *words.split(), options=INPROC)


@case("inproc-ignored-and-blocked-signals-are-inherited")
def inherited(bench):
    for setup in ("trap '' CHLD INT", "trap '' PIPE"):
        words = ["/bin/sh", "-c", setup + '; exec "$@"', "sh"]
        shown = ["/bin/grep", "-E", "^Sig(Blk|Ign|Cgt)", "/proc/self/status"]
        alone = bench.execute([*words, *shown])
        ours = bench.execute([*words, bench.kebound, "run", *INPROC, "--report", "none", "--", *shown])
        for line, mine in zip(alone.out.splitlines(), ours.out.splitlines()):
            if "Cgt" not in line:  # the library catches two
                expect_equal(mine, line, setup)
        expect_equal(ours.status, 0, "status where kebound itself was started with the signals ignored")


@case("inproc-descendants-share-the-ring")
def descendants(bench):
    for what, processes in (("fork", 2), ("vfork-exec", 2), ("double-fork", 3), ("spawn", 2), ("exec", 1),
                            ("exec-from-thread", 1), ("many", 41)):
        run = bench.run("fork32", what, options=CLAMP)
        run.succeeded()
        expect_equal(len({e["pid"] for e in run.events()}), processes, f"processes of {what}")
        expect_equal({e["disposition"] for e in run.events()}, {"handled"}, what)
        expect_equal({e["program"] for e in run.events()}, {bench.guest("fork32")}, f"program of {what}")
        expect_equal({e["symbol"] for e in run.events()}, {"bound32"}, f"place of {what}")
    words = f"{bench.guest('bound32')} >/dev/null; exec {bench.guest('compat64')}"
    report = bench.report_path()
    bench.execute([bench.kebound, "run", *CLAMP, "--report", "jsonl", "-o", report, "--", "/bin/sh", "-c", words])
    started = {r["program"]: r["bits"] for r in read_records(report) if r["event"] == "process-started"}
    expect_equal((started.get(bench.guest("bound32")), started.get(bench.guest("compat64"))), (32, 64), "both classes")


@case("inproc-the-run-ends-with-the-last-orphan")
def orphan(bench):
    witness = os.path.join(bench.scratch, "witness")
    run = bench.run("fork32", "orphan", witness, options=CLAMP)
    run.succeeded()
    with open(witness, encoding="utf-8") as text:
        expect_equal(text.read(), "repaired\n", "what the orphan says")
    expect_equal(len({e["pid"] for e in run.events()}), 2, "processes")
    expect_equal(len(run.events("process-exited")), 2, "ends")


def arrived_and_missing(records):
    summary = records[-1]
    expect_equal(summary["event"], "summary", "last line")
    expect_equal(summary["exceptions"], sum(r["event"] == "bound-exception" for r in records), "events in the report")
    return summary["exceptions"], summary["missing"]


@case("inproc-100000-exceptions-of-4-threads-arrive-or-are-counted")
def many_exceptions(bench):
    run = bench.run("threads32", "4", "25000", options=CLAMP)
    run.succeeded()
    arrived, missing = arrived_and_missing(run.records)
    expect_equal(arrived + missing, 100000, "arrived and missing")
    by_thread = {}
    for event in run.events():
        by_thread[event["tid"]] = by_thread.get(event["tid"], 0) + 1
    expect(len(by_thread) == 4 and max(by_thread.values()) <= 25000, f"events by thread: {by_thread}")


@case("inproc-a-full-ring-says-so")
def full_ring(bench):
    report = bench.report_path()
    script = f"kill -STOP $PPID; {bench.guest('threads32')} 4 25000; kill -CONT $PPID"
    result = bench.execute([bench.kebound, "run", *CLAMP, "--report", "jsonl", "-o", report, "--", "/bin/sh", "-c", script])
    expect_equal(result.status, 0, "status")
    records = read_records(report)
    arrived, missing = arrived_and_missing(records)
    expect(missing > 0, "nothing was dropped while kebound was stopped")
    expect_equal(arrived + missing, 100000, "arrived and missing")
    dropped = [r for r in records if r.get("rule") == "events-dropped"]
    expect(len(dropped) == 1 and dropped[0]["message"].startswith(f"{missing} events "), f"what is said of it: {dropped}")


@case("inproc-error-exitcode-and-no-report")
def exit_code(bench):
    for status, guest, words in ((9, "bound32", ["--expect", "9"]), (0, "bound32", ["--index", "5", "--expect", "5"])):
        result = bench.execute(bench.command(guest, *words, options=(*CLAMP, "--error-exitcode", "9")))
        expect_equal((result.status, result.err), (status, ""), "status and stderr")


@case("inproc-a-bug-check-is-123")
def bug_check(bench):
    run = bench.run("wronganswer32", options=INPROC)
    expect_equal(run.status, 123, "status")
    run.dispositions("terminated", 1)
    found = run.events("bug-check")
    expect_equal([(r["code"], r["parameters"][:2]) for r in found], [("0x7f", ["0x5", "0x7"])], "bug checks")
    expect_equal(found[0]["driver"], "wronganswer32", "whose callback")
    # Not the first program: the others of the run go on.
    run = bench.execute([bench.kebound, "run", *INPROC, "--report", "none", "--", "/bin/sh", "-c",
                         f"{bench.guest('wronganswer32')}; echo went on; exit 4"])
    expect_equal((run.status, run.out), (123, "went on\n"), "status and output")


@case("inproc-a-hostile-program-can-only-spoil-its-own-events")
def hostile(bench):
    program = os.path.join(bench.scratch, "hostile.py")
    with open(program, "w", encoding="utf-8") as text:
        text.write("""import mmap, os, random, sys
fd = os.open(os.environ['KEBOUND_RING'], os.O_RDWR)
memory = mmap.mmap(fd, os.fstat(fd).st_size)
for cut in (0, 1 << 40):
    try:
        os.ftruncate(fd, cut)
        sys.exit('the size is not sealed')
    except PermissionError:
        pass
seed = random.Random(int(sys.argv[1]))
memory[4096:4096 + 1192 * 500] = seed.randbytes(1192 * 500)
for number in range(500):
    memory[4096 + 1192 * number:4104 + 1192 * number] = (number + 1).to_bytes(8, 'little')
    memory[4120 + 1192 * number:4121 + 1192 * number] = bytes([number % 4])
memory[64:136] = seed.randbytes(72)
os._exit(5)
""")
    for number in range(5):
        report = bench.report_path()
        result = bench.execute([bench.kebound, "run", *CLAMP, "--report", "jsonl", "-o", report, "--", "/usr/bin/python3",
                                program, str(number)], timeout=30)
        expect(result.status in (5, 123), f"status {result.status}: {result.err}")
        records = read_records(report)
        expect(any(r.get("rule") == "events-damaged" for r in records), "the damage is not reported")
        expect_equal(records[-1]["event"], "summary", "last line")


@case("inproc-a-killed-kebound-leaves-its-program-running")
def killed(bench):
    words = [bench.kebound, "run", *CLAMP, "--report", "none", "--", "/bin/sh", "-c",
             f"echo pid $$; read go; {bench.guest('bound32')} --expect 9"]
    bench.commands.append(" ".join(words))
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as kebound:
        target = int(kebound.stdout.readline().split()[1])
        kebound.kill()
        kebound.wait()
        expect(alive(target), "the program is gone with kebound")
        out, err = kebound.communicate("go\n", timeout=30)
    expect(out.endswith("EXIT-SUCCESS\n"), f"its callbacks are gone with kebound: {out!r} {err!r}")
    expect_equal(err.count("no event ring"), 1, f"what it says of that: {err!r}")


@case("inproc-terminated-kebound-ends-its-program")
def sigterm(bench):
    words = bench.command("signals32", "sleep", options=INPROC)
    bench.commands.append(" ".join(words))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as kebound:
        target = int(kebound.stdout.readline().split()[1])
        kebound.terminate()
        expect_equal(kebound.wait(20), -signal.SIGTERM, "status")
    expect(not alive(target), "the program lives on")


@case("inproc-a-preload-of-the-users-stays")
def other_preload(bench):
    environment = {**os.environ, "LD_PRELOAD": "libm.so.6"}
    shown = bench.execute([bench.kebound, "run", *INPROC, "--report", "none", "--", "/bin/sh", "-c", "echo $LD_PRELOAD"],
                          env=environment)
    first, second = shown.out.strip().split(":")
    expect(first.endswith("/$LIB/libkebound-preload.so"), first)
    expect_equal(second, "libm.so.6", "the user's")


@case("inproc-auto-takes-what-fits")
def automatic(bench):
    for options, guest, inproc in (((), "bound32", True), ((), "static32", False), (("--pin", "follow"), "bound32", False),
                                   (("--pin", "none", "--backtraces", "none"), "bound32", True),
                                   (("--backtraces", "all"), "bound32", False)):
        run = bench.run(guest, "--expect", "9", options=("--host", "auto", "--on-bound", "clamp", *options))
        run.succeeded()
        run.dispositions("handled", 1)
        # The supervisor sees more of the code than the instruction.
        expect_equal(len(run.events()[0]["code"]) <= 14, inproc, f"in the program, with {options} and {guest}")


@case("inproc-terminal-interrupt-and-quit-end-the-program")
def terminal_signals(bench):
    for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT)):
        words = bench.command("signals32", "sleep", options=INPROC)
        bench.commands.append(" ".join(words))
        terminal = Terminal(words)
        terminal.until(b"pid ")
        os.write(terminal.master, key)
        status = terminal.end()
        expect(os.WIFSIGNALED(status) and os.WTERMSIG(status) == number, f"ended with {status:#x}")


@case("inproc-terminal-stop-and-continue")
def terminal_stop(bench):
    stop_and_continue(bench, INPROC)
