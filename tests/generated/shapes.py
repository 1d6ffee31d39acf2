# SPDX-License-Identifier: Apache-2.0
"""Functions that index out of bounds, as chance will have it."""
import dataclasses

import data
import text

TYPES = ("int", "int", "unsigned", "unsigned", "long", "unsigned long", "size_t", "unsigned char", "unsigned char", "signed char", "short",
         "uint16_t", "long long", "unsigned long long")
NARROW = ("unsigned char", "signed char", "short", "uint16_t")
IS_UNSIGNED = ("unsigned", "unsigned long", "size_t", "unsigned char", "uint16_t", "unsigned long long")
FIELD = 8  # bits of the input for each number


@dataclasses.dataclass
class Shape:
    name: str
    lines: list          # of the file, with marks
    needs: set           # declarations
    permissive: set      # sites whose limit may be the length
    inputs: list
    is_single: bool      # one access, and nothing else uses what its index is made of

    def has_choice(self):
        return any("?" in line for line in self.lines)


class Writer:
    def __init__(self, random, pool, number):
        self.random, self.pool, self.number = random, pool, number
        self.name = f"f{number}"
        self.sites = 0
        self.permissive, self.needs = set(), set()
        self.setup, self.body = [], []
        self.variables = []  # (name, type, smallest value)
        self.helpers = []
        self.locals = 0
        self.uses = 0
        self.limit = None

    def next_site(self):
        self.sites += 1
        return self.sites

    # Numbers

    def constant(self):
        return self.random.choice((1, 1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 16))

    def suffix(self):
        return self.random.choice(("", "", "", "", "u", "l", "ul", "ll"))

    def atom(self):
        self.uses += 1
        return self.random.choice(self.variables)[:2]

    def expression(self, depth=0):
        """An index."""
        r, (k, kind) = self.random, self.atom()
        c, d, u = self.constant(), self.constant(), self.suffix()
        forms = [(8, lambda: k), (6, lambda: f"{k} + {c}{u}"), (4, lambda: f"{k} - {c}{u}"), (2, lambda: f"{c}{u} - {k}"), (4, lambda: f"{r.choice((2, 2, 3, 4, 8))}{u} * {k}"),
                 (3, lambda: f"{r.choice((2, 3, 4))}{u} * {k} + {d}"), (1, lambda: f"{r.choice((2, 4))} * {k} - {d}"), (1, lambda: f"2 * ({k} + {c}{u})"),
                 (2, lambda: f"{k} / {r.choice((2, 3, 4, 8))}{u}"), (2, lambda: f"{k} % {r.choice((5, 8, 12, 16, 30))}{u}"),
                 (2, lambda: f"({k} & {r.choice((7, 15, 31, 12, 254, 255))}{u})"), (2, lambda: f"({k} >> {r.choice((1, 2, 3))})"),
                 (2, lambda: f"({r.choice(NARROW)}){k}"), (1, lambda: f"({r.choice(TYPES)})({k} + {c})"), (1, lambda: f"({k} ^ {c})"), (1, lambda: f"({k} | {c})"),
                 (2, lambda: f"{k} + {self.atom()[0]}"), (1, lambda: f"{k} - {self.atom()[0]}"), (1, lambda: f"({k} < {c} ? {k} : {k} + {d})"),
                 (1, lambda: f"({k} > {c} ? {c} : {k})"), (1, lambda: f"({k} < {c} ? {c} : {k})"), (1, lambda: self.call()), (1, lambda: self.table_value())]
        if kind in IS_UNSIGNED:
            forms += [(1, lambda: f"({k} << {r.choice((1, 2))})")]
        if depth == 0:
            forms += [(2, lambda: f"({self.expression(1)}) + {c}{u}"), (1, lambda: f"({self.expression(1)}) * 2"), (1, lambda: f"({r.choice(TYPES)})({self.expression(1)})"),
                      (1, lambda: f"({self.expression(1)}) / 2")]
        return r.choices([f for _, f in forms], [w for w, _ in forms])[0]()

    def call(self):
        """What a function makes of a number."""
        r, name = self.random, f"{self.name}_part{len(self.helpers)}"
        kind, result, (k, _) = r.choice(TYPES), r.choice(TYPES), self.atom()
        how = r.choice(("x + 3", "x & 31", "x / 2", "x", "x > 20 ? 20 : x", "x == 3 ? 40 : 5"))
        kept = r.choice(("static NOINLINE", "OPAQUE", "static inline"))
        self.helpers.append(f"{kept} {result} {name}({kind} x) {{ return ({result})({how}); }}")
        return f"{name}(({kind}){k})"

    def table_value(self):
        self.needs.add("bytes")
        return f"bytes[{self.atom()[0]} & 255]"

    # Arrays

    def array(self):
        r, chance = self.random, self.random.random()
        if chance < 0.08 and self.limit:
            array = data.variable(r, self.locals, self.limit)
        elif chance < 0.2:
            array = data.local(r, self.locals)
        else:
            array = r.choice(self.pool.globals)
            if chance < 0.28 and len(array.dims) == 1 and array.before == array.name and not array.after and not array.is_record:
                array = data.pointed_to(r, self.locals, array)
        self.locals += 1
        self.needs.update(array.needs)
        for line in array.setup:
            if line not in self.setup:
                self.setup.append(line)
        return array

    def element(self, array, expression=None):
        expressions = [expression if expression is not None and i == len(array.dims) - 1 else self.expression() for i in range(len(array.dims))]
        return data.element_of(array, expressions, self.next_site, self.permissive)

    def address(self, array, expression=None):
        first = self.sites
        place = self.element(array, expression)
        self.permissive.update(range(first + 1, self.sites + 1))
        return "&" + place

    def scalar_array(self, writable=False):
        while True:
            array = self.array()
            if not array.element.startswith("struct") and not (writable and array.is_const):
                return array

    # Statements

    def read(self, expression=None):
        return [f"s += (long){self.element(self.scalar_array(), expression)};"]

    def write(self, expression=None):
        value = self.random.choice(("1", "7", "s", self.random.choice(self.variables)[0]))
        array = self.scalar_array(writable=True)
        return [f"{self.element(array, expression)} = ({array.element}){value};"]

    def change(self, expression=None):
        array = self.scalar_array(writable=True)
        if self.random.random() < 0.5:
            first = self.sites
            place = self.element(array, expression)
            self.permissive.update(range(first + 1, self.sites + 1))
            return [f"{place}{self.random.choice(('++', '--'))};"]
        return [f"{self.element(array, expression)} {self.random.choice(('+=', '-='))} 3;"]

    def passed_on(self, expression=None):
        array = self.array()
        self.helpers.append(f"OPAQUE long {self.name}_at{self.sites}(const volatile void* place) {{ return place != 0; }}")
        return [f"s += {self.name}_at{self.sites}({self.address(array, expression)});"]

    def read_through(self, expression=None):
        """The address is made here, and read elsewhere."""
        array = self.scalar_array()
        self.helpers.append(f"OPAQUE long {self.name}_read{self.sites}(const {array.element}* place) {{ return (long)*place; }}")
        return [f"s += {self.name}_read{self.sites}({self.address(array, expression)});"]

    def unread(self, expression=None):
        return [f"(void){self.element(self.scalar_array(), expression)};"]

    def pair(self):
        array, (k, _) = self.scalar_array(), self.atom()
        self.uses += 1
        first, second = self.random.choice(((f"2 * {k}", f"2 * {k} + 1"), (f"{k}", f"{k} + 1"), (f"{k} + 3", f"{k}"), (f"{k} - 1", f"{k}"), (f"{k} + 1", f"{k} + 2"), (f"4 * {k}", f"4 * {k} + 3")))
        if self.random.random() < 0.4 and not array.is_const:
            return [f"{self.element(array, first)} = 1;", f"{self.element(array, second)} = 2;"]
        return [f"s += (long){self.element(array, first)};", f"s += (long){self.element(array, second)} << 8;"]

    def same_in_two(self):
        expression = self.expression()
        self.uses += 1
        one, other = self.random.choice((self.read, self.write, self.change)), self.random.choice((self.read, self.read, self.unread, self.passed_on, self.read_through))
        return one(expression) + other(expression)

    def near_in_two(self):
        k, _ = self.atom()
        self.uses += 1
        one, other = self.random.sample((f"{k}", f"{k} + {self.constant()}", f"{k} - {self.constant()}", f"2 * {k}"), 2)
        return self.random.choice((self.read, self.unread, self.passed_on, self.write))(one) + self.random.choice((self.read, self.write, self.read_through))(other)

    def unchecked(self):
        """An access by a pointer, which has no check, beside one that has."""
        r, (k, _) = self.random, self.atom()
        self.uses += 1
        big, kind = r.choice((("big", "int"), ("bytes", "unsigned char")))
        self.needs.add(big)
        name = f"q{self.locals}"
        self.locals += 1
        self.setup.append(f"const {kind}* {name} = {big} + {data.MIDDLE};")
        if r.random() < 0.6:
            self.setup.append(f"HIDE({name});")
        lines = [f"s += {name}[(unsigned char)({k} + 3)];" if r.random() < 0.3 else f"s += {name}[{k} & 127];" if r.random() < 0.3 else f"s += {name}[{k}];"]
        checked = r.choice((self.read, self.unread, self.write))(r.choice((k, f"{k} + {self.constant()}", None)))
        return lines + checked if r.random() < 0.4 else checked + lines

    def swap(self):
        array = self.scalar_array(writable=True)
        if len(array.dims) != 1:
            return self.read()
        one, other = self.expression(), self.expression()
        name = f"t{self.locals}"
        self.locals += 1
        return [f"const {array.element} {name} = {self.element(array, one)};", f"{self.element(array, one)} = {self.element(array, other)};", f"{self.element(array, other)} = {name};"]

    def guard(self):
        r, (k, kind) = self.random, self.atom()
        c = r.choice((1, 3, 5, 8, 12, 20, 30, 40))
        condition = r.choice((f"{k} > {c + 60}", f"{k} != {c}", f"{k} < {c}", f"{k} >= {c}", f"{k} == {c}", f"({k} & 1) == 0"))
        then = r.choice(("return s;", "s += 2;", "s ^= 5;", "trap", "trap", "assign"))
        if then == "trap":
            explicit = r.choice(((f"{k} > {c + 20}", k, c + 21), (f"{k} >= {c + 20}", k, c + 20), (f"{k} == {c}", k, None)))
            return [f"if ({explicit[0]}) {text.trap(self.next_site(), explicit[1], explicit[2])};"]
        if then == "assign":
            return [f"if ({k} == {c}) {k} = 4;"]
        return [f"if ({condition}) {then}"]

    def branches(self):
        k, _ = self.atom()
        form = self.random.choice(("if", "switch", "while"))
        if form == "if":
            return [f"if ({k} < {self.constant() + 8}) {{", *self.one(), "} else {", *self.one(), "}"]
        if form == "switch":
            return [f"switch ({k} & 3) {{", "case 0:", *self.one(), "break;", "case 1:", *self.one(), "break;", "default:", *self.one(), "}"]
        return [f"if ({self.element(self.scalar_array(), k)} > 1) {{", *self.one(), "}"]

    def loop(self):
        r, (k, kind) = self.random, self.atom()
        i, c = f"i{self.locals}", self.constant()
        self.locals += 1
        counter = r.choice(("int", "unsigned", "size_t", "long", "unsigned char", "short"))
        end = f"({counter})({k} & 63)"
        head = r.choice((f"for ({counter} {i} = 0; {i} < {end}; ++{i}) {{", f"for ({counter} {i} = {end}; {i} > 0; --{i}) {{", f"for ({counter} {i} = {c}; {i} <= {end}; {i} += 2) {{",
                         f"for ({counter} {i} = 0, j{i} = {end}; {i} < j{i}; ++{i}, --j{i}) {{", f"{counter} {i} = {end}; while ({i}-- != 0) {{"))
        kept, self.variables = self.variables, [(i, counter, 0)] + ([(f"j{i}", counter, 0)] if f"j{i}" in head else []) + ([r.choice(self.variables)] if r.random() < 0.4 else [])
        inside = self.one() + (self.one() if r.random() < 0.4 else [])
        self.variables = kept
        self.uses += 5
        return [head, *inside, "}"]

    def one(self):
        r = self.random
        return r.choices((self.read, self.write, self.change, self.passed_on, self.read_through, self.unread), (8, 4, 3, 1, 2, 1))[0]()

    # Functions

    def choose_variables(self):
        """Numbers, and which part of the input each is."""
        r, parts = self.random, []
        names = "kjn"[:r.choice((1, 1, 1, 2, 2, 3))]
        for name in names:
            kind = r.choice(TYPES)
            least = r.choice((0, 0, 0, 8))
            shift = len(parts) * FIELD
            field = f"(input >> {shift} & 255)" if shift else "(input & 255)"
            value = f"({kind}){field}" if not least else f"({kind})({field} - {least})"
            if len(names) == 1 and r.random() < 0.3:
                value = f"({kind})input"
            parts.append((name, kind, value))
            self.variables.append((name, kind, -least))
        if len(parts) == 3:
            # The last one is a length.
            parts[2] = ("n", parts[2][1], f"({parts[2][1]})((input >> {2 * FIELD} & 15) + 2)")
            self.variables.pop()
            self.limit = "n"
        return parts

    def write_body(self):
        r = self.random
        statements = []
        if r.random() < 0.35:
            statements += self.guard()
        uses_before = self.uses
        chance = r.random()
        if chance < 0.4:
            statements += self.one()
        else:
            for _ in range(r.choice((1, 1, 2))):
                statements += r.choices((self.one, self.pair, self.same_in_two, self.near_in_two, self.unchecked, self.swap, self.branches, self.loop),
                                        (4, 3, 3, 4, 4, 1, 2, 3))[0]()
                if r.random() < 0.15:
                    statements += self.guard()
        is_single = self.uses == 1 and self.sites == 1 and uses_before == 0
        if r.random() < 0.3:
            statements.append(f"s += {self.atom()[0]};")
            is_single = False
        return statements, is_single

    def shape(self):
        r = self.random
        parts = self.choose_variables()
        statements, is_single = self.write_body()
        style = r.random()
        head = []
        if style < 0.45:
            # Numbers of the function itself, some of them from memory.
            for name, kind, value in parts:
                if r.random() < 0.15:
                    head.append(f"{kind} {name}_memory = {value};")
                    head.append(f"{kind}* {name}_place = &{name}_memory; HIDE({name}_place); TOUCH({name}_place);")
                    value = f"*{name}_place"
                head.append(f"{kind} {name} = {value};")
            first = [f"OPAQUE long {self.name}(long input) {{"]
            last = []
        else:
            kept = r.choice(("static NOINLINE", "static NOINLINE", "OPAQUE", "NOINLINE", "static"))
            arguments = ", ".join(value for _, _, value in parts)
            first = [f"{kept} long {self.name}_of({', '.join(f'{kind} {name}' for name, kind, _ in parts)}) {{"]
            last = [f"OPAQUE long {self.name}(long input) {{ return {self.name}_of({arguments}); }}"]
            if kept != "OPAQUE" and r.random() < 0.25:
                # Another caller, of which the compiler does not know that it never is.
                other = ", ".join(f"({kind})(input + {i})" if r.random() < 0.5 else f"({kind})5" for i, (_, kind, _) in enumerate(parts))
                last.append(f"OPAQUE long {self.name}_never(long input) {{ return {self.name}_of({other}); }}")
        lines = self.helpers + first + ["long s = 1;"] + head + self.setup
        lines += statements + ["return s;", "}"] + last
        return Shape(self.name, lines, self.needs, self.permissive, self.inputs(len(parts)), is_single)

    def inputs(self, count):
        r, found = self.random, []
        for number in range(26):
            fields = [r.choice((r.randrange(0, 16), r.randrange(0, 40), r.randrange(0, 256), 0, 7, 8)) for _ in range(count)]
            value = sum(f << (i * FIELD) for i, f in enumerate(fields))
            if count == 1 and number % 5 == 0:
                value = -r.randrange(1, 20)
            if value not in found:
                found.append(value)
        return found


class Program:
    """One file of `count` shapes."""

    def __init__(self, random, count):
        self.pool = data.Pool(random)
        self.shapes = [Writer(random, self.pool, number).shape() for number in range(count)]
        self.by_name = {shape.name: shape for shape in self.shapes}

    def source(self, read, shapes=None):
        return source_of(self.pool, shapes or self.shapes, read)


def source_of(pool, shapes, read):
    """The file, `read` by text.plain or text.for_oracle: both have the same lines."""
    needed = set().union(*(shape.needs for shape in shapes))
    parts = ['#include "frame.h"', pool.text(needed)]
    for shape in shapes:
        parts += ["", *(read(line) for line in shape.lines)]
    parts += ["", "const struct shape shapes[] = {"] + [f'    {{"{s.name}", {s.name}}},' for s in shapes] + ["};", "const size_t shape_count = sizeof shapes / sizeof *shapes;"]
    return "\n".join(parts) + "\n"
