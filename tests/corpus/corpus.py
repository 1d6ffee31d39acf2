#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""corpus.py --build DIR fetch | (build|suite|seeds|scan) PROGRAM

Real programs from Debian's source packages, rebuilt with traps (programs.py), under `kebound run`. Sources are kept beside DIR, in
build/corpus: other build trees use the same."""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "matrix"))
import verdicts  # noqa: E402
from programs import PROGRAMS  # noqa: E402

HOSTS = ("supervisor", "inproc")


class Failure(Exception):
    pass


def run(words, folder, environment=None, timeout=300):
    return subprocess.run(words, cwd=folder, env={**os.environ, **(environment or {})}, capture_output=True, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, timeout=timeout, check=False)


def must(words, folder, environment=None, timeout=300):
    done = run(words, folder, environment, timeout)
    if done.returncode != 0:
        raise Failure(f"status {done.returncode}: {' '.join(words)}\n(in {folder})\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done


def replaced(text, seed):
    """The source with the bug in it, and the line of the check."""
    at = text.find(seed.old)
    if at < 0:
        raise Failure(f"{seed.file} has no {seed.old!r}: another version? seed {seed.name} has to be written anew")
    text = text[:at] + seed.new + text[at + len(seed.old):]
    check = text.find(seed.check, at)
    if check < 0:
        raise Failure(f"{seed.file} has no {seed.check!r} behind the bug")
    return text, text.count("\n", 0, check) + 1


class Corpus:
    def __init__(self, build, program):
        self.build_folder = build
        self.kebound = os.path.join(build, "bin", "kebound")
        self.program = PROGRAMS[program](os.path.join(os.path.dirname(build), "corpus"), os.path.join(build, "corpus"))

    def under(self, host, words, report, answer="propagate"):
        return [self.kebound, "run", "--host", host, "--on-bound", answer, "--report", "jsonl", "-o", report, "--", *words]

    def correct(self):
        for correction in self.program.corrections:
            path = self.program.source(self.program.packages[0].partition(":")[0], correction.file)
            with open(path, encoding="utf-8") as file:
                text = file.read()
            if correction.new not in text:
                if text.count(correction.old) != 1:
                    raise Failure(f"{path} has {correction.old!r} {text.count(correction.old)} times: another version?")
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.replace(correction.old, correction.new))

    def build(self):
        """Once: a program is built anew only when how that is done has changed."""
        stamp = self.program.built("built")
        recipe = os.path.join(HERE, "programs.py")
        if os.path.exists(stamp) and os.path.getmtime(stamp) > os.path.getmtime(recipe):
            return
        shutil.rmtree(self.program.folder, ignore_errors=True)
        os.makedirs(self.program.folder)
        self.correct()
        for words, folder in self.program.build():
            must(words, folder, timeout=1800)
        with open(stamp, "w", encoding="utf-8"):
            pass

    def suite(self):
        """The program's own tests pass, alone and under both hosts, and nobody sees a bound exception."""
        with tempfile.TemporaryDirectory(prefix="kebound-corpus-") as scratch:
            report = os.path.join(scratch, "report.jsonl")
            for words, folder, environment in self.program.suite():
                must(words, folder, environment)
                for host in HOSTS:
                    must(self.under(host, words, report), folder, environment)
                    with open(report, encoding="utf-8") as file:
                        records = [json.loads(line) for line in file]
                    if records[-1]["event"] != "summary" or records[-1]["exceptions"] != 0:
                        raise Failure(f"{host}: {' '.join(words)}: {records[-1]}")
        print(f"{self.program.name}: {len(self.program.suite())} programs of its own tests pass under {' and '.join(HOSTS)}")

    def make_seed(self, seed, scratch):
        with open(self.program.source(self.program.packages[0].partition(":")[0], seed.file), encoding="utf-8") as file:
            text, line = replaced(file.read(), seed)
        changed = os.path.join(scratch, os.path.basename(seed.file))
        with open(changed, "w", encoding="utf-8") as file:
            file.write(text)
        program = os.path.join(scratch, seed.name)
        for words, folder in self.program.build_seed(seed, changed, program):
            must(words, folder, timeout=1800)
        return program, line

    def events(self, host, words, report, answer):
        done = run(self.under(host, words, report, answer), self.program.folder)
        with open(report, encoding="utf-8") as file:
            return done, [e for e in map(json.loads, file) if e["event"] == "bound-exception"]

    def judge_clamp(self, seed, host, done, events):
        dispositions = [e["disposition"] for e in events]
        if seed.survives:
            if (done.returncode, done.stdout) != (0, seed.output) or not events or set(dispositions) != {"handled"}:
                return [f"{host}: clamped: {dispositions}, {events[-1:] and events[-1]['reason']}; status {done.returncode}, printed "
                        f"{done.stdout!r}, not {seed.output!r}"]
        elif dispositions[-1:] != ["propagated"] or not events[-1]["reason"] or done.returncode >= 0:
            return [f"{host}: not refused with a reason: {dispositions}, status {done.returncode}"]
        return []

    def judge_seed(self, seed, scratch):
        program, line = self.make_seed(seed, scratch)
        words, report = [program, *seed.arguments], os.path.join(scratch, "report.jsonl")
        wanted = {"index": seed.index, "lower": seed.lower, "upper": seed.upper}
        file = os.path.basename(seed.file)
        first, problems = {}, []
        for host in HOSTS:
            done, events = self.events(host, words, report, "propagate")
            verdict, why = verdicts.judge(events[0] if events else None, wanted, (file, line), {file})
            if verdict != verdicts.EXACT:
                problems.append(f"{host}: {verdict}: {why}")
            if done.returncode >= 0:
                problems.append(f"{host}: the bug did not end the program: status {done.returncode}")
            first[host] = events[0] if events else None
            problems += self.judge_clamp(seed, host, *self.events(host, words, report, "clamp"))
        if None not in first.values():
            problems += [f"hosts differ: {d}" for d in verdicts.disagreements(first["supervisor"], first["inproc"])]
        print(f"{self.program.name}: {seed.name}: index {seed.index} outside [{seed.lower}, {seed.upper}] at {file}:{line}: "
              f"{'; '.join(problems) or 'reported, and ' + ('survived' if seed.survives else 'refused') + ' with clamp'}")
        return not problems

    def seeds(self):
        with tempfile.TemporaryDirectory(prefix="kebound-corpus-") as scratch:
            results = [self.judge_seed(seed, scratch) for seed in self.program.seeds]
        if not all(results):
            raise Failure("not all seeded bugs are reported and survived")


    def scan_image(self, image):
        return json.loads(must([self.kebound, "scan", "--report", "json", image], self.program.folder).stdout)

    def scan(self):
        """kebound scan accounts for every trap that objdump sees, and finds the checks that the seeded bugs fail, at their lines."""
        for image in self.program.images():
            result = self.scan_image(image)
            code = must(["objdump", "-d", "--no-show-raw-insn", image], self.program.folder).stdout
            traps = {int(line.split(":")[0], 16) for line in code.splitlines() if re.search(r"\tud[12]\b", line)}
            found = {int(check["failure_address"], 16) for check in result["checks"]}
            missing = len(traps - found) - result["totals"]["other_traps"]
            if missing > 0 or not traps:
                raise Failure(f"{image}: of {len(traps)} traps {missing} are neither checks nor other traps")
            known = result["totals"]["by_known"]
            print(f"{self.program.name}: {os.path.basename(image)}: {len(traps)} traps, {result['totals']['checks']} checks: {known}, "
                  f"{result['totals']['resumable']} resumable, {result['totals']['other_traps']} other traps")
        with tempfile.TemporaryDirectory(prefix="kebound-corpus-") as scratch:
            for seed in self.program.seeds:
                program, line = self.make_seed(seed, scratch)
                places = {(os.path.basename(c["file"] or ""), c["line"]) for c in self.scan_image(program)["checks"]}
                if (os.path.basename(seed.file), line) not in places:
                    raise Failure(f"{seed.name}: no check at {seed.file}:{line}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True)
    parser.add_argument("what", choices=("fetch", "build", "suite", "seeds", "scan"))
    parser.add_argument("program", nargs="?", choices=sorted(PROGRAMS))
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    if arguments.what == "fetch":
        packages = sorted({p for program in PROGRAMS.values() for p in program.packages})
        folder = os.path.join(os.path.dirname(build), "corpus")
        return subprocess.run([sys.executable, os.path.join(HERE, "fetch.py"), folder, *packages], check=False).returncode
    if arguments.program is None:
        parser.error(f"{arguments.what}: of which program?")
    try:
        getattr(Corpus(build, arguments.program), arguments.what)()
    except Failure as failure:
        print(f"FAILED {arguments.program} {arguments.what}: {failure}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
