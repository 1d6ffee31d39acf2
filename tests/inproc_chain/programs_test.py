#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""programs_test.py BUILD CLASS: programs of the distribution that live by their own SIGSEGV handlers, with the preload
library in front of these and without. docs/chaining.md tells what each shows. Status 77: the program is not installed."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import unittest

from harness import ChainTest

WORKLOADS = os.path.dirname(os.path.abspath(__file__)) + "/workloads/"
SEGV, ILL = signal.SIGSEGV, signal.SIGILL


class Gawk(ChainTest):
    def test_libsigsegv_reports_the_overflow_of_the_matchers_stack(self):
        done = self.run_both(["gawk", "-f", WORKLOADS + "overflow.awk"])
        self.assertEqual((done.status, done.stdout), (-signal.SIGABRT, "100000\n262144 262144\n"), done.stderr)
        self.assertRegex(done.stderr, "fatal error: internal error: (segfault|stack overflow)")
        self.assert_behind_ours(done, "gawk", SEGV, "libsigsegv.so.2")


class Clisp(ChainTest):
    def test_both_stacks_overflow_and_the_loop_goes_on(self):
        with open(WORKLOADS + "overflow.clisp", encoding="utf-8") as file:
            text = file.read()
        done = self.run_both(["clisp", "-q", "-q", "-norc"], text_in=text)
        self.assertEqual(done.status, 0, done.stderr)
        self.assertIn("Program stack overflow. RESET", done.stdout + done.stderr)
        self.assertIn("Lisp stack overflow. RESET", done.stdout + done.stderr)
        for mark in (":AFTER-INTERPRETED", ":AFTER-COMPILED", ":AFTER-EQUAL", ":COLLECTED", ":AFTER-COLLECTIONS", "488890"):
            self.assertIn(mark, done.stdout)
        self.assert_behind_ours(done, "lisp.run", SEGV, "libsigsegv.so.2")


class Sbcl(ChainTest):
    def test_faults_become_conditions(self):
        done = self.run_both(["sbcl", "--noinform", "--no-sysinit", "--no-userinit", "--disable-debugger",
                              "--load", WORKLOADS + "conditions.sbcl", "--eval", "(exit)"])
        self.assertEqual(done.status, 0, done.stdout + done.stderr)
        self.assertEqual(done.stdout.count(":STACK-EXHAUSTED"), 10)
        for line in ("(:MEMORY-FAULTS 20000)", "(:TYPE-ERRORS 5000)",
                     "(:THREADS " + "(" + " ".join(["(2000 :STACK)"] * 4) + "))"):
            self.assertIn(line, " ".join(done.stdout.split()))
        self.assert_behind_ours(done, "sbcl", SEGV, "sbcl")
        self.assert_behind_ours(done, "sbcl", ILL, "sbcl")


class Ecl(ChainTest):
    def test_a_collector_learns_by_faults_what_was_written(self):
        # Without the kernel's soft-dirty bits, which the collector would rather use.
        done = self.run_both(["ecl", "-norc", "-shell", WORKLOADS + "barrier.ecl"], GC_ENABLE_INCREMENTAL="1",
                             GC_USE_GETWRITEWATCH="0", GC_PRINT_STATS="1", GC_LOG_FILE="collector.log")
        self.assertEqual((done.status, done.stdout.split()), (0, ["1969521419", ":FAULT"]), done.stderr)
        with open(done.folder + "/collector.log", encoding="utf-8", errors="replace") as file:
            dirty = [int(line.split()[2]) for line in file if line.startswith("Marked from") and "dirty pages" in line]
        self.assertGreater(sum(dirty), 1000, "pages found dirty")
        self.assert_behind_ours(done, "ecl", SEGV, "libgc.so.1")
        self.assert_behind_ours(done, "ecl", ILL, "libecl.so.21.2")


class Java(ChainTest):
    """The compiler is a Java program too, and the first of the workloads."""
    COMPILER = "/usr/share/java/eclipse-jdt-core.jar"

    def setUp(self):
        super().setUp()
        done = self.run_once(["java", "-cp", self.COMPILER, "org.eclipse.jdt.internal.compiler.batch.Main", "-17",
                              "-proc:none", "-d", self.folder, WORKLOADS + "Checks.java"], "preload")
        self.assertEqual((done.status, done.stdout, done.stderr), (0, "", ""))
        self.assert_behind_ours(done, "java", SEGV, "libjvm.so")

    def words(self, *options):
        return ["java", *options, "-XX:-OmitStackTraceInFastThrow", "-cp", self.folder, "Checks"]

    def test_nulls_guard_pages_and_safepoints(self):
        for options in ([], ["-Xcheck:jni"], ["-Xint"], ["-XX:+UseZGC"], ["-XX:+AllowUserSignalHandlers"]):
            with self.subTest(options=options):
                done = self.run_both(self.words(*options))
                self.assertEqual(done.stdout, "null references 20000\nstack overflows 10\nthe loop ended\nin threads 80012\n")
                self.assertEqual((done.status, done.stderr), (0, ""))
                self.assert_behind_ours(done, "java", SEGV, "libjvm.so")
                self.assert_behind_ours(done, "java", ILL, "libjvm.so")

    def test_a_crash_is_reported_by_the_virtual_machine_with_the_true_address(self):
        done = self.run_both(self.words("-XX:ErrorFile=crash.log") + ["crash"])
        self.assertEqual(done.status, -signal.SIGABRT, done.stderr)
        with open(done.folder + "/crash.log", encoding="utf-8", errors="replace") as file:
            log = file.read()
        self.assertRegex(log, r"siginfo: si_signo: 11 \(SIGSEGV\), si_code: 1 \(SEGV_MAPERR\), si_addr: 0x0*10\b")
        self.assertRegex(log, r"SIGSEGV: \w+ in libjvm.so, mask=")
        self.assertIn("libkebound-preload.so", log)


