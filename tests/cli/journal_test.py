#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""--report journal: through the real libsystemd into a socket where journald's would be, in a mount namespace of its own.
Status 77: no such namespace is to be had here, or no libsystemd."""

import ctypes
import os
import socket
import subprocess
import sys

import harness

SOCKET = "/run/systemd/journal/socket"


def fields_of(datagram):
    """The native protocol: NAME=value, or NAME, a length and a value with line ends in it."""
    fields, at = {}, 0
    while at < len(datagram):
        end = datagram.index(b"\n", at)
        name, equals, value = datagram[at:end].partition(b"=")
        at = end + 1
        if not equals:
            length = int.from_bytes(datagram[at:at + 8], "little")
            value = datagram[at + 8:at + 8 + length]
            at += 8 + length + 1
        fields[name.decode()] = value
    return fields


def entries(*words):
    """(exit status, the entries) of a run."""
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    os.makedirs(os.path.dirname(SOCKET), exist_ok=True)
    receiver.bind(SOCKET)
    receiver.settimeout(0.2)
    process = subprocess.Popen([harness.KEBOUND, "run", "--report=journal", *words], stdout=subprocess.DEVNULL)
    received = []
    while True:
        is_over = process.poll() is not None
        try:
            received.append(fields_of(receiver.recv(1 << 20)))
        except socket.timeout:
            if is_over:
                break
    receiver.close()
    os.unlink(SOCKET)
    return process.returncode, received


def check():
    status, received = entries("--on-bound=clamp", harness.PICK, "12", "13", "12")
    assert status == 0, status
    kinds = [entry["KEBOUND_EVENT"].decode() for entry in received]
    assert kinds == ["bound-exception", "site", "summary"], kinds
    first = received[0]
    for name, value in (("CODE_FUNC", b"pick"), ("KEBOUND_INDEX", b"12"), ("KEBOUND_UPPER", b"9"), ("PRIORITY", b"4"),
                        ("KEBOUND_DISPOSITION", b"handled"), ("SYSLOG_IDENTIFIER", b"kebound"),
                        ("KEBOUND_RULE", b"x86-bound/array-bounds")):
        assert first.get(name) == value, (name, first)
    assert first["CODE_FILE"].endswith(b"pick.c") and int(first["CODE_LINE"]) > 1, first
    assert first["MESSAGE"].startswith(b"bound exception: index 12 outside [0, 9] in pick() at pick.c:"), first
    assert received[1]["KEBOUND_COUNT"] == b"3", received[1]
    assert received[2]["KEBOUND_HANDLED"] == b"3", received[2]
    # Without a journal nothing is started.
    result = subprocess.run([harness.KEBOUND, "run", "--report=journal", harness.PICK, "12"], capture_output=True, text=True)
    assert result.returncode == 125 and result.stdout == "", result
    assert "no journal runs here" in result.stderr and harness.MESSAGE_WITH_REMEDY.fullmatch(result.stderr), result
    print("entries arrive")


def main():
    arguments = sys.argv[1:]
    harness.parse_arguments()
    if os.environ.get("KEBOUND_IN_NAMESPACE") == "1":
        check()
        return 0
    try:
        ctypes.CDLL("libsystemd.so.0")
    except OSError:
        print("no libsystemd")
        return 77
    flags = "-m" if os.geteuid() == 0 else "-rm"
    probe = ["unshare", flags, "sh", "-c", "mount -t tmpfs tmpfs /run"]
    if subprocess.run(probe, capture_output=True).returncode != 0:
        print("no mount namespace is to be had")
        return 77
    script = 'mount -t tmpfs tmpfs /run && exec "$@"'
    return subprocess.run(["unshare", flags, "sh", "-c", script, "sh", sys.executable, "-B", __file__, *arguments],
                          env={**os.environ, "KEBOUND_IN_NAMESPACE": "1"}).returncode


sys.exit(main())
