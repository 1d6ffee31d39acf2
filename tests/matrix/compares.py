# SPDX-License-Identifier: Apache-2.0
"""Whether the code has a compare of the index with its limit: the second opinion, from objdump's text, that the rate is measured against.

Knows the answer (index and limit), so it need not prove anything: it only looks whether one of the branches to the trap has that compare
before it. Of a check that ends in a call it looks whether the operands of such a compare are left when the call is made: what the function
is called with is put into registers first."""
import re
import subprocess

NO_COMPARE = "no compare of index and limit in the code"
OVERWRITTEN = "index or limit overwritten before the call"

LINE = re.compile(r"^\s+([0-9a-f]+):\t(\S+)\s*(.*?)(?:\s+#.*)?$")
NAMES = {64: "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(),
         32: "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split(),
         16: "ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w".split(),
         8: "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split()}
WIDTHS = {name: (width, number) for width, names in NAMES.items() for number, name in enumerate(names)}
SIGNED = re.compile(r"jn?[gl]e?$")  # lets negative numbers pass, so that 0 is not the lower limit
COMPARE = re.compile(r"(cmp|test)[bwlq]?$")
LOOK_BACK = 3  # instructions between compare and branch
CHOICE_LOOK_BACK = 16  # instructions between the choice of an operand and the compare
CALL_LOOK_BACK = 60  # instructions before a call
LOADED = re.compile(r"^-?(?:0x[0-9a-f]+)?\(%(\w+)\)$")
CALLED = {64: {0, 1, 2, 6, 7, 8, 9, 10, 11}, 32: {0, 1, 2}}  # what a function may overwrite
WRITES_NOTHING = ("cmp", "test", "push", "j", "nop", "bt", "ud", "ret")


class Code:
    def __init__(self, path):
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
        self.instructions = []  # (address, mnemonic, operands)
        for line in text.splitlines():
            match = LINE.match(line)
            if match:
                self.instructions.append((int(match[1], 16), match[2], match[3]))
        self.mode = 64 if "elf64-x86-64" in text[:200] else 32
        self.number = {address: i for i, (address, _, _) in enumerate(self.instructions)}
        self.jumps = {}  # target -> instructions that jump there
        for i, (_, mnemonic, operands) in enumerate(self.instructions):
            target = re.match(r"([0-9a-f]+)\b", operands)
            if mnemonic.startswith("j") and target:
                self.jumps.setdefault(int(target[1], 16), []).append(i)

    def edges(self, trap, depth=2):
        """Numbers of the conditional branches that decide about the trap."""
        found = []
        for i in self.jumps.get(trap, []):
            address, mnemonic, _ = self.instructions[i]
            if mnemonic != "jmp":
                found.append(i)
            elif depth:
                found += self.edges(address, depth - 1)
        before = self.number.get(trap, 0) - 1
        if before >= 0 and self.instructions[before][1].startswith("j") and self.instructions[before][1] != "jmp":
            found.append(before)
        return found

    def compares(self, trap):
        for branch in self.edges(trap):
            if SIGNED.match(self.instructions[branch][1]):
                continue
            for i in range(branch - 1, max(branch - 1 - LOOK_BACK, -1), -1):
                if COMPARE.match(self.instructions[i][1]):
                    if not self.compares_limit_with_itself(i, branch):
                        yield self.instructions[i][1], split(self.instructions[i][2])
                    break

    def branch_of(self, compare):
        """Number of the conditional branch that a compare decides; None where it decides something else, or other flags come between."""
        for i in range(compare + 1, min(compare + 2 + LOOK_BACK, len(self.instructions))):
            mnemonic = self.instructions[i][1]
            if mnemonic.startswith("j"):
                return i if mnemonic != "jmp" else None
            if COMPARE.match(mnemonic):
                return None
        return None

    def compares_limit_with_itself(self, compare, branch):
        """Whether `compare` asks for equality of the limit and the lesser of it and something else, as of a whole loop: "n == min(n, last)".
        Where both are equal, both are the limit, whatever the index was."""
        parts = split(self.instructions[compare][2])
        if self.instructions[branch][1] not in ("je", "jne") or len(parts) != 2 or not self.instructions[compare][1].startswith("cmp"):
            return False
        numbers = [register_number(part) for part in parts]
        if None in numbers:
            return False
        return any(self.is_lesser_of(a, b, compare) for a, b in (numbers, numbers[::-1]))

    def is_lesser_of(self, register, limit, at):
        """Whether `register` was chosen (cmov), before instruction `at`, from `limit` and others."""
        chosen = False
        for i in range(at - 1, max(at - CHOICE_LOOK_BACK, -1), -1):
            _, mnemonic, operands = self.instructions[i]
            parts = split(operands)
            source, target = (register_number(parts[0]), register_number(parts[1])) if len(parts) == 2 else (None, None)
            if mnemonic.startswith("cmov") and target == register:
                chosen = True
                if source == limit or (source is not None and self.is_lesser_of(source, limit, i)):
                    return True
            elif mnemonic.startswith("mov") and target == register:
                return chosen and source == limit
            elif mnemonic.startswith(("j", "call", "ret")) or limit == target and not mnemonic.startswith(WRITES_NOTHING):
                return False
        return False


def split(operands):
    """AT&T operands; commas inside parentheses do not separate."""
    return re.findall(r"(?:[^,(]|\([^)]*\))+", operands)


def value(operand, registers):
    """(value, width) of a register or immediate; None for memory and what the registers do not tell."""
    if operand.startswith("$"):
        return int(operand[1:], 16), None
    name = operand.lstrip("%")
    if name not in WIDTHS or registers is None:
        return None
    width, number = WIDTHS[name]
    for full in (NAMES[64][number], NAMES[32][number]):
        if full in registers:
            return int(registers[full], 16) & ((1 << width) - 1), width
    return None


def is_index(operand, registers, wanted):
    if operand.startswith("$"):
        return False
    known = value(operand, registers)
    return known is None or known[0] == wanted["index"] % (1 << known[1])


def is_limit(operand, registers, wanted):
    known = value(operand, registers)
    if known is None:
        return not operand.startswith("$")
    width = known[1] or 64
    return any((known[0] - limit) % (1 << width) == 0 for limit in (wanted["upper"], wanted["upper"] + 1))


def register_number(operand):
    name = operand.lstrip("%")
    return WIDTHS[name][1] if name in WIDTHS else None


class Survival:
    """Which operands of a compare are left at a call, by what stands between both."""

    def __init__(self, code, call):
        self.code = code
        self.call = code.number[call]

    def written(self, i):
        """Registers that an instruction writes."""
        _, mnemonic, operands = self.code.instructions[i]
        if mnemonic.startswith("call"):
            return CALLED[self.code.mode]
        if mnemonic.startswith(WRITES_NOTHING):
            return set()
        parts = split(operands)
        number = register_number(parts[-1]) if parts else None
        return set() if number is None else {number}

    def operand(self, text, at, gone):
        """Whether the operand of instruction `at` is left where the registers `gone` have been overwritten."""
        if text.startswith("$"):
            return True
        number = register_number(text)
        if number is None:
            return not any(r in gone for r in map(register_number, re.findall(r"%\w+", text)) if r is not None)
        return number not in gone or self.held_elsewhere(number, at, gone)

    def held_elsewhere(self, number, at, gone):
        """By a copy, or where it was loaded from."""
        for i in range(at - 1, max(at - CALL_LOOK_BACK, 0), -1):
            _, mnemonic, operands = self.code.instructions[i]
            parts = split(operands)
            if mnemonic.startswith("mov") and len(parts) == 2:
                if register_number(parts[0]) == number and self.is_place(parts[1], gone):
                    return True
                if register_number(parts[1]) == number:
                    return self.operand(parts[0], i, gone) if register_number(parts[0]) is not None else self.is_place(parts[0], gone)
            if number in self.written(i) or mnemonic == "ret":
                return False
        return False

    @staticmethod
    def is_place(text, gone):
        number = register_number(text)
        if number is not None:
            return number not in gone
        # On the stack: what lies elsewhere is not the thread's own.
        memory = LOADED.match(text)
        return memory is not None and memory[1] in ("rsp", "rbp", "esp", "ebp")

    def any(self, registers, wanted):
        gone = set()
        for i in range(self.call - 1, max(self.call - CALL_LOOK_BACK, 0), -1):
            _, mnemonic, operands = self.code.instructions[i]
            if mnemonic == "ret":
                # Code from before a return: the branches that jump over it.
                return self.before_jumps(i + 1, gone, registers, wanted)
            if self.is_compare(i, gone, registers, wanted):
                return True
            gone = gone | self.written(i)
        return False

    def before_jumps(self, begin, gone, registers, wanted):
        for target in range(begin, self.call):
            address = self.code.instructions[target][0]
            for jump in self.code.jumps.get(address, []):
                late = set(gone)
                for i in range(jump, max(jump - CALL_LOOK_BACK, 0), -1):
                    if self.is_compare(i, late, registers, wanted):
                        return True
                    if self.code.instructions[i][1] == "ret":
                        break
                    late |= self.written(i)
        return False

    def decides(self, at):
        """Whether a compare decides about the call, directly or by a flag that is kept in a register."""
        if any(self.code.instructions[i][1].startswith("set") for i in range(at + 1, at + 1 + LOOK_BACK)):
            return True
        branch = self.code.branch_of(at)
        if branch is None or self.code.compares_limit_with_itself(at, branch):
            return False
        target = re.match(r"([0-9a-f]+)\b", self.code.instructions[branch][2])
        ways = [branch + 1] + ([self.code.number[int(target[1], 16)]] if target and int(target[1], 16) in self.code.number else [])
        return any(self.runs_into_call(way) for way in ways)

    def runs_into_call(self, begin):
        """Whether the call can be reached from there without a jump back or a return. More than there are, rather than fewer."""
        if begin > self.call:
            return False
        for _, mnemonic, operands in self.code.instructions[begin:self.call]:
            if mnemonic in ("ret", "ud2", "ud1"):
                return False
            if mnemonic == "jmp":
                target = re.match(r"([0-9a-f]+)\b", operands)
                return target is None or int(target[1], 16) <= self.code.instructions[self.call][0]
        return True

    def is_compare(self, at, gone, registers, wanted):
        _, mnemonic, text = self.code.instructions[at]
        operands = split(text)
        if not mnemonic.startswith("cmp") or len(operands) != 2 or not self.decides(at):
            return False
        if not all(self.operand(operand, at, gone) for operand in operands):
            return False
        # What is left in its register has to be the right number as well.
        known = {name: number for name, number in registers.items() if register_number(name) not in gone}
        return any(is_index(index, known, wanted) and is_limit(limit, known, wanted)
                   for index, limit in (operands, operands[::-1]))


def left_at_call(code, call, registers, wanted):
    return Survival(code, call).any(registers, wanted)


def has_compare(code, trap, registers, wanted):
    for mnemonic, operands in code.compares(trap):
        if len(operands) != 2:
            continue
        if mnemonic.startswith("test"):
            if operands[0] == operands[1] and wanted["upper"] == 0 and is_index(operands[0], registers, wanted):
                return True
            continue
        for index, limit in (operands, operands[::-1]):
            if is_index(index, registers, wanted) and is_limit(limit, registers, wanted):
                return True
    return False
