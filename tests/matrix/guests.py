# SPDX-License-Identifier: Apache-2.0
"""The guests of the matrix: which compilers, levels and modes there are, and how their programs are built.

ninja builds them in a folder of their own, from a file that `write_ninja` makes: 72 programs, none of which `make`
needs."""
import dataclasses
import os
import re
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(HERE, "guests")

COMPILERS = ("gcc-12", "clang-14", "clang-16", "clang-19")
LEVELS = ("O0", "O1", "O2", "O3")
MODES = (64, 32)

BOUNDS = {True: "-fsanitize=bounds -fsanitize-trap=bounds", False: "-fsanitize=bounds -fsanitize-undefined-trap-on-error"}
LOCAL = "-fsanitize=local-bounds -fsanitize-trap=local-bounds"
FORTIFY = "-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2"
ASSERTIONS = "-std=c++20 -D_GLIBCXX_ASSERTIONS"
HARDENED = "-std=c++20 -stdlib=libc++ -D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST"


@dataclasses.dataclass(frozen=True)
class Config:
    compiler: str
    level: str
    mode: int

    @property
    def name(self):
        return f"{self.compiler}-{self.level}-m{self.mode}"

    @property
    def is_clang(self):
        return self.compiler.startswith("clang")

    def cxx(self):
        return self.compiler.replace("gcc", "g++").replace("clang", "clang++")

    def programs(self):
        """Names of the programs of this configuration: C, libstdc++, and libc++ where there is one."""
        return ["c", "libstdcxx"] + (["libcxx"] if self.compiler == "clang-19" else [])

    def files(self):
        """For each program what it is linked from: (source, compiler, flags)."""
        optimised = self.level != "O0"
        parts = [("arrays.c", BOUNDS[self.is_clang]), ("objects.c", BOUNDS[self.is_clang]),
                 ("doubtful.c", BOUNDS[self.is_clang]), ("stepping.c", BOUNDS[self.is_clang]), ("own.c", "")]
        # FORTIFY and local-bounds are nothing without optimisation.
        if optimised:
            parts.append(("fortified.c", FORTIFY))
        if optimised and self.is_clang:
            parts.append(("local.c", LOCAL))
        defines = "".join(f" -DHAVE_{name.partition('.')[0].upper()}" for name, _ in parts)
        c_files = [(name, self.compiler, flags) for name, flags in parts] + [("list.c", self.compiler, defines)]
        libcxx = [("containers.cc", self.cxx(), HARDENED)]
        if self.mode == 32:
            libcxx.append(("strings_32.cc", self.cxx(), HARDENED))
        return {"c": c_files, "libstdcxx": [("containers.cc", self.cxx(), ASSERTIONS)], "libcxx": libcxx}

    def linker(self, program):
        if program == "libcxx" and self.mode == 64:
            return "clang++-19 -stdlib=libc++"
        return "gcc-12" if program == "c" else "g++-12"


def configs():
    return [Config(c, level, mode) for c in COMPILERS for level in LEVELS for mode in MODES]


def reference_name(program, mode):
    """The program with the clamp in its source. libc++ and libstdc++ compute the same."""
    return f"reference-{'c' if program == 'c' else 'libstdcxx'}-m{mode}"


class Ninja:
    def __init__(self, folder):
        self.folder = folder
        self.lines = [
            "rule compile",
            "  command = $compiler $flags -MD -MF $out.d -c $in -o $out",
            "  depfile = $out.d",
            "  deps = gcc",
            "rule link",
            "  command = $compiler $flags $in -o $out",
        ]
        self.objects = set()

    def compile(self, source, target, compiler, flags):
        if target not in self.objects:
            self.objects.add(target)
            self.lines += [f"build {target}: compile {os.path.join(SOURCES, source)}", f"  compiler = {compiler}",
                           f"  flags = {flags}"]
        return target

    def link(self, target, objects, compiler, flags):
        self.lines += [f"build {target}: link {' '.join(objects)}", f"  compiler = {compiler}", f"  flags = {flags}"]

    def write(self):
        text = "\n".join(self.lines) + "\n"
        path = os.path.join(self.folder, "build.ninja")
        # An unchanged file keeps its time: nothing is built twice.
        if not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)


def twins_object(config):
    return f"{config.name}-c-twins.c.o"


def shapes_objects(config):
    return [f"{config.name}-c-{source}.o" for source in ("arrays.c", "objects.c", "doubtful.c", "stepping.c")]


def write_ninja(folder):
    ninja = Ninja(folder)
    common = "-g -Wall -Wextra"
    for mode in MODES:
        ninja.compile("guest.c", f"guest-m{mode}.o", "gcc-12", f"{common} -O1 -m{mode}")
        clamped = f"{common} -O1 -m{mode} -DSHAPES_CLAMPED"
        sources = {"c": ["arrays.c", "objects.c", "doubtful.c", "stepping.c", "own.c", "fortified.c", "local.c", "list.c"], "libstdcxx": ["containers.cc"]}
        for program, names in sources.items():
            compiler = "gcc-12" if program == "c" else "g++-12"
            more = " -DHAVE_ARRAYS -DHAVE_OBJECTS -DHAVE_OWN -DHAVE_FORTIFIED -DHAVE_LOCAL" if program == "c" else " -std=c++20"
            objects = [ninja.compile(name, f"reference-m{mode}-{name}.o", compiler, clamped + more) for name in names]
            ninja.link(reference_name(program, mode), objects + [f"guest-m{mode}.o"], compiler, f"-m{mode}")
    for config in configs():
        ninja.compile("twins.c", twins_object(config), config.compiler,
                      f"{common} -{config.level} -m{config.mode} {BOUNDS[config.is_clang]}")
        for program in config.programs():
            objects = [ninja.compile(source, f"{config.name}-{program}-{source}.o", compiler,
                                     f"{common} -{config.level} -m{config.mode} {flags}")
                       for source, compiler, flags in config.files()[program]]
            ninja.link(f"{config.name}-{program}", objects + [f"guest-m{config.mode}.o"], config.linker(program),
                       f"-m{config.mode}")
    ninja.write()


def build(folder, jobs):
    os.makedirs(folder, exist_ok=True)
    write_ninja(folder)
    return subprocess.run(["ninja", "-C", folder, "-j", str(jobs), "--quiet"], check=False).returncode


def lines_of_shapes():
    """Where each shape's check is: {name: (file, line)}."""
    places = {}
    for name in sorted(os.listdir(SOURCES)):
        with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                for shape in re.findall(r"// at ((?:\w+)(?:, \w+)*)$", line):
                    for one in shape.split(", "):
                        assert one not in places, f"{name}:{number}: {one} is at two places"
                        places[one] = (name, number)
    return places


def groups_of_shapes():
    """The row of the table that each shape belongs to, and its order there: {name: group}."""
    groups = {}
    for name in ("arrays.c", "objects.c", "doubtful.c", "stepping.c", "own.c", "local.c", "containers.cc", "fortified.c"):
        with open(os.path.join(SOURCES, name), encoding="utf-8") as file:
            for group, shape in re.findall(r'^ +\{"([^"]+)", "(\w+)",', file.read(), re.MULTILINE):
                groups[shape] = group
    return groups
