# SPDX-License-Identifier: Apache-2.0
"""Signals, stops and ends that are none of kebound's business come out as without it."""
import errno
import pty
import select

from guest_lib import *


def both_widths(bench, *arguments):
    for program in ("signals32", "signals64"):
        bench.same_as_natively(program, *arguments)


@case("signals-group-stop-of-a-child")
def stop_child(bench):
    both_widths(bench, "stop-child")


@case("signals-terminal-stop-of-a-child")
def tstp_child(bench):
    both_widths(bench, "tstp-child")


@case("signals-group-stop-holds-all-threads")
def stop_threads(bench):
    both_widths(bench, "stop-threads")


@case("signals-timers")
def timers(bench):
    both_widths(bench, "timers")


@case("signals-alternate-stack")
def altstack(bench):
    both_widths(bench, "altstack")


@case("signals-nested-handlers")
def nested(bench):
    both_widths(bench, "nested")


@case("signals-of-children")
def chld(bench):
    both_widths(bench, "chld")


@case("signals-blocked-and-pending")
def mask(bench):
    both_widths(bench, "mask")


@case("signals-queued-with-values")
def sigqueue(bench):
    both_widths(bench, "sigqueue")


@case("signals-interrupt-and-restart-system-calls")
def interrupted(bench):
    both_widths(bench, "interrupted")


@case("exec-of-a-missing-file-returns-to-the-program")
def exec_missing(bench):
    both_widths(bench, "exec-missing")


@case("every-exit-status-is-reproduced")
def exit_statuses(bench):
    for status in range(256):
        run = bench.execute(bench.command("signals32", "exit", str(status)))
        expect_equal(run.status, status, "status")
    expect_equal(bench.execute(bench.command("signals64", "exit-from-thread", "77")).status, 77, "status")


@case("every-fatal-signal-is-reproduced")
def fatal_signals(bench):
    for number in range(1, 65):
        if number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, 32, 33):
            continue
        bench.same_as_natively("signals32", "die", str(number))
    for number in (signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV, signal.SIGTRAP, signal.SIGTERM):
        bench.same_as_natively("signals64", "die-in-thread", str(int(number)))


class Terminal:
    """A program on a terminal of its own, as its foreground job."""

    def __init__(self, words):
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            os.execv(words[0], words)
        self.seen = b""

    def until(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            expect(ready, f"{text!r} did not appear within {seconds} s, only {self.seen!r}")
            try:
                self.seen += os.read(self.master, 4096)
            except OSError as error:
                if error.errno != errno.EIO:
                    raise
                raise Failure(f"the terminal was closed before {text!r}: {self.seen!r}") from None

    def end(self):
        _, status = os.waitpid(self.pid, 0)
        os.close(self.master)
        return status


@case("terminal-interrupt-ends-the-program")
def terminal_interrupt(bench):
    words = bench.command("signals32", "sleep")
    bench.commands.append(" ".join(words))
    terminal = Terminal(words)
    terminal.until(b"pid ")
    os.write(terminal.master, b"\x03")
    status = terminal.end()
    expect(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGINT, f"ended with {status:#x}")


@case("terminal-quit-ends-the-program")
def terminal_quit(bench):
    words = bench.command("signals32", "sleep")
    bench.commands.append(" ".join(words))
    terminal = Terminal(words)
    terminal.until(b"pid ")
    os.write(terminal.master, b"\x1c")
    status = terminal.end()
    expect(os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGQUIT, f"ended with {status:#x}")


@case("terminal-stop-and-continue")
def terminal_stop(bench):
    stop_and_continue(bench, ())


def stop_and_continue(bench, options):
    # The session leader's group is orphaned: the kernel then drops SIGTSTP. A shell in between makes a job of it.
    words = ["/bin/bash", "--norc", "-i"]
    bench.commands.append(" ".join(bench.command("signals32", "wait-for-stop", options=options)))
    terminal = Terminal(words)
    line = bench.commands[-1] + "; echo ended:$?:\n"
    os.write(terminal.master, line.encode())
    terminal.until(b"waiting\r\n")
    time.sleep(0.1)
    os.write(terminal.master, b"\x1a")
    terminal.until(b"Stopped")
    os.write(terminal.master, b"fg\n")
    terminal.until(b"continued\r\n")
    terminal.until(b"EXIT-SUCCESS")
    os.write(terminal.master, b"exit\n")
    terminal.end()


@case("stopped-program-is-stopped-from-outside-and-continued")
def stop_from_outside(bench):
    words = bench.command("signals32", "wait-for-stop")
    bench.commands.append(" ".join(words))
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as kebound:
        expect_equal(kebound.stdout.readline(), "waiting\n", "first line")
        target = child_of(kebound.pid)
        os.kill(target, signal.SIGSTOP)
        eventually(lambda: state(target) in "tT", "the target stops")
        time.sleep(0.05)
        expect(kebound.poll() is None and state(target) in "tT", "the stop does not hold")
        os.kill(target, signal.SIGCONT)
        expect_equal(kebound.stdout.read(), "continued\nEXIT-SUCCESS\n", "output behind the stop")
        expect_equal(kebound.wait(20), 0, "status")


def child_of(pid):
    children = []

    def look():
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as text:
            children[:] = [int(word) for word in text.read().split()]
        return children
    eventually(look, "a child of kebound")
    return children[0]