class Go(ChainTest):
    def go_build(self, cgo):
        program = self.folder + "/nil"
        environment = {**os.environ, "CGO_ENABLED": cgo, "GO111MODULE": "off", "GOCACHE": self.folder + "/cache",
                       "GOPATH": self.folder + "/path", "GOFLAGS": "", "HOME": self.folder}
        sources = [WORKLOADS + name for name in ("nil.go", "witness_cgo.go" if cgo == "1" else "witness_none.go")]
        subprocess.run(["go", "build", "-o", program, *sources], env=environment, check=True, timeout=110)
        return program

    def check(self, program, owner):
        done = self.run_both([program])
        self.assertEqual((done.status, done.stdout), (0, str([3000] * 8).replace(",", "") + "\nchild\n<nil>\n"), done.stderr)
        self.assert_behind_ours(done, "echo", SEGV, "default")  # its child, in any case
        if owner is not None:
            self.assert_behind_ours(done, os.path.basename(program), SEGV, owner)
            self.assert_behind_ours(done, os.path.basename(program), ILL, owner)
        done = self.run_both([program, "die"])
        self.assertEqual(done.status, 2)
        self.assertIn("[signal SIGSEGV: segmentation violation code=0x1", done.stderr)

    def test_with_cgo_the_runtime_installs_its_handlers_by_the_c_library(self):
        self.check(self.go_build("1"), "nil")

    def test_without_cgo_the_program_is_static_and_preload_is_not_for_it(self):
        self.check(self.go_build("0"), None)


class GccGo(ChainTest):
    def test_nil_dereferences(self):
        program = self.folder + "/nil"
        words = [compiler(), "-O1", "-o", program, WORKLOADS + "nil.go", WORKLOADS + "witness_none.go"]
        subprocess.run(words, check=True, timeout=110)
        Go.check(self, program, "libgo.so.21")


class Python(ChainTest):
    def test_faulthandler_tells_and_the_program_dies_of_the_signal(self):
        for case in ("null", "overflow"):
            with self.subTest(case=case):
                done = self.run_both(["/usr/bin/python3", "-X", "faulthandler", WORKLOADS + "faults.py", case])
                self.assertEqual((done.status, done.stdout), (-signal.SIGSEGV, "before\n"), done.stderr)
                self.assertIn("Fatal Python error: Segmentation fault", done.stderr)
                self.assertRegex(done.stderr, r'File "\S*/faults.py", line \d+ in <module>')
                self.assert_behind_ours(done, "python3", SEGV, "python3")
                self.assert_behind_ours(done, "python3", ILL, "python3")


class Shells(ChainTest):
    def test_traps_of_sent_signals(self):
        for shell in ("bash", "zsh", "dash"):
            with self.subTest(shell=shell):
                text = ("trap 'echo caught' SEGV; kill -SEGV $$; kill -SEGV $$; trap 'echo illegal' ILL; kill -ILL $$; "
                        "sh -c 'kill -SEGV $$'; echo $?; trap - SEGV; echo last; kill -SEGV $$; echo not reached")
                done = self.run_both([shell, "-c", text])
                self.assertEqual((done.status, done.stdout),
                                 (-signal.SIGSEGV, "caught\ncaught\nillegal\n139\nlast\n"), done.stderr)

    def test_perl_handlers_of_sent_signals_and_of_faults(self):
        text = ("use POSIX; $n = 0; $SIG{SEGV} = sub { ++$n; }; kill 'SEGV', $$ for 1..5; print \"$n\\n\";"
                "POSIX::sigaction(SIGSEGV, POSIX::SigAction->new(sub { print \"unsafe\\n\"; POSIX::_exit(7) }));"
                "$| = 1; unpack('P', pack('Q', 16)); print \"not reached\\n\"")
        done = self.run_both(["perl", "-e", text])
        self.assertEqual((done.status, done.stdout), (7, "5\nunsafe\n"), done.stderr)
        text = "$SIG{SEGV} = sub {}; kill 'SEGV', $$; print \"x\\n\""
        done = self.run_both(["perl", "-e", text])
        self.assertEqual((done.status, done.stdout), (0, "x\n"), done.stderr)


def compiler():
    """gccgo under the name that its package gives it."""
    found = sorted(glob.glob("/usr/bin/gccgo-[0-9]*"))
    return found[-1] if found else None


OPTIONAL = {"Go": lambda: shutil.which("go"), "GccGo": compiler}

if __name__ == "__main__":
    ChainTest.build, name = sys.argv[1], sys.argv[2]
    if name in OPTIONAL and OPTIONAL[name]() is None:
        print(f"{name}: not installed; nothing was tested")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], name])
