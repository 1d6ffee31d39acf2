# SPDX-License-Identifier: Apache-2.0
"""The programs of the corpus: where they come from, how they are built with traps, their own tests, and the bugs that we put in.

A bug is one small replacement in one source file, off by one in a way that people write. Which line it is on is found where the
replacement is made, so that a new version of the package moves it along; a version that has not got the text fails loudly."""
import dataclasses
import glob
import os

HERE = os.path.dirname(os.path.abspath(__file__))
DRIVERS = os.path.join(HERE, "drivers")

GCC_TRAPS = "-fsanitize=bounds -fsanitize-undefined-trap-on-error"
CLANG_TRAPS = "-fsanitize=bounds -fsanitize-trap=bounds"
HARDENED = "-D_LIBCPP_HARDENING_MODE=_LIBCPP_HARDENING_MODE_FAST"


@dataclasses.dataclass
class Seed:
    name: str
    file: str  # in the program's source
    old: str  # replaced once
    new: str
    check: str  # text of the line that has the check that fails; the first one at or behind the replacement
    arguments: list  # of the program that the driver is
    index: int
    lower: int
    upper: int
    output: str  # what the clamped program prints
    survives: bool = True  # False: it is reported, and kebound refuses to resume it, with a reason


@dataclasses.dataclass
class Correction:
    """A bug of the program's own that its own tests meet: a trap that has to go for the others to be reached."""
    file: str
    old: str
    new: str
    why: str


class Program:
    """`folder` is where it is built, `source` where the unpacked packages are."""
    name = None
    packages = ()
    seeds = ()
    corrections = ()

    def __init__(self, sources, folder):
        self.sources, self.folder = sources, os.path.join(folder, self.name)

    def source(self, package, *path):
        return os.path.join(self.sources, package, *path)

    def built(self, *path):
        return os.path.join(self.folder, *path)

    def build(self):
        """Commands that build it, each (words, folder)."""
        raise NotImplementedError

    def suite(self):
        """Its own tests: (words, folder, environment) each."""
        raise NotImplementedError

    def build_seed(self, seed, changed, program):
        """Commands that build `program`, which shows the bug, from the `changed` copy of seed.file."""
        raise NotImplementedError

    def images(self):
        """What kebound scan looks at."""
        raise NotImplementedError


class Lua(Program):
    """Lua 5.1 with gcc: of the Lua versions in Debian the one whose official tests are in Debian, too (in the source of another
    implementation; pm.lua and math.lua were changed for that one and fail on Lua itself, so all.lua, which runs everything, does not get
    through; big.lua runs only in its coroutine)."""
    packages = ("lua5.1", "golang-github-yuin-gopher-lua:upstream")
    mode = 64
    tests = ("main gc db calls strings literals attrib locals constructs code nextvar api events vararg closure errors sort verybig files")
    seeds = (
        Seed("status", "src/lbaselib.c", "statnames[costatus(L, co)]", "statnames[costatus(L, co) + 1]",
             "statnames[costatus(L, co) + 1]", [DRIVERS + "/status.lua"], 4, 0, 3, "dead\n"),
        Seed("option", "src/lbaselib.c", "optsnum[o]", "optsnum[o + 1]", "optsnum[o + 1]", [DRIVERS + "/collector.lua"],
             7, 0, 6, "300\n"),
    )

    def flags(self):
        return (f"-m{self.mode} -O2 -g -w {GCC_TRAPS} -DLUA_USE_POSIX -DLUA_USE_DLOPEN -I{self.folder} "
                f"-I{self.source('lua5.1', 'src')}").split()

    def build(self):
        files = [f for f in sorted(glob.glob(self.source("lua5.1", "src", "*.c"))) if os.path.basename(f) not in ("luac.c", "print.c")]
        # Debian's build makes this header; it is about folders of modules.
        with open(self.built("lua5.1-deb-multiarch.h"), "w", encoding="utf-8") as file:
            file.write('#define DEB_HOST_MULTIARCH "."\n')
        objects = [self.built(os.path.basename(f)[:-2] + ".o") for f in files]
        return ([(["gcc-12", *self.flags(), "-c", *files], self.folder),
                 (["gcc-12", f"-m{self.mode}", "-Wl,-E", "-o", self.built("lua"), *objects, "-lm", "-ldl"], self.folder),
                 (["cp", "-r", self.source("golang-github-yuin-gopher-lua", "_lua5.1-tests"), self.built("tests")], self.folder)])

    def suite(self):
        environment = {"LUA_PATH": "./?.lua;;", "LUA_INIT": "package.path = '?;'..package.path"}
        return [([self.built("lua"), name + ".lua"], self.built("tests"), environment) for name in self.tests.split()]

    def build_seed(self, seed, changed, program):
        own = os.path.basename(seed.file)[:-2] + ".o"
        objects = [o for o in sorted(glob.glob(self.built("*.o"))) if os.path.basename(o) != own]
        return [(["gcc-12", *self.flags(), "-Wl,-E", "-o", program, changed, *objects, "-lm", "-ldl"], self.folder)]

    def images(self):
        return [self.built("lua")]


