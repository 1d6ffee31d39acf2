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
LOOK_BACK = 3  # instructions between compare and branch
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
            for i in range(branch - 1, max(branch - 1 - LOOK_BACK, -1), -1):
                if re.match(r"(cmp|test)[bwlq]?$", self.instructions[i][1]):
                    yield self.instructions[i][1], split(self.instructions[i][2])
                    break


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

    def is_compare(self, at, gone, registers, wanted):
        _, mnemonic, text = self.code.instructions[at]
        operands = split(text)
        if not mnemonic.startswith("cmp") or len(operands) != 2:
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
