# SPDX-License-Identifier: Apache-2.0
"""Malformed inputs for kebound, each made from a random generator alone: programs, drivers, command lines."""

import os
import shlex
import struct

import harness

OK_OR_REFUSED = frozenset({0, 124})


class Input:
    """One case: the words for kebound, and what may come of it."""

    def __init__(self, kind, words, statuses, environment=None, compare=None):
        self.kind = kind
        self.words = words
        self.statuses = statuses      # allowed exit statuses; None: those of `compare` without kebound
        self.environment = environment or {}
        self.compare = compare        # the program to run bare


def read(path):
    with open(path, "rb") as stream:
        return stream.read()


def tiny_program(is_64bit):
    """A static program that exits with status 0, in one page."""
    if is_64bit:
        code = b"\xb8\xe7\0\0\0\x31\xff\x0f\x05"   # exit_group(0)
        header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", 2, 62, 1, 0x400078, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 1, 5, 0, 0x400000, 0x400000, 120 + len(code), 120 + len(code), 4096)
    else:
        code = b"\xb8\xfc\0\0\0\x31\xdb\xcd\x80"
        header = struct.pack("<16sHHIIIIIHHHHHH", b"\x7fELF\1\1\1", 2, 3, 1, 0x8048054, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        segment = struct.pack("<IIIIIIII", 1, 0, 0x8048000, 0x8048000, 84 + len(code), 84 + len(code), 5, 4096)
    return header + segment + code


def metadata_ranges(elf):
    """The byte ranges of a 64-bit ELF file that are not instructions: what a loader reads."""
    section_offset, = struct.unpack_from("<Q", elf, 0x28)
    section_count, = struct.unpack_from("<H", elf, 0x3c)
    code = []
    for i in range(section_count):
        flags, _, offset, size = struct.unpack_from("<QQQQ", elf, section_offset + 64 * i + 8)
        if flags & 4 and size:  # SHF_EXECINSTR
            code.append((offset, offset + size))
    ranges, at = [], 0
    for begin, end in sorted(code):
        if begin > at:
            ranges.append((at, begin))
        at = max(at, end)
    ranges.append((at, len(elf)))
    return ranges


INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff, 0xfff, 0x1000, 0x7fffffff, 0x80000000, 0xffffffff,
               0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff, 0xfffffffffffff000]


def mutate(random, content, ranges, most=6):
    """Some bytes or numbers inside `ranges` replaced."""
    mutated = bytearray(content)
    for _ in range(random.randint(1, most)):
        begin, end = random.choice(ranges)
        at = random.randrange(begin, end)
        style = random.random()
        if style < 0.4:
            mutated[at] = random.randrange(256)
        elif style < 0.6:
            mutated[at] ^= 1 << random.randrange(8)
        else:
            size = random.choice((2, 4, 8))
            number = random.choice(INTERESTING) & ((1 << 8 * size) - 1)
            piece = number.to_bytes(size, "little")[:end - at]
            mutated[at:at + len(piece)] = piece
    return bytes(mutated)


