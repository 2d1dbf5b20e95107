"""Conditions and resource attributes by chance: as trees, as the bytes that Windows would make, as text of any style.

Knows: the byte codes of MS-DTYP 2.4.4.17 and 2.4.10.1, and the grammar, written down a second time and independently.
Must not know: the code under test.
"""

from __future__ import annotations

import random
import struct
from typing import Any

RELATIONS = {"==": 0x80, "!=": 0x81, "<": 0x82, "<=": 0x83, ">": 0x84, ">=": 0x85, "Contains": 0x86, "Any_of": 0x88,
             "Not_Contains": 0x8E, "Not_Any_of": 0x8F}
MEMBERS = {"Member_of": 0x89, "Device_Member_of": 0x8A, "Member_of_Any": 0x8B, "Device_Member_of_Any": 0x8C,
           "Not_Member_of": 0x90, "Not_Device_Member_of": 0x91, "Not_Member_of_Any": 0x92,
           "Not_Device_Member_of_Any": 0x93}
EXISTENCE = {"Exists": 0x87, "Not_Exists": 0x8D}
CLASSES = {"": 0xF8, "@User.": 0xF9, "@Resource.": 0xFA, "@Device.": 0xFB}
SIDS = {"BA": (5, 32, 544), "WD": (1, 0), "SY": (5, 18), "S-1-5-21-1-2-3-1001": (5, 21, 1, 2, 3, 1001),
        "S-1-15-3-1024-7": (15, 3, 1024, 7)}
STRINGS = ["", "PM", "two words", "(;)&&||", "Grüße", "\U0001F600", "%0041", "#", "{", "\ud800"]
NAMES = ["a", "Title", "colour", "ad://ext/Silo", "x@y", "1", "_"]
PREFIXED = [*NAMES, "two words", "Grüße", "a&b", "50%", "\U0001F600", "a;b{c}", 'q"q', "\ud800"]
NUMBERS = [0, 1, 7, 8, 255, 2**31, 2**32 - 1, 2**63 - 1]
LITERAL = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:./_#$'*+-;?@[\\]^_`{}~")

Tree = tuple[Any, ...]


class ConditionDice:
    """Everything follows from ``luck``."""

    def __init__(self, luck: random.Random) -> None:
        self.luck = luck

    def tree(self, depth: int = 3) -> Tree:
        """A truth value: ("and"|"or", l, r), ("not", x), ("exists", word, attribute), ("member", word, value), ..."""
        kind = self.luck.choice(["and", "or", "not", "term", "term"]) if depth else "term"
        if kind in ("and", "or"):
            return (kind, self.tree(depth - 1), self.tree(depth - 1))
        if kind == "not":
            return (kind, self.tree(depth - 1))
        kind = self.luck.choice(["exists", "member", "relation", "relation", "attribute"])
        if kind == "exists":
            return (kind, self.luck.choice(list(EXISTENCE)), self.attribute())
        if kind == "member":
            sids = [("sid", self.luck.choice(list(SIDS))) for _ in range(self.luck.randint(1, 3))]
            value = ("list", *sids) if len(sids) > 1 or self.luck.random() < 0.5 else sids[0]
            return (kind, self.luck.choice(list(MEMBERS)), value)
        if kind == "attribute":
            return self.attribute()
        right = self.attribute(local=False) if self.luck.random() < 0.3 else self.value()
        return (kind, self.luck.choice(list(RELATIONS)), self.attribute(), right)

    def attribute(self, local: bool = True) -> Tree:
        prefix = self.luck.choice(list(CLASSES)[0 if local else 1 :])
        return ("attribute", prefix, self.luck.choice(PREFIXED if prefix else NAMES))

    def value(self) -> Tree:
        if self.luck.random() < 0.2:
            return ("list", *[self.scalar() for _ in range(self.luck.randint(0, 3))])
        return self.scalar()

    def scalar(self) -> Tree:
        kind = self.luck.choice(["number", "string", "octets", "sid"])
        if kind == "number":
            return (kind, self.luck.choice(["", "+", "-"]), self.luck.choice([8, 10, 16]), self.luck.choice(NUMBERS))
        if kind == "string":
            return (kind, self.luck.choice(STRINGS))
        if kind == "octets":
            return (kind, self.luck.randbytes(self.luck.randint(0, 4)))
        return (kind, self.luck.choice(list(SIDS)))

    def text(self, tree: Tree) -> str:
        """The condition in parentheses, in any style that the grammar allows."""
        return self._any("(") + self._logical(tree, 0) + self._any(")")

    def _logical(self, tree: Tree, tightness: int) -> str:
        if tree[0] not in ("and", "or"):
            return self._term(tree)
        own = 2 if tree[0] == "and" else 1
        # Operators group from the left: the right operand needs parentheses where it is of the same kind.
        inner = self._logical(tree[1], own) + self._any("&&" if own == 2 else "||") + self._logical(tree[2], own + 1)
        return self._any("(") + inner + self._any(")") if own < tightness or self.luck.random() < 0.3 else inner

    def _term(self, tree: Tree) -> str:
        if tree[0] == "not":
            return self._any("!") + self._any("(") + self._logical(tree[1], 0) + self._any(")")
        if tree[0] == "exists":
            return self._case(tree[1]) + " " + self._blank() + self._name(tree[2])
        if tree[0] == "member":
            gap = self.luck.choice(["", " "]) if tree[2][0] == "list" else " "
            return self._case(tree[1]) + gap + self._value(tree[2])
        if tree[0] == "relation":
            around = " " if tree[1][0].isalpha() else self._blank()
            right = self._name(tree[3]) if tree[3][0] == "attribute" else self._value(tree[3])
            return self._name(tree[2]) + around + self._case(tree[1]) + around + right
        plain = self._name(tree)
        return f"({plain})" if self.luck.random() < 0.5 else plain

    def _name(self, tree: Tree) -> str:
        _, prefix, name = tree
        if not prefix:
            return name
        raw = name.encode("utf-16-le", "surrogatepass")
        units = [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 2)]
        plain = "".join(chr(unit) if unit < 128 and chr(unit) in LITERAL else f"%{unit:04X}" for unit in units)
        return self._case(prefix) + plain

    def _value(self, tree: Tree) -> str:
        if tree[0] == "list":
            return self._any("{") + self._any(",").join(self._value(item) for item in tree[1:]) + self._any("}")
        if tree[0] == "number":
            _, sign, base, number = tree
            return sign + {8: f"0{number:o}" if number else "00", 10: str(number), 16: f"0x{number:x}"}[base]
        if tree[0] == "string":
            return f'"{tree[1]}"'
        if tree[0] == "octets":
            digits = tree[1].hex()
            return "#" + (digits.replace("0", "#") if self.luck.random() < 0.3 else digits)
        return f"SID({tree[1]})"

    def _case(self, word: str) -> str:
        return self.luck.choice([word, word.lower(), word.upper()])

    def _blank(self) -> str:
        return self.luck.choice(["", "", " ", "\t \n"])

    def _any(self, token: str) -> str:
        return self._blank() + token + self._blank()

    def claim(self) -> Tree:
        """A resource attribute: (name, type, flags, values)."""
        kind = self.luck.choice(["TI", "TU", "TS", "TD", "TX", "TB"])
        makers = {
            "TI": lambda: self.luck.choice([1, -1]) * self.luck.choice(NUMBERS),
            "TU": lambda: self.luck.choice([*NUMBERS, 2**64 - 1]),
            "TS": lambda: self.luck.choice(STRINGS),
            "TD": lambda: self.luck.choice(list(SIDS)),
            "TX": lambda: self.luck.randbytes(self.luck.randint(1, 4)),
            "TB": lambda: self.luck.randint(0, 1),
        }
        values = tuple(makers[kind]() for _ in range(self.luck.randint(0, 3)))
        return (self.luck.choice(PREFIXED), kind, self.luck.choice([0, 1, 0x3F, 0x10001]), values)

    def claim_text(self, claim: Tree) -> str:
        name, kind, flags, values = claim
        quoted = f'"{self._name(("attribute", "x", name))[1:]}"'
        fields = [quoted, self._case(kind), self.luck.choice([hex(flags), str(flags)])]
        for value in values:
            fields.append(f'"{value}"' if kind == "TS" else value.hex() if kind == "TX" else str(value))
        return self._any("(") + self._any(",").join(fields) + self._any(")")


