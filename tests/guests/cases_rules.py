# SPDX-License-Identifier: Apache-2.0
"""--rules and --gen-suppressions over a program that raises exceptions in functions of known names."""
import re

from guest_lib import *


def rules_file(bench, text):
    bench.reports += 1
    path = os.path.join(bench.scratch, f"rules-{bench.reports}")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def run(bench, text, *arguments, options=(), guest="rules32"):
    return bench.run(guest, *arguments, options=("--rules", rules_file(bench, text), *options))


def outcomes(result):
    """(function, disposition, line of the rules file) of each exception in the report."""
    return [(e["symbol"], e["disposition"], int(e["rule"].rpartition(":")[2]) if "rule" in e else None)
            for e in result.events()]


def tallies(result):
    """(matched, reported, suppressed) of each rule."""
    return [(r["matched"], r["reported"], r["suppressed"]) for r in result.events("summary")[0]["rules"]]


@case("rules-by-function")
def by_function(bench):
    result = run(bench, "# by name\nclamp function=alpha\n\nskip function=be*\n", "alpha", "beta")
    result.succeeded()
    expect_equal(result.out, "alpha 9\nbeta 12\nEXIT-SUCCESS\n", "output")
    expect_equal(outcomes(result), [("alpha", "handled", 2), ("beta", "handled", 4)], "outcomes")
    expect_equal(tallies(result), [(1, 1, 0), (1, 1, 0)], "tallies")


@case("rules-the-first-one-that-fits-decides-and-none-is-on-bound")
def first_match(bench):
    text = "skip function=alpha\nclamp function=alpha\nterminate function=gamma\n"
    result = run(bench, text, "alpha", "beta", options=("--on-bound", "clamp"))
    result.succeeded()
    expect_equal(result.out, "alpha 12\nbeta 9\nEXIT-SUCCESS\n", "output")
    expect_equal(outcomes(result), [("alpha", "handled", 1), ("beta", "handled", None)], "outcomes")
    expect_equal(tallies(result), [(1, 1, 0), (0, 0, 0), (0, 0, 0)], "tallies")
    result = run(bench, "clamp function=alpha", "alpha", "beta")
    expect_equal(result.status, -signal.SIGSEGV, "status with --on-bound propagate")


@case("rules-by-inlined-function-file-and-line")
def by_inlined(bench):
    for text in ("clamp function=innermost", "clamp function=around", "clamp file=rules32.c line=1-999",
                 "clamp file=*/programs/rules32.c", "clamp file=rules32.c function=innermost"):
        result = run(bench, text, "inlined")
        result.succeeded()
        expect_equal(outcomes(result), [("innermost", "handled", 1)], text)
    for text in ("clamp function=inner", "clamp file=rules32.c line=1-3", "clamp file=programs/rules32.c"):
        expect_equal(run(bench, text, "inlined").status, -signal.SIGSEGV, text)


@case("rules-by-caller")
def by_caller(bench):
    result = run(bench, "clamp function=shared caller=one\nskip function=shared caller=two\n", "one", "two", "one")
    result.succeeded()
    expect_equal(result.out, "one 9\ntwo 12\none 9\nEXIT-SUCCESS\n", "output")
    expect_equal(run(bench, "clamp caller=shared", "one").status, -signal.SIGSEGV, "the function itself is no caller")


@case("rules-by-module-offset-and-build-id")
def by_site(bench):
    event = run(bench, "clamp", "alpha").events()[0]
    build_id = re.search(r"Build ID: ([0-9a-f]+)", subprocess.run(
        ["readelf", "-n", bench.guest("rules32")], capture_output=True, text=True, check=True).stdout).group(1)
    offset = event["module_offset"]
    text = f"clamp module=rules32 offset={offset} build-id={build_id}\nskip module={bench.guest('rules32')}"
    result = run(bench, text, "alpha", "beta")
    expect_equal(outcomes(result), [("alpha", "handled", 1), ("beta", "handled", 2)], "outcomes")
    result = run(bench, f"clamp offset={offset} build-id=00000000\nclamp source=clang-trap", "alpha")
    expect_equal(result.status, -signal.SIGSEGV, "status with the build ID of another program")


