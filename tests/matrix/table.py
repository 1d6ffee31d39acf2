# SPDX-License-Identifier: Apache-2.0
"""docs/matrix.md: the results of all configurations, counted."""
import json
import os
import sys

import guests
from verdicts import EXACT, user_words

# What the aim is set for. The other groups came from the search for wrong claims.
PLAIN = ("constant limit", "variable limit", "negative index", "2-D", "struct member", "VLA", "unsigned char index", "std::array", "std::vector",
         "std::span", "std::string", "FORTIFY")
PAGE = os.path.join(os.path.dirname(os.path.dirname(guests.HERE)), "docs", "matrix.md")
AIM = "99 %"

HEAD = """# How often a failed check is recovered

Each cell of these tables is a program that takes a real exception under `kebound run`, on both hosts, and whose index, limits and line
are known by construction, and `kebound scan` must have said beforehand what the event says in the end. *Exact*: the event has all of them right. A cell that is not exact says honestly that it does not know: a claim that is not
true fails the test, as does an event on which the hosts differ. *Silent*: the trap was not taken for a bounds failure. *Near line*: index and limits are
right, and `line_ip` in the event says that the compiler merged several checks, so that the line may be a neighbour's. The programs are in
`tests/matrix/guests`; `ctest -L matrix` runs them; this page is made by

    tests/matrix/matrix.py --build build/release table --write

and a test fails when it is not what the results say.

A cell that is not exact is left out of the percentage for one of three reasons, each of them found in the code by a program that knows the right answer, never listed by hand
(`compares.py`, `twins.py`; of a silent cell the program says itself where its trap is): no branch to the trap has a compare of the right index with the right limit, because the compiler folded a constant or a factor
into the limit, or compares another number (the last one of a loop); the operands of the compare of a check that calls
are overwritten before the call, and neither another register nor the stack has them; or a function whose check has *another* index is compiled to
the very same instructions (`guests/twins.c`).
"""


def load(folder):
    results = {}
    missing = []
    for config in guests.configs():
        path = os.path.join(folder, config.name + ".json")
        if os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                results[config] = json.load(file)
        else:
            missing.append(config.name)
    if missing:
        raise SystemExit(f"no results of {', '.join(missing)}: run ctest -L matrix, all of it")
    return results


class Count:
    def __init__(self):
        self.exact = self.all = self.without = 0

    def add(self, row):
        self.all += 1
        self.exact += row["supervisor"]["verdict"] == EXACT
        # What was recovered had something to recover it from.
        self.without += row["missing"] is not None and row["supervisor"]["verdict"] != EXACT

    def __str__(self):
        return f"{self.exact}/{self.all}" if self.all else "-"

    def compared(self):
        return self.all - self.without

    def rate(self):
        return f"{100 * self.exact / self.compared():.2f} %" if self.compared() else "-"

    def share(self):
        return f"{self.exact}/{self.compared()}, {self.rate()}" if self.compared() else "-"


def group_of(cell, groups):
    program, shape = cell.split(" ")
    group = groups[shape]
    if program == "libcxx":
        return f"hardened libc++: {group}"
    return f"_GLIBCXX_ASSERTIONS: {group}" if program == "libstdcxx" else group


def is_plain(cell, groups):
    return groups[cell.split(" ")[1]] in PLAIN


def row_text(words):
    return "| " + " | ".join(words) + " |"


def group_table(results, groups):
    columns = [(compiler, mode) for mode in guests.MODES for compiler in guests.COMPILERS]
    counts = {}
    for config, cells in results.items():
        for cell, row in cells.items():
            group = counts.setdefault(group_of(cell, groups), {column: Count() for column in columns})
            group[config.compiler, config.mode].add(row)
    names = [f"{compiler} -m{mode}" for compiler, mode in columns]
    lines = ["## By shape", "", "Exact / all, over -O0 to -O3, and the exact ones of those with a compare. FORTIFY and local-bounds need optimisation, libc++ 19 clang 19.", "",
             row_text(["", *names, "with a compare"]), "|---" * (len(columns) + 2) + "|"]
    lines += [row_text([name, *(str(group[c]) for c in columns), sum_of(group).share()]) for name, group in counts.items()]
    return lines


