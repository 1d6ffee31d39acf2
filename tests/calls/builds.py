# SPDX-License-Identifier: Apache-2.0
"""The test programs as compilers make them: built once, into the build tree."""
import dataclasses
import os
import subprocess

SOURCES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "programs")


@dataclasses.dataclass(frozen=True)
class Build:
    name: str
    compiler: str
    flags: tuple
    bits: int = 64
    # The functions that report are in libraries of their own, so that a preloaded one stands in front.
    shared: bool = True
    aborts: bool = False  # the first failed check ends the program
    silent: bool = False  # the runtime library is not told index and limit


INDICES = [
    Build("gcc", "gcc", ("-O1", "-fsanitize=bounds")),
    Build("gcc-O0", "gcc", ("-O0", "-fsanitize=bounds")),
    Build("gcc-32", "gcc", ("-O1", "-fsanitize=bounds"), bits=32),
    Build("gcc-abort", "gcc", ("-O2", "-fsanitize=bounds", "-fno-sanitize-recover=all"), aborts=True),
    Build("gcc-no-plt", "gcc", ("-O2", "-fsanitize=bounds", "-fno-plt")),
    Build("clang14", "clang-14", ("-O1", "-fsanitize=bounds"), shared=False),
    Build("clang19", "clang-19", ("-O1", "-fsanitize=bounds"), shared=False),
    Build("clang19-32", "clang-19", ("-O1", "-fsanitize=bounds"), bits=32, shared=False),
    Build("clang19-shared", "clang-19", ("-O2", "-fsanitize=bounds", "-shared-libsan", "RUNTIME")),
    Build("clang19-abort", "clang-19", ("-O1", "-fsanitize=bounds", "-fno-sanitize-recover=all"), shared=False,
          aborts=True),
    Build("clang19-minimal", "clang-19", ("-O1", "-fsanitize=bounds", "-fsanitize-minimal-runtime"), shared=False,
          silent=True),
]
FORTIFY = ("-O2", "-D_GNU_SOURCE", "-D_FORTIFY_SOURCE=2", "-Wno-stringop-overflow", "-Wno-unused-result")
SIZES = [
    Build("gcc", "gcc", FORTIFY, aborts=True),
    Build("gcc-32", "gcc", FORTIFY, bits=32, aborts=True),
    Build("gcc-3", "gcc", FORTIFY[:2] + ("-D_FORTIFY_SOURCE=3",) + FORTIFY[3:], aborts=True),
    Build("gcc-no-plt", "gcc", FORTIFY + ("-fno-plt", "-Wl,-z,now"), aborts=True),
    Build("gcc-static", "gcc", FORTIFY + ("-static",), shared=False, aborts=True),
    Build("gcc-static-32", "gcc", FORTIFY + ("-static",), bits=32, shared=False, aborts=True),
    Build("clang19", "clang-19", FORTIFY[:3], aborts=True),
]
CONTAINERS = [
    Build("gcc", "g++", ("-O1", "-D_GLIBCXX_ASSERTIONS"), aborts=True, silent=True),
    Build("gcc-32", "g++", ("-O0", "-D_GLIBCXX_ASSERTIONS"), bits=32, aborts=True, silent=True),
    Build("gcc-static", "g++", ("-O2", "-D_GLIBCXX_ASSERTIONS", "-static-libstdc++"), shared=False, aborts=True,
          silent=True),
    Build("libc++", "clang++-19", ("-O1", "-stdlib=libc++", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_DEBUG"),
          aborts=True, silent=True),
]
# The same mistakes where the library traps: what was wrong is in the debug information only.
FAST = ("-stdlib=libc++", "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST")
TRAPPING_CONTAINERS = [
    Build(f"libc++-trap{level}", "clang++-19", (level, *FAST), aborts=True) for level in ("-O0", "-O1", "-O2")
]
MERGED_FLAGS = ("-O2", "-fsanitize=bounds", "-fsanitize-undefined-trap-on-error")
MERGED = [Build(f"gcc-merged-{bits}", "gcc-12", MERGED_FLAGS, bits=bits, aborts=True) for bits in (64, 32)]
UNTOLD = Build("libc++-untold", "clang++-19", ("-O0", *FAST, "-g0"), aborts=True)
SMASH = [
    Build("gcc", "gcc", ("-O1", "-fstack-protector-all"), aborts=True, silent=True),
    Build("gcc-32", "gcc", ("-O1", "-fstack-protector-all"), bits=32, aborts=True, silent=True),
    Build("gcc-32-no-pie", "gcc", ("-O1", "-fstack-protector-all", "-no-pie", "-fno-pie"), bits=32, aborts=True,
          silent=True),
    Build("clang19", "clang-19", ("-O2", "-fstack-protector-all"), aborts=True, silent=True),
    Build("gcc-static", "gcc", ("-O1", "-fstack-protector-all", "-static"), shared=False, aborts=True, silent=True),
]
LIVES = [
    Build("gcc", "gcc", ("-O1", "-fsanitize=bounds", "-pthread")),
    Build("gcc-32", "gcc", ("-O1", "-fsanitize=bounds", "-pthread"), bits=32),
    Build("clang19", "clang-19", ("-O1", "-fsanitize=bounds", "-pthread"), shared=False),
]


def runtime_flags(compiler):
    """A shared sanitizer runtime is beside the compiler."""
    folder = os.path.dirname(subprocess.run([compiler, "-print-file-name=libclang_rt.ubsan_standalone-x86_64.so"],
                                            text=True, capture_output=True, check=True).stdout.strip())
    if not os.path.isabs(folder):
        base = subprocess.run([compiler, "-print-resource-dir"], text=True, capture_output=True,
                              check=True).stdout.strip()
        folder = base + "/lib/linux"
    return ["-Wl,-rpath," + folder]


def make(folder, source, build, extra=()):
    """The path of the program, compiled if it is not there or older than its source."""
    stem = os.path.splitext(source)[0]
    program = os.path.join(folder, f"{stem}-{build.name}")
    path = os.path.join(SOURCES, source)
    newest = max(os.path.getmtime(path), os.path.getmtime(__file__))
    if os.path.exists(program) and os.path.getmtime(program) >= newest:
        return program
    os.makedirs(folder, exist_ok=True)
    flags = []
    for flag in build.flags:
        flags += runtime_flags(build.compiler) if flag == "RUNTIME" else [flag]
    command = [build.compiler, f"-m{build.bits}", "-g", *flags, *extra, path, "-o", program]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stderr}")
    return program