def counted(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def wide(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass")


def sid_bytes(word: str) -> bytes:
    authority, *subauthorities = SIDS[word]
    head = bytes([1, len(subauthorities)]) + authority.to_bytes(6, "big")
    return head + struct.pack(f"<{len(subauthorities)}I", *subauthorities)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def condition_bytes(tree: Tree) -> bytes:
    """The application data that Windows makes of a condition."""
    return padded(b"artx" + _postfix(tree))


def _postfix(tree: Tree) -> bytes:
    kind = tree[0]
    if kind in ("and", "or"):
        return _postfix(tree[1]) + _postfix(tree[2]) + bytes([0xA0 if kind == "and" else 0xA1])
    if kind == "not":
        return _postfix(tree[1]) + b"\xa2"
    if kind == "exists":
        return _postfix(tree[2]) + bytes([EXISTENCE[tree[1]]])
    if kind == "member":
        return _postfix(tree[2]) + bytes([MEMBERS[tree[1]]])
    if kind == "relation":
        return _postfix(tree[2]) + _postfix(tree[3]) + bytes([RELATIONS[tree[1]]])
    if kind == "attribute":
        return bytes([CLASSES[tree[1]]]) + counted(wide(tree[2]))
    if kind == "list":
        return b"\x50" + counted(b"".join(map(_postfix, tree[1:])))
    if kind == "number":
        _, sign, base, number = tree
        value = struct.pack("<q", -number if sign == "-" else number)
        return b"\x04" + value + bytes([{"+": 1, "-": 2, "": 3}[sign], {8: 1, 10: 2, 16: 3}[base]])
    if kind == "string":
        return b"\x10" + counted(wide(tree[1]))
    if kind == "octets":
        return b"\x18" + counted(tree[1])
    return b"\x51" + counted(sid_bytes(tree[1]))


def claim_bytes(claim: Tree) -> bytes:
    """The data of the entry that carries a resource attribute."""
    name, kind, flags, values = claim
    bodies = []
    for value in values:
        if kind == "TS":
            bodies.append(wide(value) + b"\0\0")
        elif kind in ("TX", "TD"):
            bodies.append(counted(value if kind == "TX" else sid_bytes(value)))
        else:
            bodies.append(struct.pack("<q" if kind == "TI" else "<Q", value))
    head = 16 + 4 * len(values)
    at, offsets = head + len(wide(name)) + 2, []
    for body in bodies:
        offsets.append(at)
        at += len(body)
    number = {"TI": 1, "TU": 2, "TS": 3, "TD": 5, "TB": 6, "TX": 16}[kind]
    start = struct.pack(f"<IHHII{len(values)}I", head, number, 0, flags, len(values), *offsets)
    return padded(start + wide(name) + b"\0\0" + b"".join(bodies))
