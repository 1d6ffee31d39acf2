# SPDX-License-Identifier: Apache-2.0
"""What the command line tests share: where things are, running kebound, and what its messages look like."""

import argparse
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
import unittest

# kebound: what: why; what to do
MESSAGE = re.compile(r"kebound: [^\n]+: [^\n]+\n")
MESSAGE_WITH_REMEDY = re.compile(r"kebound: [^\n]+: [^\n]+; [^\n]+\n")

KEBOUND = ""
PICK = ""
DRIVERS = ""
SOURCE = ""


def parse_arguments():
    """Takes --kebound, --pick, --drivers and --source off sys.argv; unittest gets the rest."""
    global KEBOUND, PICK, DRIVERS, SOURCE
    parser = argparse.ArgumentParser()
    parser.add_argument("--kebound", required=True)
    parser.add_argument("--pick", required=True, help="the example program examples/programs/pick.c")
    parser.add_argument("--drivers", required=True, help="folder of the drivers made for these tests")
    parser.add_argument("--source", required=True, help="folder of the source tree")
    options, rest = parser.parse_known_args()
    KEBOUND, PICK = os.path.abspath(options.kebound), os.path.abspath(options.pick)
    DRIVERS, SOURCE = os.path.abspath(options.drivers), os.path.abspath(options.source)
    sys.argv[1:] = rest
    os.environ.pop("KEBOUND_OPTIONS", None)
    os.environ.pop("NO_COLOR", None)
    return options


class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        temporary = tempfile.TemporaryDirectory(prefix="kebound-cli-")
        self.addCleanup(temporary.cleanup)
        self.directory = temporary.name

    def file(self, name, content=b"", mode=0o755):
        path = os.path.join(self.directory, name)
        with open(path, "wb") as stream:
            stream.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def kebound(self, *words, env=None, timeout=60, **keywords):
        """Runs kebound; the result has returncode (negative: died of that signal), stdout and stderr."""
        command = [KEBOUND, *words]
        environment = {**os.environ, **(env or {})}
        result = subprocess.run(command, env=environment, capture_output=True, text=True,
                                errors="surrogateescape", timeout=timeout, **keywords)
        replay = " ".join([*(f"{k}={shlex.quote(v)}" for k, v in (env or {}).items()),
                           shlex.join(command)])
        result.replay = f"{replay}\n  -> {result.returncode}\nstdout: {result.stdout}\nstderr: {result.stderr}"
        return result

    def refuses(self, status, pattern, *words, **keywords):
        """kebound ends with `status` and exactly one message of the documented form that contains `pattern`."""
        result = self.kebound(*words, **keywords)
        self.assertEqual(result.returncode, status, result.replay)
        self.assertRegex(result.stderr, pattern, result.replay)
        messages = [line for line in result.stderr.splitlines(True) if line.startswith("kebound: ")]
        self.assertEqual(len(messages), 1, result.replay)
        self.assertTrue(MESSAGE_WITH_REMEDY.fullmatch(messages[0]), result.replay)
        return result


def on_a_terminal(words, env=None, rows=24, columns=80, timeout=20):
    """Runs a command with a terminal as its three streams; returns (status, everything it wrote)."""
    import fcntl
    import struct
    import termios
    pid, master = pty.fork()
    if pid == 0:
        os.environ.update(env or {})
        os.execvp(words[0], words)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    output = b""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ready, _, _ = select.select([master], [], [], 0.2)
        if not ready:
            continue
        try:
            piece = os.read(master, 65536)
        except OSError:  # EIO: the last process with the terminal open has ended
            break
        if not piece:
            break
        output += piece
    else:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), output.decode(errors="replace")
