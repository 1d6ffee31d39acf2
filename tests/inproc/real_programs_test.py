#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""real_programs_test.py BUILD: programs that live on their own SIGSEGV handlers do the same under the preload library. Those
that are not installed are skipped."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = sys.argv.pop(1)
LIBRARY = BUILD + "/lib/preload/$LIB/libkebound-preload.so"

# The JVM makes NullPointerException and StackOverflowError of SIGSEGV, and stops threads by protected pages.
JAVA = """
public class Faults {
  static class Node { int value; }
  static int read(Node node) { return node.value; }
  static int deep(int n) { return deep(n + 1) + 1; }
  public static void main(String[] arguments) throws Exception {
    Node[] nodes = new Node[1000];
    for (int i = 0; i < 1000; i++) if (i % 97 != 0) nodes[i] = new Node();
    int nulls = 0, overflows = 0;
    for (int round = 0; round < 1000; round++) for (Node node : nodes)
      try { nulls += read(node); } catch (NullPointerException e) { nulls++; }
    for (int i = 0; i < 10; i++) try { deep(0); } catch (StackOverflowError e) { overflows++; }
    int[] counts = new int[4];
    Thread[] threads = new Thread[4];
    for (int t = 0; t < 4; t++) {
      int own = t;
      threads[t] = new Thread(() -> {
        for (int i = 0; i < 50000; i++)
          try { counts[own] += read(i % 1000 == 0 ? null : new Node()); } catch (NullPointerException e) { counts[own]++; }
        System.gc();
      });
      threads[t].start();
    }
    for (Thread thread : threads) thread.join();
    System.out.println(nulls + " " + overflows + " " + counts[0] + " " + counts[1] + " " + counts[2] + " " + counts[3]);
  }
}
"""

# V8 makes WebAssembly's out-of-bounds errors of SIGSEGV.
JAVASCRIPT = """
const code = new Uint8Array([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,5,3,1,0,1,7,5,1,1,102,0,0,10,9,1,7,0,32,0,40,2,0,11]);
const instance = new WebAssembly.Instance(new WebAssembly.Module(code));
let traps = 0;
for (let i = 0; i < 1000; ++i) try { instance.exports.f(0x7fffffff); } catch (error) { traps++; }
console.log(traps, instance.exports.f(4));
"""

PYTHON = "import ctypes; ctypes.string_at(0)"


def run(preload, *words):
    environment = {**os.environ, "KEBOUND_OPTIONS": "--on-bound clamp"}
    if preload:
        environment["LD_PRELOAD"] = LIBRARY
    done = subprocess.run(words, env=environment, text=True, capture_output=True, timeout=120, check=False)
    return done.returncode, re.sub(r"0x[0-9a-f]+", "0x", done.stdout), re.sub(r"0x[0-9a-f]+", "0x", done.stderr)


class RealPrograms(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()

    def tearDown(self):
        self.folder.cleanup()

    def same(self, program, *words, expect):
        if shutil.which(program) is None:
            self.skipTest(f"{program} is not installed")
        with_us, without = run(True, program, *words), run(False, program, *words)
        self.assertEqual(with_us, without)
        self.assertIn(expect, with_us[1] + with_us[2])

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def test_java(self):
        self.same("java", self.write("Faults.java", JAVA), expect="11000 10 50 50 50 50")

    def test_node(self):
        self.same("node", self.write("faults.js", JAVASCRIPT), expect="1000 0")

    def test_gawk(self):  # with libsigsegv
        self.same("gawk", "BEGIN { for (i = 0; i < 100000; i++) s += i; print s }", expect="4999950000")

    def test_clisp(self):  # libsigsegv finds its stack overflows, on an alternate stack
        path = self.write("deep.lisp", "(defun f (n) (+ 1 (f (1+ n)))) (f 0)\n")
        self.same("clisp", "-q", "-norc", path, expect="Lisp stack overflow")

    def test_pythons_crash_handler(self):
        self.same("/usr/bin/python3", "-X", "faulthandler", "-c", PYTHON, expect="Segmentation fault")


if __name__ == "__main__":
    unittest.main()
