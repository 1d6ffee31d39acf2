# SPDX-License-Identifier: Apache-2.0
"""Who outlives whom: kebound killed, programs attached to, and what is left behind."""
from guest_lib import *


def start(bench, words, **keywords):
    bench.commands.append(" ".join(words))
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, **keywords)


def pid_line(process):
    line = process.stdout.readline()
    expect(line.startswith("pid "), f"the guest's first line is {line!r}")
    return int(line.split()[1])


def traced_by(pid):
    with open(f"/proc/{pid}/status", encoding="utf-8") as text:
        for line in text:
            if line.startswith("TracerPid:"):
                return int(line.split()[1])
    return 0


@case("kebound-killed-takes-its-program-along")
def exitkill(bench):
    with start(bench, bench.command("signals32", "sleep")) as kebound:
        target = pid_line(kebound)
        expect(alive(target), "the target runs")
        kebound.kill()
        kebound.wait()
    eventually(lambda: not alive(target), "the target's end")


@case("kebound-killed-in-the-middle-of-exceptions-leaves-nothing")
def exitkill_busy(bench):
    for _ in range(5):
        words = [bench.kebound, "run", "--report", "none", "--on-bound", "skip", "--", "/bin/sh", "-c",
                 f"echo pid $$; {bench.guest('bound32')} --times 100000000 > /dev/null & "
                 f"{bench.guest('threads32')} 4 1000000 > /dev/null; wait"]
        with start(bench, words, start_new_session=True) as kebound:
            pid_line(kebound)
            session = kebound.pid
            eventually(lambda: len(session_of(session)) >= 3, "all programs run")
            time.sleep(0.05)
            kebound.kill()
            kebound.wait()
        eventually(lambda: not session_of(session), "the end of all programs")


def session_of(session):
    """Live processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as stat:
                words = stat.read().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[3]) == session and words[0] not in "ZX":
            found.append(int(entry))
    return found


@case("terminated-kebound-ends-its-program")
def sigterm(bench):
    with start(bench, bench.command("signals32", "sleep")) as kebound:
        target = pid_line(kebound)
        kebound.terminate()
        expect_equal(kebound.wait(20), -signal.SIGTERM, "status")
    expect(not alive(target), "the target lives on")


def attach_words(bench, pid, *options, report=None):
    return [bench.kebound, "attach", *options, *(("--report", "jsonl", "-o", report) if report else
                                                 ("--report", "none")), str(pid)]


@case("attach-handles-and-detaches")
def attach(bench):
    report = bench.report_path()
    with start(bench, [bench.guest("steady32")]) as guest:
        target = pid_line(guest)
        with start(bench, attach_words(bench, target, "--on-bound", "clamp", report=report)) as kebound:
            eventually(lambda: traced_by(target) == kebound.pid, "the tracer is there")
            guest.send_signal(signal.SIGUSR1)  # go: four threads, bound exceptions
            expect_equal(guest.stdout.readline(), "repaired 400\n", "what the guest says")
            kebound.terminate()
            expect_equal(kebound.wait(20), 0, "status of kebound attach")
        expect(alive(target) and traced_by(target) == 0, "the target is not free")
        expect(state(target) not in "tT", "the target is left stopped")
        events = [r for r in read_records(report) if r["event"] == "bound-exception"]
        expect_equal([e["disposition"] for e in events], ["handled"] * 400, "dispositions")
        expect_equal(len({e["tid"] for e in events}), 4, "threads")
        guest.send_signal(signal.SIGUSR2)  # end
        expect_equal(guest.stdout.readline(), "EXIT-SUCCESS\n", "the guest's end")
        expect_equal(guest.wait(20), 0, "status of the guest")


@case("attach-killed-lets-the-program-live")
def attach_killed(bench):
    with start(bench, [bench.guest("steady32")]) as guest:
        target = pid_line(guest)
        with start(bench, attach_words(bench, target, "--on-bound", "clamp")) as kebound:
            eventually(lambda: traced_by(target) == kebound.pid, "the tracer is there")
            guest.send_signal(signal.SIGUSR1)
            expect_equal(guest.stdout.readline(), "repaired 400\n", "what the guest says")
            kebound.kill()
            kebound.wait()
        eventually(lambda: traced_by(target) == 0, "the tracer is gone")
        guest.send_signal(signal.SIGUSR2)
        expect_equal(guest.stdout.readline(), "EXIT-SUCCESS\n", "the guest's end")
        expect_equal(guest.wait(20), 0, "status of the guest")


@case("attach-sees-the-exit-status")
def attach_exit(bench):
    with start(bench, [bench.guest("steady32")]) as guest:
        target = pid_line(guest)
        with start(bench, attach_words(bench, target, "--on-bound", "clamp")) as kebound:
            eventually(lambda: traced_by(target) == kebound.pid, "the tracer is there")
            guest.send_signal(signal.SIGUSR2)
            expect_equal(guest.wait(20), 0, "status of the guest")
            expect_equal(kebound.wait(20), 0, "status of kebound attach")


@case("attach-to-a-stopped-program-keeps-it-stopped")
def attach_stopped(bench):
    with start(bench, [bench.guest("steady32")]) as guest:
        target = pid_line(guest)
        guest.send_signal(signal.SIGSTOP)
        eventually(lambda: state(target) == "T", "the program stops")
        with start(bench, attach_words(bench, target, "--on-bound", "clamp")) as kebound:
            eventually(lambda: traced_by(target) == kebound.pid, "the tracer is there")
            time.sleep(0.1)
            expect(state(target) in "tT", "attaching made the program run")
            kebound.terminate()
            kebound.wait(20)
        expect(state(target) == "T", "detaching made the program run")
        guest.send_signal(signal.SIGCONT)
        guest.send_signal(signal.SIGUSR2)
        expect_equal(guest.stdout.readline(), "EXIT-SUCCESS\n", "the guest's end")
        expect_equal(guest.wait(20), 0, "status of the guest")
