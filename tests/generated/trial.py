# SPDX-License-Identifier: Apache-2.0
"""Building and running generated programs."""
import dataclasses
import json
import os
import subprocess
import sys

import shapes
import text
import truth

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "matrix"))
import guests  # noqa: E402

EXTRAS = ((), (), (), ("-fno-pie", "-no-pie"), ("-g0",), ("-fno-omit-frame-pointer",), ("-fPIC",), ("-march=x86-64-v3",))
ORACLE = "gcc-12 -w -O1 -fwrapv -fno-strict-aliasing"


@dataclasses.dataclass(frozen=True)
class Config:
    compiler: str
    level: str
    mode: int
    extra: tuple = ()
    host: str = "supervisor"

    @property
    def name(self):
        return "-".join((self.compiler, self.level, f"m{self.mode}"))

    def words(self):
        return [self.compiler, "-w", "-g", f"-{self.level}", f"-m{self.mode}", *guests.BOUNDS[self.compiler.startswith("clang")].split(), *self.extra]

    def __str__(self):
        return " ".join(self.words()) + (" --host inproc" if self.host == "inproc" else "")


def has_v3():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        flags = next((line for line in file if line.startswith("flags")), "").split()
    return {"avx2", "bmi1", "bmi2", "fma", "movbe", "f16c"} <= set(flags)


def configs(random):
    """All compilers, levels and modes, with options that this seed has."""
    extra = random.choice([e for e in EXTRAS if "-march=x86-64-v3" not in e or has_v3()])
    host = "inproc" if random.random() < 0.2 else "supervisor"
    levels = ("O0", "O1", "O2", "O3") if random.random() < 0.7 else ("Og", "O1", "O2", "Os")
    return [Config(c, level, mode, extra, host) for c in guests.COMPILERS for level in levels for mode in guests.MODES]


class Bench:
    """A folder to build in, and the kebound that is tried."""

    def __init__(self, folder, kebound):
        self.folder, self.kebound = folder, kebound
        os.makedirs(folder, exist_ok=True)
        for mode in guests.MODES:
            subprocess.run(f"gcc-12 -O1 -m{mode} -I{HERE} -c {HERE}/runner.c -o {folder}/runner-m{mode}.o", shell=True, check=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def compile(self, words, source, mode, program):
        done = subprocess.run([*words, f"-I{HERE}", source, self.path(f"runner-m{mode}.o"), "-o", program], capture_output=True, text=True, check=False)
        return None if done.returncode == 0 else done.stderr

    def oracle(self, name, source, mode, inputs):
        """What each of `inputs` [(shape, input)] does; None if the source is no C."""
        path = self.path(f"{name}-oracle.c")
        with open(path, "w", encoding="utf-8") as file:
            file.write(source)
        program = self.path(f"{name}-oracle-m{mode}")
        problem = self.compile([*ORACLE.split(), f"-m{mode}"], path, mode, program)
        if problem:
            return None
        return truth.parsed(self.natively(program, inputs))

    @staticmethod
    def natively(program, inputs):
        words = [str(w) for pair in inputs for w in pair]
        return subprocess.run([program, *words], capture_output=True, text=True, timeout=300, check=True).stdout

    def build(self, config, source):
        """The program; None if the compiler does not like it."""
        program = f"{source.removesuffix('.c')}-{config.name}"
        problem = self.compile(config.words(), source, config.mode, program)
        return None if problem else program

    def run(self, config, program, inputs, answer="propagate"):
        """({(shape, input): Run}, {pid: events})."""
        report = f"{program}-{answer}.jsonl"
        words = [self.kebound, "run", "--host", config.host, "--on-bound", answer, "--report", "jsonl", "-o", report, "--", program]
        done = subprocess.run(words + [str(w) for pair in inputs for w in pair], capture_output=True, text=True, errors="replace", timeout=600, check=False)
        if done.returncode != 0:
            raise SystemExit(f"status {done.returncode}: {' '.join(words)}\n{done.stderr[-2000:]}")
        events = {}
        with open(report, encoding="utf-8") as file:
            for record in map(json.loads, file):
                if record["event"] == "bound-exception":
                    events.setdefault(record["pid"], []).append(record)
        os.remove(report)
        return truth.parsed(done.stdout), events


@dataclasses.dataclass
class Finding:
    config: Config
    shape: shapes.Shape
    verdict: str
    why: str
    event: dict
    truth: truth.Run
    answer: str = "propagate"


def lines_of_shapes(pool, some):
    """{name: lines of the file}, as shapes.source_of() writes it."""
    needed = set().union(*(shape.needs for shape in some))
    at, found = 1 + 1 + pool.text(needed).count("\n") + 1, {}
    for shape in some:
        found[shape.name] = range(at + 1, at + 1 + len(shape.lines))
        at += 1 + len(shape.lines)
    return found


class Program:
    """Some shapes in a file, the truth about them, and the judgement of what is said about them."""

    def __init__(self, bench, name, pool, some, clamp=False):
        self.bench, self.name, self.pool, self.shapes, self.clamp = bench, name, pool, {s.name: s for s in some}, clamp
        self.path = bench.path(f"{name}.c")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(shapes.source_of(pool, some, text.plain))
        self.places = lines_of_shapes(pool, some)
        self.truths = {}

    def truth(self, mode):
        """{(shape, input): Run} of the inputs that are tried, or None: no C."""
        if mode not in self.truths:
            inputs = [(s.name, given) for s in self.shapes.values() for given in s.inputs]
            runs = self.bench.oracle(self.name, shapes.source_of(self.pool, list(self.shapes.values()), text.for_oracle), mode, inputs)
            if runs is not None:
                by_shape = {}
                for run in runs.values():
                    by_shape.setdefault(run.name, []).append(run)
                runs = {(r.name, r.given): r for some in by_shape.values() for r in truth.chosen(some)}
            self.truths[mode] = runs
        return self.truths[mode]

    def judge(self, config):
        """([Finding] that are bad, {verdict: count}), or None: the compiler does not like it."""
        truths = self.truth(config.mode)
        program = truths is not None and self.bench.build(config, self.path)
        if not program:
            return None
        found, counts = [], {}
        for answer in ("propagate", "clamp") if self.clamp else ("propagate",):
            runs, events = self.bench.run(config, program, truths, answer)
            for key, wanted in truths.items():
                shape, run = self.shapes[key[0]], runs[key]
                mine = events.get(run.pid, [])
                if answer == "propagate":
                    verdict, why = truth.judged(mine[0] if mine else None, wanted, shape.permissive, self.places[shape.name], os.path.basename(self.path),
                                                shape.has_choice())
                    word = verdict
                else:
                    verdict, why = truth.judged_clamp(mine, run, wanted, shape.is_single)
                    word = "clamp " + verdict
                counts[word] = counts.get(word, 0) + 1
                if verdict in truth.BAD:
                    found.append(Finding(config, shape, verdict, why, mine[0], wanted, answer))
        return found, counts