@case("rules-ignore-says-nothing-and-is-as-without-kebound")
def ignore(bench):
    options = ("--error-exitcode", "9")
    result = run(bench, "ignore function=alpha", "--handler", "--times", "5", "alpha", options=options)
    result.succeeded()
    expect_equal(result.out, "alpha 12\nEXIT-SUCCESS\n", "output")
    summary = result.events("summary")[0]
    expect_equal((len(result.events()), summary["exceptions"], summary["suppressed"]), (0, 0, 5), "counts")
    result = run(bench, "ignore function=alpha", "--handler", "alpha", "beta", options=options)
    expect_equal(result.status, 9, "status with one that is not ignored")
    expect_equal([o[0] for o in outcomes(result)], ["beta"], "report")
    expect_equal(run(bench, "ignore", "alpha").status, -signal.SIGSEGV, "status without a handler")


@case("rules-once-first-and-sample-limit-the-report-and-nothing-else")
def limits(bench):
    text = "clamp once function=alpha\nclamp first=3 function=beta\nclamp sample=4 function=shared"
    result = run(bench, text, "--times", "10", "alpha", "beta", "one", "two", options=("--error-exitcode", "9"))
    expect_equal(result.status, 9, "status")
    expect_equal(result.out, "alpha 9\nbeta 9\none 9\ntwo 9\nEXIT-SUCCESS\n", "output")
    functions = [o[0] for o in outcomes(result)]
    expect_equal([functions.count(f) for f in ("alpha", "beta", "shared")], [1, 3, 5], "reported")
    expect_equal(tallies(result), [(10, 1, 0), (10, 3, 0), (20, 5, 0)], "tallies")
    summary = result.events("summary")[0]
    expect_equal((summary["exceptions"], summary["limited"], summary["suppressed"]), (9, 31, 0), "summary")
    result = run(bench, "clamp once", "--times", "10", "alpha", "beta", "child")
    expect_equal([o[0] for o in outcomes(result)], ["alpha", "beta"], "once a place, in all processes")


@case("rules-fatal-after-so-many")
def fatal(bench):
    result = run(bench, "clamp quiet fatal-after=7", "--times", "4", "alpha", "beta", "inlined")
    expect_equal(result.status, -signal.SIGKILL, "status")
    expect_equal(outcomes(result), [("beta", "terminated", 1)], "report")
    expect("fatal-after=7" in result.events()[0]["reason"], "no reason is given")
    expect_equal(tallies(result), [(8, 1, 7)], "tallies")


@case("rules-a-refused-clamp-is-reported-however-quiet-the-rule")
def refused(bench):
    result = run(bench, "clamp quiet", "--lower", "9", "--upper", "0", "--index", "5", guest="bound32",
                 options=("--error-exitcode", "9"))
    expect_equal(result.status, 9, "status")
    result.dispositions("propagated", 1)
    expect_equal(tallies(result), [(1, 1, 0)], "tallies")


@case("rules-are-counted-exactly-by-many-threads")
def threads(bench):
    text = "clamp first=100 function=alpha\nclamp quiet function=beta"
    for options in ((), ("--callback-threads", "4")):
        result = run(bench, text, "--threads", "4", "--times", "500", "alpha", "beta", options=options)
        result.succeeded()
        expect_equal(tallies(result), [(2000, 100, 0), (2000, 0, 2000)], "tallies")
        expect_equal(len(result.events()), 100, "events in the report")


@case("rules-are-asked-after-drivers")
def after_drivers(bench):
    result = bench.run("rules32", "alpha", drivers=("repair",),
                       options=("--rules", rules_file(bench, "terminate")))
    result.succeeded()
    expect_equal(outcomes(result), [("alpha", "handled", None)], "outcomes")
    expect_equal(tallies(result), [(0, 0, 0)], "tallies")


