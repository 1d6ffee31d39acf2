# SPDX-License-Identifier: Apache-2.0
"""What the test machine said on its serial line: guest_init.sh says how."""
import re

# What the kernel prints when something is wrong with it.
SPLAT = re.compile(r"WARNING:|BUG:|Oops|Call Trace|general protection fault|unable to handle|stall|lockdep|KASAN|"
                   r"possible (circular|recursive) locking|scheduling while atomic|hung_task|blocked for more than")


class Section:
    def __init__(self, name):
        self.name = name
        self.lines = []
        self.log = []
        self.ended = False

    def failures(self):
        """What its checks and the kernel say is wrong."""
        wrong = [line[len("@check FAILED "):] for line in self.lines if line.startswith("@check FAILED")]
        wrong += [f"the kernel's log: {line}" for line in self.log if SPLAT.search(line)]
        if not self.ended:
            wrong.append("it did not come to its end")
        return wrong

    def values(self, word):
        """The rest of each line that begins with @word."""
        return [line.split(" ", 1)[1] for line in self.lines if line.startswith(f"@{word} ")]


def read(path):
    """Sections by name."""
    sections = {}
    current = None
    with open(path, encoding="utf-8", errors="replace") as file:
        for raw in file:
            line = raw.rstrip("\r\n")
            begin = re.search(r"@begin (\S+)$", line)
            if begin:
                current = sections[begin.group(1)] = Section(begin.group(1))
            elif current is None:
                continue
            elif line.startswith("@end "):
                current.ended = line.split()[1] == current.name
                current = None
            elif line.startswith("@log "):
                current.log.append(re.sub(r"^@log (\[ *[0-9.]+\] )?", "", line))
            else:
                current.lines.append(line)
    return sections


FIELD = re.compile(r'(\w+)=("(?:\\.|[^"\\])*"|\S+)')


def records(section, kind):
    """The module's log lines of a kind, as dictionaries."""
    found = []
    for line in section.log:
        if line.startswith(f"kebound: {kind} "):
            fields = {}
            for name, value in FIELD.findall(line):
                fields[name] = re.sub(r"\\(.)", r"\1", value[1:-1]) if value.startswith('"') else value
            found.append(fields)
    return found
