# SPDX-License-Identifier: Apache-2.0
"""Whether the code has a compare of the index with its limit: the second opinion, from objdump's text, that the rate is measured against.

Knows the answer (index and limit), so it need not prove anything: it only looks whether one of the branches to the trap has that compare
before it."""
import re
import subprocess

LINE = re.compile(r"^\s+([0-9a-f]+):\t(\S+)\s*(.*?)(?:\s+#.*)?$")
NAMES = {64: "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(),
         32: "eax ecx edx ebx esp ebp esi edi r8d r9d r10d r11d r12d r13d r14d r15d".split(),
         16: "ax cx dx bx sp bp si di r8w r9w r10w r11w r12w r13w r14w r15w".split(),
         8: "al cl dl bl spl bpl sil dil r8b r9b r10b r11b r12b r13b r14b r15b".split()}
WIDTHS = {name: (width, number) for width, names in NAMES.items() for number, name in enumerate(names)}
LOOK_BACK = 3  # instructions between compare and branch


class Code:
    def __init__(self, path):
        text = subprocess.run(["objdump", "-d", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
        self.instructions = []  # (address, mnemonic, operands)
        for line in text.splitlines():
            match = LINE.match(line)
            if match:
                self.instructions.append((int(match[1], 16), match[2], match[3]))
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