def sum_of(counts):
    total = Count()
    for count in counts.values():
        total.exact, total.all, total.without = total.exact + count.exact, total.all + count.all, total.without + count.without
    return total


def level_table(results):
    columns = [(level, mode) for mode in guests.MODES for level in guests.LEVELS]
    counts = {compiler: {column: Count() for column in columns} for compiler in guests.COMPILERS}
    for config, cells in results.items():
        for row in cells.values():
            counts[config.compiler][config.level, config.mode].add(row)
    lines = ["## By level", "", row_text(["", *(f"-{level} -m{mode}" for level, mode in columns)]), "|---" * (len(columns) + 1) + "|"]
    return lines + [row_text([name, *(str(count[c]) for c in columns)]) for name, count in counts.items()]


def short(configs):
    """Configurations by compiler, to be read by people."""
    words = []
    for compiler in guests.COMPILERS:
        own = [f"{c.level} -m{c.mode}" for c in configs if c.compiler == compiler]
        if own:
            words.append(f"{compiler} {', '.join('-' + w for w in own)}" if len(own) < 8 else compiler)
    return "; ".join(words)


def rest_table(results, member, wanted, title, note):
    """Cells whose `member` is not the best one, with what the event said."""
    found = {}
    for config, cells in results.items():
        for cell, row in cells.items():
            if row["supervisor"][member] != wanted:
                why = user_words(row["supervisor"]["why" if member == "verdict" else "clamp_why"] or "")
                key = (row["supervisor"][member], cell, why, row["missing"] or "")
                found.setdefault(key, []).append(config)
    lines = [title, "", note, "", row_text(["cell", "result", "because", "where"]), "|---|---|---|---|"]
    for (verdict, cell, why, missing), configs in sorted(found.items(), key=lambda item: item[0]):
        mark = f" ({missing})" if missing and member == "verdict" else ""
        lines.append(row_text([cell, verdict + mark, why, short(configs)]))
    return lines


def clamp_line(results):
    rows = [row for cells in results.values() for row in cells.values()]
    same = sum(row["supervisor"]["clamp"] == "same" for row in rows)
    return (f"With `--on-bound clamp` {same} of {len(rows)} cells go on and compute what the same program computes with the clamp in its "
            "source; the others are refused, with a reason, and die as they would have. None computes anything else.")


def page(results):
    groups = guests.groups_of_shapes()
    total, plain = Count(), Count()
    for cells in results.values():
        for cell, row in cells.items():
            total.add(row)
            if is_plain(cell, groups):
                plain.add(row)
    lines = [HEAD, f"**Of the shapes that the aim is set for ({', '.join(PLAIN)}) {plain.exact} of {plain.all} cells are exact: {plain.rate()} of the "
             f"{plain.compared()} that have a compare of index and limit ({AIM} is the aim). With all shapes, among them loops and those that are made to "
             f"mislead, {total.exact} of {total.all}: {total.rate()} of {total.compared()}.** {clamp_line(results)}", ""]
    lines += group_table(results, groups) + [""] + level_table(results) + [""]
    lines += rest_table(results, "verdict", EXACT, "## What is not known", "None of these is a wrong claim.") + [""]
    lines += rest_table(results, "clamp", "same", "## What is not resumed", "Each is refused with this reason, and the program dies of its check.")
    return "\n".join(lines) + "\n"


def main(folder, write):
    text = page(load(folder))
    print(text[len(HEAD):].strip().split("\n", 1)[0])
    if write:
        with open(PAGE, "w", encoding="utf-8") as file:
            file.write(text)
        return 0
    current = open(PAGE, encoding="utf-8").read() if os.path.exists(PAGE) else ""
    if current != text:
        print("docs/matrix.md does not say what the results say; write it anew: matrix.py --build BUILD table --write", file=sys.stderr)
        return 1
    return 0