class Lua32(Lua):
    name = "lua-m32"
    mode = 32


class Lua64(Lua):
    name = "lua-m64"


class Zlib(Program):
    """zlib with clang 14, by its own configure and make. Its infcover.c is built without traps: it passes ZLIB_VERSION - 1, an
    address before a string, on purpose, and traps whatever it is linked with."""
    packages = ("zlib",)
    mode = 64
    seeds = (
        Seed("level", "deflate.c", "level > 9 ||", "level > 10 ||", "configuration_table[s->level].max_lazy", ["10"],
             10, 0, 9, None, survives=False),
        Seed("message", "zutil.c", "return ERR_MSG(err);", "return z_errmsg[Z_NEED_DICT - err + 1];",
             "z_errmsg[Z_NEED_DICT - err + 1]", ["message"], 10, 0, 9, "insufficient memory, \n"),
    )

    def flags(self):
        return f"-m{self.mode} -O2 -g {CLANG_TRAPS}"

    def build(self):
        environment = ["env", "CC=clang-14", f"CFLAGS={self.flags()}", f"LDFLAGS=-m{self.mode}"]
        return [(["cp", "-r", self.source("zlib") + "/.", self.folder], self.folder),
                ([*environment, "./configure", "--static"], self.folder),
                (["make", "-s", "static"], self.folder),
                (["clang-14", f"-m{self.mode}", "-O2", "-g", "-w", "-I.", "-o", "infcover", "test/infcover.c", "libz.a"], self.folder),
                (["clang-14", *self.flags().split(), "-I.", "-o", "levels", DRIVERS + "/levels.c", "libz.a"], self.folder)]

    def suite(self):
        return [(["make", "-s", "teststatic"], self.folder, {}), ([self.built("infcover")], self.folder, {})]

    def build_seed(self, seed, changed, program):
        return [(["clang-14", *self.flags().split(), "-I.", "-o", program, DRIVERS + "/levels.c", changed, "libz.a"], self.folder)]

    def images(self):
        return [self.built("minigzip"), self.built("infcover")]


class Zlib64(Zlib):
    name = "zlib-m64"


class Zlib32(Zlib):
    name = "zlib-m32"
    mode = 32


class CoinUtils(Program):
    """COIN-OR's utilities: 100,000 lines of C++ with few dependencies, vectors, strings and fixed arrays side by side, and unit tests
    that take a second. clang 19 with hardened libc++, by their own configure and make."""
    name = "coinutils"
    packages = ("coinutils",)
    seeds = (
        Seed("keyword", "CoinUtils/src/CoinParam.cpp", "return (definedKwds_[currentKwd_]);",
             "return (definedKwds_[currentKwd_ + 1]);", "definedKwds_[currentKwd_ + 1]", [], 3, 0, 2, "blue\n"),
    )

    corrections = (
        Correction("CoinUtils/src/CoinMpsIO.cpp", "reinterpret_cast< unsigned char * >(card_ - 1)",
                   "reinterpret_cast< unsigned char * >(card_) - 1", "an address before an array, kept and never read"),
    )

    # -include: what its headers got from libstdc++'s by chance. C++14: it says `register`.
    FLAGS = f"-std=c++14 -include cfloat -O1 -gline-tables-only -w {HARDENED} {CLANG_TRAPS}"

    def build(self):
        configure = self.source("coinutils", "CoinUtils", "configure")
        return [([configure, "--quiet", "--disable-shared", "--disable-dependency-tracking", "--disable-zlib",
                  "--disable-bzlib", "--without-blas", "--without-lapack", "CC=clang-19",
                  "CXX=clang++-19 -stdlib=libc++", f"CXXFLAGS={self.FLAGS}"], self.folder),
                (["make", "-s", f"-j{len(os.sched_getaffinity(0))}"], self.folder),
                (["make", "-s", f"-j{len(os.sched_getaffinity(0))}", "unitTest"], self.built("test"))]

    def suite(self):
        return [([self.built("test", "unitTest"), "-mpsDir=" + self.source("coinutils", "Data", "Sample")], self.built("test"), {})]

    def build_seed(self, seed, changed, program):
        return [(["clang++-19", "-stdlib=libc++", *self.FLAGS.split(), "-DHAVE_CONFIG_H", "-DCOINUTILS_BUILD", "-I" + self.built("src"),
                  "-I" + self.source("coinutils", "CoinUtils", "src"), "-o", program, DRIVERS + "/keywords.cc", changed,
                  self.built("src", ".libs", "libCoinUtils.a")], self.folder)]

    def images(self):
        return [self.built("test", "unitTest")]


PROGRAMS = {cls.name: cls for cls in (Lua64, Lua32, Zlib64, Zlib32, CoinUtils)}