@case("rules-suppressions-are-ready-to-paste")
def suppressions(bench):
    words = [bench.kebound, "run", "--on-bound", "clamp", "--gen-suppressions", "all", "--",
             bench.guest("rules32"), "--times", "3", "alpha", "inlined", "one", "two"]
    first = bench.execute(words)
    suggested = [line for line in first.err.splitlines() if re.match(r"(ignore|#) ", line)]
    expect_equal(len([line for line in suggested if line.startswith("ignore ")]), 3, "suggestions, one a place")
    path = rules_file(bench, "\n".join(suggested) + "\n")
    report = bench.report_path()
    words = bench.command("rules32", "--handler", "--times", "3", "alpha", "inlined", "one", "two",
                          options=("--rules", path, "--gen-suppressions=all"), report=report)
    expect_equal(bench.execute(words).status, 0, "status")
    second = [r for r in read_records(report)]
    expect_equal([r for r in second if r["event"] == "bound-exception"], [], "exceptions that are left")
    expect_equal([r["matched"] for r in second[-1]["rules"]], [3, 3, 6], "uses of the rules")


@case("rules-suppressions-of-stripped-programs-name-the-build")
def stripped(bench):
    path = os.path.join(bench.scratch, "stripped")
    subprocess.run(["strip", "-o", path, bench.guest("rules32")], check=True)
    report = bench.report_path()
    words = [bench.kebound, "run", "--on-bound=clamp", "--gen-suppressions=all", "--report=jsonl", "-o", report,
             "--", path, "alpha"]
    expect_equal(bench.execute(words).status, 0, "status")
    event = [r for r in read_records(report) if r["event"] == "bound-exception"][0]
    expect(re.fullmatch(r"ignore source=x86-bound module=stripped offset=0x[0-9a-f]+ build-id=[0-9a-f]{40}",
                        event["suppression"]), f"suppression is {event['suppression']}")
    words = [bench.kebound, "run", "--rules", rules_file(bench, event["suppression"]), "--", path, "--handler", "alpha"]
    result = bench.execute(words)
    expect("1 suppressed by rules" in result.err and "bound exception: " not in result.err, f"report is {result.err}")


INPROC = ("--host", "inproc")


@case("rules-are-the-same-in-the-program-as-in-the-supervisor")
def same_on_both_hosts(bench):
    offset = run(bench, "clamp", "beta").events()[0]["module_offset"]
    ways = ("--handler", "--times", "6", "alpha", "beta", "one", "inlined", "child")
    for text in ("clamp function=alpha\nskip function=be*\nignore",
                 "ignore function=alpha\nclamp once function=beta\nskip sample=4 function=shared\nclamp first=2",
                 "clamp function=innermost\nskip file=rules32.c line=30-39\nclamp quiet file=*/rules32.c",
                 "skip function=around\nclamp module=rules32 function=shared\nclamp module=libc* function=alpha\nskip",
                 f"clamp offset={offset}\nskip module=*/rules32 source=x86-*\n", "clamp check=assertion\nskip check=array-bounds",
                 "clamp quiet fatal-after=14\n"):
        rules = ("--rules", rules_file(bench, text))
        ours = bench.run("rules32", *ways, options=(*INPROC, *rules))
        theirs = bench.run("rules32", *ways, options=rules)
        for what in ("status", "out"):
            expect_equal(getattr(ours, what), getattr(theirs, what), f"{what} with {text!r}")
        expect_equal(outcomes(ours), outcomes(theirs), f"outcomes with {text!r}")
        expect_equal(tallies(ours), tallies(theirs), f"tallies with {text!r}")
        mine, other = ours.events("summary")[0], theirs.events("summary")[0]
        for member in ("exceptions", "suppressed", "limited", "handled", "propagated", "terminated"):
            expect_equal(mine[member], other[member], f"{member} with {text!r}")
        expect_equal([e["reason"] for e in ours.events()], [e["reason"] for e in theirs.events()], "reasons")


@case("rules-in-the-program-by-build-id")
def inproc_build_id(bench):
    suggestion = None
    path = os.path.join(bench.scratch, "stripped")
    subprocess.run(["strip", "-o", path, bench.guest("rules32")], check=True)
    for options in (("--on-bound=clamp", "--gen-suppressions=all"), ("--rules", "SUGGESTION", "--error-exitcode=9")):
        report = bench.report_path()
        words = [bench.kebound, "run", *INPROC, *[suggestion if o == "SUGGESTION" else o for o in options],
                 "--report=jsonl", "-o", report, "--", path, "--handler", "alpha"]
        expect_equal(bench.execute(words).status, 0, "status")
        events = [r for r in read_records(report) if r["event"] == "bound-exception"]
        if suggestion is None:
            expect("build-id=" in events[0]["suppression"], f"suppression is {events[0]['suppression']}")
            suggestion = rules_file(bench, events[0]["suppression"])
    expect_equal(events, [], "events that are left")


