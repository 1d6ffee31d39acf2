# SPDX-License-Identifier: Apache-2.0
"""Whether a shape's function and its twin (guests/twins.c), which has another answer, are the same instructions."""
import re
import subprocess

SAME_CODE = "another index or condition has the same code"
ADDRESS = re.compile(r"\$?-?0x[0-9a-f]+")


def functions(path):
    """{name: instructions}, with data's addresses left out and jumps relative to the function."""
    text = subprocess.run(["objdump", "-dr", "--no-show-raw-insn", path], capture_output=True, text=True, check=True).stdout
    found, name, lines = {}, "", None
    for line in text.splitlines():
        head = re.match(r"([0-9a-f]+) <([\w.]+)>:$", line)
        if head:
            begin, name, lines = int(head[1], 16), head[2], found.setdefault(head[2], [])
            continue
        if lines is None:
            continue
        if "R_386_" in line or "R_X86_64_" in line:
            # What the linker fills in: where something lies.
            lines[-1] = ADDRESS.sub("ADDRESS", lines[-1], count=1) if "<" not in lines[-1] else "to another place " + lines[-1].split()[0]
            continue
        match = re.match(r"\s+([0-9a-f]+):\t(\S+)\s*(.*?)(?:\s+#.*)?$", line)
        if match:
            jump = re.match(r"([0-9a-f]+) <", match[3])
            operands = f"+{int(jump[1], 16) - begin}" if jump else match[3]
            # Another function of the same file, at its beginning.
            if re.match(rf"[0-9a-f]+ <(?!{re.escape(name)}\b)[\w.]+>$", match[3]):
                operands = "to another place"
            lines.append(f"{match[2]} {operands}".strip())
    return {name: strip_padding(code) for name, code in found.items()}


def strip_padding(code):
    # Behind the last instruction.
    end = len(code)
    while end and (code[end - 1].startswith(("nop", "data16", "cs nop", "xchg %ax,%ax")) or
                   re.match(r"lea ADDRESS?0x0\(%esi|lea 0x0\(%esi", code[end - 1])):
        end -= 1
    return code[:end]


def twinned(shapes_objects, twins_object):
    """Names of the shapes whose code is that of their twin. Of a shape that takes its input apart, the code with the check is in NAME_of."""
    shapes, twins = {}, functions(twins_object)
    for path in shapes_objects:
        shapes.update(functions(path))
    checks = {name for name in shapes if name + "_of" not in shapes}
    return {name.removeprefix("twin_").removesuffix("_of") for name, code in twins.items()
            if name.startswith("twin_") and code and name.removeprefix("twin_") in checks and shapes[name.removeprefix("twin_")] == code}
