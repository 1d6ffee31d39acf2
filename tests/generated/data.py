# SPDX-License-Identifier: Apache-2.0
"""The arrays of a generated program, and how an element of one is written in C."""
import dataclasses

import text

ELEMENTS = ("char", "signed char", "unsigned char", "short", "uint16_t", "int", "int", "int", "unsigned", "long", "size_t", "double", "long long")
BIG, MIDDLE = 1024, 256  # an array that unchecked pointers lead to, and which of its elements they begin with


@dataclasses.dataclass
class Array:
    """Something with `dims`, whose element is reached by `before` + "[i]" per dimension, with `between` in between, + `after`."""
    name: str
    dims: tuple
    before: str
    after: str = ""
    element: str = "int"
    is_const: bool = False
    setup: tuple = ()   # lines that a function needs before
    needs: tuple = ()   # declarations of the file
    is_record: bool = False
    between: str = ""


def length(random):
    return random.choice((1, 2, 3, 4, 5, 6, 7, 7, 8, 9, 10, 10, 11, 12, 13, 16, 17, 20, 31, 32, 33, 64, 100))


def values(random, count, element):
    top = 100 if element != "double" else 9
    return ", ".join(str(random.randrange(1, top)) for _ in range(min(count, 12)))


class Pool:
    """The globals of a program."""

    def __init__(self, random):
        self.random = random
        self.declarations = []
        self.globals = []
        for number in range(14):
            self.add_global(number)
        for number in range(4):
            self.add_rows(number)
        for number in range(4):
            self.add_record(number)
        self.declarations.append(("big", f"__attribute__((used)) int big[{BIG}] = {{1, 2, 3}};"))
        self.declarations.append(("bytes", f"__attribute__((used)) unsigned char bytes[{BIG}] = {{1, 2, 3}};"))
        random.shuffle(self.declarations)

    def declare(self, name, words, value=None):
        # A tentative definition and one with a value lie in different sections.
        self.declarations.append((name, words + (f" = {value};" if value else ";")))

    def add_global(self, number):
        r = self.random
        name, element, count = f"g{number}", r.choice(ELEMENTS), length(r)
        const = r.random() < 0.15
        storage = ("static " if r.random() < 0.4 else "") + ("const " if const else "")
        has_value = const or r.random() < 0.6
        used = "" if const else "__attribute__((used)) "
        self.declare(name, f"{used}{storage}{element} {name}[{count}]", "{" + values(r, count, element) + "}" if has_value else None)
        self.globals.append(Array(name, (count,), name, element=element, is_const=const, needs=(name,)))

    def add_rows(self, number):
        r = self.random
        dims = tuple(r.choice((2, 3, 4, 5, 7, 8, 10)) for _ in range(2 if r.random() < 0.7 else 3))
        name, element = f"m{number}", r.choice(ELEMENTS)
        self.declare(name, f"__attribute__((used)) {element} {name}" + "".join(f"[{d}]" for d in dims), "{{0}}" if len(dims) == 2 else None)
        self.globals.append(Array(name, dims, name, element=element, needs=(name,)))

    def add_record(self, number):
        """A structure with arrays between other members, one of it, and an array of it."""
        r = self.random
        type_name, members = f"struct r{number}", []
        lines = [type_name + " {"]
        for member in range(r.randrange(2, 4)):
            if r.random() < 0.6:
                lines.append(f"  {r.choice(ELEMENTS)} before{member};")
            count, element = max(2, length(r)), r.choice(ELEMENTS)
            members.append((f"list{member}", count, element))
            lines.append(f"  {element} list{member}[{count}];")
        # An array at the end may be longer than it says: gcc does not check it.
        lines += ["  long last;", "};"]
        one, many, count = f"one{number}", f"many{number}", length(r)
        self.declarations.append((type_name, "\n".join(lines)))
        self.declare(one, f"__attribute__((used)) {type_name} {one}")
        self.declare(many, f"__attribute__((used)) {type_name} {many}[{count}]")
        for member, inner, element in members:
            self.globals.append(Array(one, (inner,), f"{one}.{member}", element=element, needs=(type_name, one)))
            # Through a pointer of which the compiler knows nothing.
            self.globals.append(Array(one, (inner,), f"p{number}->{member}", element=element, needs=(type_name, one),
                                      setup=(f"{type_name}* p{number} = &{one};", f"HIDE(p{number});")))
            self.globals.append(Array(many, (count, inner), many, "", element, needs=(type_name, many), between=f".{member}"))
        self.globals.append(Array(many, (count,), many, ".last", "long", needs=(type_name, many), is_record=True))
        self.globals.append(Array(many, (count,), many, "", type_name, needs=(type_name, many), is_record=True))

    def text(self, needed):
        """Declarations of what is needed, types first."""
        order = sorted((d for d in self.declarations if d[0] in needed), key=lambda d: not d[0].startswith("struct"))
        return "\n".join(words for _, words in order)

    def names(self):
        return {name for name, _ in self.declarations}


def local(random, number):
    """An array of a function's own."""
    count, element, name = length(random), random.choice(ELEMENTS), f"l{number}"
    if random.random() < 0.3:
        return Array(name, (count,), name, element=element, is_const=True,
                     setup=(f"static const {element} {name}[{count}] = {{{values(random, count, element)}}};",))
    return Array(name, (count,), name, element=element,
                 setup=(f"{element} {name}[{count}] = {{{values(random, count, element)}}};", f"TOUCH({name});"))


def variable(random, number, limit):
    """One whose length is a variable."""
    element, name = random.choice(ELEMENTS), f"v{number}"
    return Array(name, (limit,), name, element=element, setup=(f"{element} {name}[{limit}];", f"memset({name}, 1, sizeof {name});", f"TOUCH({name});"))


def pointed_to(random, number, array):
    """An array by a pointer to all of it."""
    name = f"a{number}"
    const = "const " if array.is_const else ""
    setup = (f"{const}{array.element}(*{name})[{array.dims[0]}] = &{array.name};",) + ((f"HIDE({name});",) if random.random() < 0.7 else ())
    return Array(array.name, array.dims, f"(*{name})", element=array.element, is_const=array.is_const, setup=setup, needs=array.needs)


def element_of(array, expressions, next_site, permissive):
    """C for an element of `array`. Sites whose index may be equal to the length go to `permissive`."""
    parts = array.before
    for number, (expression, dim) in enumerate(zip(expressions, array.dims)):
        site = next_site()
        parts += f"{array.between if number else ''}[{text.index(site, expression, dim)}]"
        if number + 1 < len(array.dims) or array.is_record:
            permissive.add(site)
    return parts + array.after
