# SPDX-License-Identifier: Apache-2.0
"""A finding with as few lines as show it, and its code."""
import dataclasses
import re
import subprocess

import shapes
import text
import trial
import truth


def without(shape, numbers):
    return dataclasses.replace(shape, lines=[line for i, line in enumerate(shape.lines) if i not in numbers])


def removable(lines):
    """Sets of lines to try to leave out: blocks, heads of blocks with their ends, and lines."""
    for i, line in enumerate(lines):
        if line.endswith("{") and not line.startswith("}"):
            depth, end = 0, i
            for end in range(i, len(lines)):
                depth += lines[end].count("{") - lines[end].count("}")
                if depth <= 0:
                    break
            yield set(range(i, end + 1))
            yield {i, end}
        yield {i}


def reduced(bench, pool, finding, name):
    """The smallest finding of the same kind, and its trial.Program."""
    def attempt(shape):
        program = trial.Program(bench, name, pool, [shape], finding.answer == "clamp")
        judged = program.judge(finding.config)
        same = [f for f in judged[0] if (f.verdict, f.answer) == (finding.verdict, finding.answer) and f.event["confidence"] == finding.event["confidence"]] if judged else []
        return (same[0], program) if same else None

    best = attempt(dataclasses.replace(finding.shape, inputs=[finding.truth.given]))
    if best is None:
        # It takes the whole file.
        return None
    progress = True
    while progress:
        progress = False
        for numbers in removable(best[0].shape.lines):
            smaller = attempt(without(best[0].shape, numbers))
            if smaller:
                best, progress = smaller, True
                break
    # Declarations that are no longer used.
    used = " ".join(best[0].shape.lines)
    while True:
        more = {n for n in best[0].shape.needs if re.search(rf"\b{n}\b", used + " " + pool.text({m for m in best[0].shape.needs if m in used}))}
        smaller = attempt(dataclasses.replace(best[0].shape, needs=more)) if more != best[0].shape.needs else None
        if not smaller:
            break
        best = smaller
    attempt(best[0].shape)
    return best


def disassembly(program, name):
    done = subprocess.run(["objdump", "-d", "--no-show-raw-insn", program], capture_output=True, text=True, check=False).stdout
    return "\n\n".join(part for part in done.split("\n\n") if re.search(rf"^[0-9a-f]+ <{name}[.\w]*>:", part, re.MULTILINE)).strip()


def described(finding, pool):
    event, shape = finding.event, finding.shape
    claim = {k: event[k] for k in ("source", "confidence", "index", "index_raw", "index_width", "index_register", "lower", "upper", "line", "ip", "trap_ip", "line_ip", "resumable", "doubt")}
    fails = [f"{'trap' if f.is_trap else 'check'} at line {f.line}: index {f.index}, length {f.length}" for f in finding.truth.failures[:6]]
    how = f"{finding.why}: {truth.relation(event, finding.truth)}" if finding.answer == "propagate" else finding.why
    return "\n".join([f"{finding.verdict} ({event['confidence']}, {finding.answer}): {how}", f"  {finding.config}", f"  input {finding.truth.given}", f"  claim {claim}",
                      "  truth " + "; ".join(fails)]), shapes.source_of(pool, [shape], text.plain)