class Generator:
    def __init__(self, directory):
        self.directory = directory
        self.driver = read(harness.DRIVERS + "/quiet.so")
        self.metadata = metadata_ranges(self.driver)
        # Headers, dynamic section, symbols and relocations are hit as often as all the rest.
        self.driver_ranges = self.metadata + [(0, 64), (64, 64 + 56 * 9)] * len(self.metadata)
        self.good = self.file("good", tiny_program(True))

    def file(self, name, content, mode=0o755):
        path = os.path.join(self.directory, name)
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o700)
        try:
            os.write(descriptor, content)
            os.fchmod(descriptor, mode)
        finally:
            os.close(descriptor)
        return path

    def make(self, random):
        kind = random.choices((self.target, self.driver_file, self.command_line), (35, 35, 30))[0]
        return kind(random)

    # ---- programs

    def target(self, random):
        quiet = ["run", "--report=none", "--"]
        style = random.randrange(10)
        if style == 0:
            name = "".join(random.choices("abc/.\x01\x1b\n \u00fc", k=random.randint(1, 30)))
            return Input("target: missing", quiet + ["/nonexistent/" + name], {127})
        if style == 1:
            name = "no-such-" + "".join(random.choices("abc.\x7f ", k=random.randint(1, 300)))
            return Input("target: not in PATH", quiet + [name], {127})
        if style == 2:
            path = random.choice([self.directory, "/", "/proc", "/dev/null", "/dev/zero"])
            return Input("target: no regular file", quiet + [path], {126})
        if style == 3:
            # For root, too, a file without any x bit is not executable.
            path = self.file("plain", tiny_program(True), random.choice((0o644, 0o600, 0o444, 0)))
            return Input("target: not executable", quiet + [path], {126})
        if style == 4:
            content = bytearray(tiny_program(random.random() < 0.5))
            machine = random.choice([m for m in range(1, 260) if m not in (3, 6, 62)])
            content[18:20] = struct.pack("<H", machine)
            return Input("target: other architecture", quiet + [self.file("foreign", bytes(content))], {126})
        if style == 5:
            content = bytes(random.randrange(256) for _ in range(random.randrange(200)))
            if content[:2] == b"#!" or content[:4] == b"\x7fELF":
                content = b""
            return Input("target: garbage", quiet + [self.file("garbage", content)], {126})
        whole = tiny_program(random.random() < 0.5)
        if style in (6, 7):
            # Ends inside the headers: no kernel takes it.
            headers = 120 if whole[4] == 2 else 84
            path = self.file("truncated", whole[:random.randrange(headers)])
            return Input("target: truncated", quiet + [path], {126})
        headers = 120 if whole[4] == 2 else 84
        path = self.file("mutated", mutate(random, whole, [(0, headers)], 3))
        return Input("target: mutated", quiet + [path], None, compare=path)

    # ---- drivers

    def driver_file(self, random):
        style = random.randrange(10)
        statuses = {124}
        if style == 0:
            path = "/nonexistent/" + "".join(random.choices("xyz\x02 ", k=random.randint(1, 20)))
            kind = "missing"
        elif style == 1:
            path = random.choice([self.directory, "/", "/dev/null", "/dev/zero", "/proc/self/mem"])
            kind = "no regular file"
        elif style == 2:
            content = bytes(random.randrange(256) for _ in range(random.randrange(300)))
            if random.random() < 0.5:
                content = b"\x7fELF" + content
            path, kind = self.file("garbage.so", content, 0o644), "garbage"
        elif style == 3:
            path = f"{harness.DRIVERS}/{random.choice(('no_entry', 'missing_symbols', 'wrong_class', 'entry_fails'))}.so"
            kind = "wrong in one way"
        elif style in (4, 5):
            # What follows the last loaded byte (section headers, names) may be missing from a driver that works.
            path = self.file("truncated.so", self.driver[:random.randrange(len(self.driver))], 0o644)
            kind, statuses = "truncated", OK_OR_REFUSED
        elif style == 6:
            content = bytearray(self.driver)
            at, values = random.choice([(4, (0, 1, 3, 255)), (5, (0, 2, 255)), (16, (0, 1, 2, 4, 255)),
                                        (18, (0, 3, 40, 183, 243))])
            content[at] = random.choice(values)
            path, kind = self.file("foreign.so", bytes(content), 0o644), "other class, order, type or machine"
        else:
            path = self.file("mutated.so", mutate(random, self.driver, self.driver_ranges), 0o644)
            # A damaged table may still send the entry point astray: that is a bug check, not a crash.
            kind, statuses = "mutated", OK_OR_REFUSED | {123}
        words = ["run", "--report=none", "--driver", path, "--", self.good]
        return Input("driver: " + kind, words, statuses)

    # ---- command lines

    BAD_VALUES = {
        "--on-bound": ("", "clam", "CLAMP", "propagate,clamp", "0"),
        "--profile": ("", "nt", "Windows", "default "),
        "--report": ("", "json", "text,jsonl", "\x1b[m"),
        "--error-exitcode": ("", "0", "256", "-1", "1e2", "0x1", "nine", "99999999999999999999999"),
        "--livelock-limit": ("", "-1", "1.0", "18446744073709551616", "many"),
        "--callback-threads": ("", "-1", "257", "4294967296", "two"),
        "--pin": ("", "cpu0", "-1", "65536", "9999999999999", "follow,none"),
        "--backtraces": ("", "last", "1", "FIRST"),
        "--driver": ("",),
        "--output": ("", "/nonexistent/report", "/", "/dev/full/x"),
    }

    def command_line(self, random):
        style = random.randrange(7)
        environment = {}
        command = random.choice(("run", "attach"))
        operand = self.good if command == "run" else "1"
        if style in (0, 1):
            option = random.choice(list(self.BAD_VALUES))
            value = random.choice(self.BAD_VALUES[option])
            if random.random() < 0.3 and option != "--output":
                value = "".join(random.choices("abcxyz\x01\u00e4'\"\\ ", k=random.randint(1, 40))) + "?"
                if option == "--driver":
                    value = ""
            wrong = random.choice(([option, value], [f"{option}={value}"]))
            if option == "--output" and value and command == "attach":
                command, operand = "run", self.good
            words = [command, *self.good_options(random), *wrong, operand]
        elif style == 2:
            name = "--" + "".join(random.choices("abcdefgh-", k=random.randint(1, 12))) + "q"
            words = [command, *self.good_options(random), random.choice((name, name + "=x")), operand]
        elif style == 3:
            words = [command, *self.good_options(random),
                     random.choice([o for o in self.BAD_VALUES] + ["-o"])]
        elif style == 4:
            words = random.choice(([], [""], ["rum"], ["--verbose"], ["-"], ["run"], ["run", "--"],
                                   ["attach"], ["attach", "--", "x"], ["attach", "-1"], ["attach", "1", "2"],
                                   ["attach", "0"], ["attach", "0x10"], ["attach", "9" * 400], ["-x"],
                                   ["attach", ""], ["run", "--profile=windows", "--driver=x.so",
                                                    "--on-bound=skip", self.good]))
        elif style == 5:
            text = random.choice(("'", '"', "\\", "--report", "--nonsense", "program", "--help", "--", "-",
                                  "--report=xml", "''", "--driver ''", "--pin 'a b'", "-o", "\x01"))
            environment = {"KEBOUND_OPTIONS": shlex.join(self.good_options(random)) + " " + text}
            words = [command, operand]
        else:
            words = [command, random.choice(("--verbose=1", "--verbose=", "--help=x", "-qo", "-v", "---", "--=x")),
                     operand]
        return Input("command line", words, {125}, environment)

    @staticmethod
    def good_options(random):
        words = [["--verbose"], ["--report=none"], ["--report", "text"], ["--pin", "none"], ["--on-bound=skip"],
                 ["--error-exitcode", "3"], ["--livelock-limit=0"], ["--backtraces", "all"]]
        return [word for option in random.sample(words, random.randint(0, 3)) for word in option]
