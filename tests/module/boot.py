#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""boot.py: boots Debian's kernel in QEMU with an initramfs of our own, and keeps what the tests in it said.

The machine is emulated: neither KVM nor root is needed. The log is judged by guest_log.py, once for each test.
"""
import argparse
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time


def libraries_of(files, programs):
    """What these programs of `files` load, at the places where they look for it."""
    found = {}
    for name, path in files:
        if name not in programs:
            continue
        listed = subprocess.run(["ldd", path], check=True, stdout=subprocess.PIPE, text=True).stdout
        for library in re.findall(r"(/\S+) \(0x", listed):
            found[library.lstrip("/")] = os.path.realpath(library)
    return sorted(found.items())


def write_initramfs(path, busybox, files, libraries):
    """files: (name in the guest, path here)."""
    with tempfile.TemporaryDirectory(prefix="kebound-initramfs-") as root:
        for folder in ("bin", "dev", "proc", "sys", "tmp", "modules", "tests"):
            os.makedirs(os.path.join(root, folder))
        shutil.copy(busybox, os.path.join(root, "bin/busybox"))
        for name, source in files + libraries_of(files, libraries):
            target = os.path.join(root, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy(source, target)
            os.chmod(target, 0o755)
        names = []
        for folder, subfolders, entries in os.walk(root):
            for name in subfolders + entries:
                names.append(os.path.relpath(os.path.join(folder, name), root))
        archive = subprocess.run(["cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0"], cwd=root, check=True,
                                 input="\n".join(sorted(names)).encode(), stdout=subprocess.PIPE).stdout
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(archive)


def boot(kernel, initramfs, log, timeout, append, smp, icount):
    words = ["qemu-system-x86_64", "-cpu", "max", "-m", "512", "-nodefaults", "-nographic", "-no-reboot",
             "-serial", "stdio", "-kernel", kernel, "-initrd", initramfs,
             "-append", "console=ttyS0 panic=-1 oops=panic quiet " + append]
    words += ["-accel", "tcg", "-icount", "shift=0,sleep=off", "-smp", "1"] if icount else \
             ["-accel", "tcg,thread=multi", "-smp", str(smp)]
    began = time.monotonic()
    with open(log, "wb") as out:
        try:
            status = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                    timeout=timeout, check=False).returncode
        except subprocess.TimeoutExpired:
            status = None
    return status, time.monotonic() - began


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    kernels = parser.add_mutually_exclusive_group(required=True)
    kernels.add_argument("--kernel", help="an image")
    kernels.add_argument("--kernel-of", help="build directory of a kernel; for the headers of a Debian kernel its image is fetched")
    parser.add_argument("--log", required=True)
    parser.add_argument("--busybox", default="/bin/busybox")
    parser.add_argument("--init", required=True)
    parser.add_argument("--timeout", type=int, default=380)
    parser.add_argument("--append", default="")
    parser.add_argument("--smp", type=int, default=2)
    parser.add_argument("--icount", action="store_true", help="count instructions; one processor")
    parser.add_argument("--with-libraries", action="append", default=[], metavar="NAME=PATH",
                        help="a file that is dynamically linked")
    parser.add_argument("files", nargs="*", metavar="NAME=PATH", help="what else goes into the initramfs")
    arguments = parser.parse_args()
    built = os.path.join(arguments.kernel_of or "", "arch/x86/boot/bzImage")
    if arguments.kernel_of and os.path.exists(built):
        arguments.kernel = built
    elif arguments.kernel_of:
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../scripts/test-kernel.sh")
        cache = os.path.join(os.path.dirname(os.path.abspath(arguments.log)), "kernel")
        arguments.kernel = subprocess.run([script, arguments.kernel_of, cache], check=True, text=True,
                                          stdout=subprocess.PIPE).stdout.strip()
    words = arguments.files + arguments.with_libraries
    files = [("init", arguments.init)] + [tuple(word.split("=", 1)) for word in words]
    missing = [path for _, path in files + [("", arguments.kernel), ("", arguments.busybox)] if not os.path.exists(path)]
    if missing:
        sys.exit(f"boot.py: not there: {' '.join(missing)}: build the target module-tests first")
    initramfs = arguments.log + ".initramfs"
    write_initramfs(initramfs, arguments.busybox, files, {word.split("=", 1)[0] for word in arguments.with_libraries})
    status, seconds = boot(arguments.kernel, initramfs, arguments.log, arguments.timeout, arguments.append,
                           arguments.smp, arguments.icount)
    with open(arguments.log, encoding="utf-8", errors="replace") as log:
        lines = log.read().splitlines()
    done = any(line.startswith("@done") for line in lines)
    print(f"{'done' if done else 'NOT DONE'} after {seconds:.0f} s, qemu ended with {status}; the log is {arguments.log}")
    if not done:
        print("\n".join(lines[-60:]))
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main())
