# SPDX-License-Identifier: Apache-2.0
"""Headless Chromium for the tests of the HTML report, and what is on its screenshots."""

import os
import shutil
import struct
import subprocess
import tempfile
import zlib

CHROMIUM = shutil.which("chromium")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--window-size=1000,1200",
         # Whatever the page asks of a network fails.
         "--host-resolver-rules=MAP * ~NOTFOUND"]


def run(path, *flags, timeout=90):
    """What Chromium prints for the page at `path`."""
    with tempfile.TemporaryDirectory(prefix="kebound-chromium-") as profile:
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", *flags, "file://" + os.path.abspath(path)]
        result = subprocess.run(command, capture_output=True, timeout=timeout, check=True)
    return result.stdout.decode("utf-8", "replace")


def dump_dom(path):
    """The page as it is after its script ran."""
    return run(path, "--dump-dom", "--virtual-time-budget=3000")


def screenshot(path, image, *flags):
    run(path, f"--screenshot={image}", *flags)
    return read_png(image)


def read_png(path):
    """(width, height, rows): each row a list of (r, g, b). Eight bits per channel, not interlaced."""
    with open(path, "rb") as stream:
        data = stream.read()
    assert data.startswith(b"\x89PNG\r\n\x1a\n"), "no PNG"
    at, packed, header = 8, b"", None
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        at += 12 + length
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
    width, height, depth, colour, _, _, interlaced = header
    assert (depth, interlaced) == (8, 0) and colour in (2, 6), header
    channels = 3 if colour == 2 else 4
    raw, stride = zlib.decompress(packed), width * channels
    before, rows = bytes(stride), []
    for y in range(height):
        kind = raw[y * (stride + 1)]
        line = bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride):
            left = line[x - channels] if x >= channels else 0
            up, corner = before[x], before[x - channels] if x >= channels else 0
            if kind == 1:
                line[x] = line[x] + left & 255
            elif kind == 2:
                line[x] = line[x] + up & 255
            elif kind == 3:
                line[x] = line[x] + (left + up) // 2 & 255
            elif kind == 4:
                guess = left + up - corner
                best = min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))
                line[x] = line[x] + best[2] & 255
        before = bytes(line)
        rows.append([tuple(before[i:i + 3]) for i in range(0, stride, channels)])
    return width, height, rows