@case("rules-in-the-program-count-exactly-over-threads-and-processes")
def inproc_counts(bench):
    text = "clamp first=100 function=alpha\nclamp quiet function=beta"
    result = run(bench, text, "--threads", "4", "--times", "500", "alpha", "beta", options=INPROC)
    result.succeeded()
    expect_equal(tallies(result), [(2000, 100, 0), (2000, 0, 2000)], "tallies")
    expect_equal(len(result.events()), 100, "events in the report")
    result = run(bench, "clamp once", "--threads", "4", "--times", "20", "child", options=(*INPROC, "--error-exitcode=9"))
    expect_equal(result.status, 9, "status")
    expect_equal((tallies(result), len(result.events())), ([(80, 1, 0)], 1), "once in eighty processes")


@case("rules-about-callers-need-the-supervisor-and-auto-takes-it")
def inproc_callers(bench):
    path = rules_file(bench, "clamp\nskip caller=main")
    words = [bench.kebound, "run", "--rules", path, "--host", "inproc", "--", bench.guest("rules32"), "alpha"]
    result = bench.execute(words)
    expect_equal((result.status, result.out), (125, ""), "status and output")
    expect(re.fullmatch(rf"kebound: {re.escape(path)}:2: a rule with 'caller' needs the supervisor; use --host [^\n]*\n",
                        result.err), f"it said {result.err!r}")
    result = run(bench, "skip function=shared caller=one\nclamp", "one", "two", options=("--host", "auto"))
    expect_equal(result.out, "one 12\ntwo 9\nEXIT-SUCCESS\n", "output with --host auto")
    result = run(bench, "clamp", "alpha", options=("--host", "auto"))
    expect("stack" not in result.events()[0], "auto did not take the host in the program")


@case("rules-in-the-program-say-when-code-came-too-late-for-names")
def inproc_late(bench):
    text = "clamp function=alpha\nclamp quiet module=rules32"
    report = bench.report_path()
    words = [bench.kebound, "run", *INPROC, "--rules", rules_file(bench, text), "--report=jsonl", "-o", report, "--",
             "/bin/sh", "-c", bench.guest("rules32") + " alpha beta"]
    expect_equal(bench.execute(words).status, 0, "status")
    records = read_records(report)
    expect_equal([r["rule"] for r in records if r["event"] == "verifier"], ["rules-unresolved"], "verifier")
    expect_equal([r["matched"] for r in records[-1]["rules"]], [0, 2], "matched")


@case("rules-about-compilers-traps-in-64-bit-programs")
def compiler_traps(bench):
    text = "ignore source=clang-trap check=array-bounds function=first\nclamp quiet function=second file=traps64.c\n"
    for host in ("supervisor", "inproc"):
        options = ("--host", host, "--error-exitcode", "9")
        result = run(bench, text, "--handler", "first", "second", guest="traps64", options=options)
        expect_equal((result.status, result.out), (9, "passed 3\nEXIT-SUCCESS\n"), f"status and output, {host}")
        # No check leads to the trap, so that nothing can be clamped: said, however quiet the rule.
        expect_equal(outcomes(result), [("second", "propagated", 2)], f"outcomes, {host}")
        expect_equal(tallies(result), [(1, 0, 1), (1, 1, 0)], f"tallies, {host}")
        expect("clamp refused: no branch" in str(result.records), f"no refusal is told, {host}")
        result = run(bench, text, "--handler", "first", guest="traps64", options=options)
        result.succeeded()
        result = run(bench, "terminate source=clang-trap", "--handler", "first", guest="traps64", options=options)
        expect_equal(outcomes(result), [("first", "terminated", 1)], f"terminate, {host}")
