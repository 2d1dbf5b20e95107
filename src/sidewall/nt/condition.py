"""Conditions of callback entries: the expression's text, and its bytes both ways.

Knows: the grammar ``cond-expr`` of MS-DTYP 2.5.1.1 and the byte codes of MS-DTYP 2.4.4.17.
Must not know: what a condition evaluates to; an access check that meets one proves nothing.

The bytes are in postfix order; the text is written as Windows writes it, with every operand of a logical operator in
parentheses.  A condition's *meaning* survives bytes to text to bytes; the width of an integer does not, since the text
has no word for it and Windows always makes 64 bits of it.
"""

from __future__ import annotations

from sidewall.nt import literal
from sidewall.nt.errors import SddlError
from sidewall.nt.literal import Scanner

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    _Node = tuple[str, int, str]

SIGNATURE = b"artx"
DEEPEST = 90  # logical operators within each other: far beyond any use, and far below Python's own limit
_PARENTHESES = DEEPEST + 10  # within each other; a written condition has up to two more than operators

EXISTS, NOT_EXISTS, NOT, AND, OR = 0x87, 0x8D, 0xA2, 0xA0, 0xA1
RELATIONS: Mapping[str, int] = {
    "==": 0x80, "!=": 0x81, "<=": 0x83, ">=": 0x85, "<": 0x82, ">": 0x84,
    "Contains": 0x86, "Any_of": 0x88, "Not_Contains": 0x8E, "Not_Any_of": 0x8F,
}
MEMBERS: Mapping[str, int] = {
    "Member_of": 0x89, "Device_Member_of": 0x8A, "Member_of_any": 0x8B, "Device_Member_of_Any": 0x8C,
    "Not_Member_of": 0x90, "Not_Device_Member_of": 0x91, "Not_Member_of_Any": 0x92, "Not_Device_Member_of_Any": 0x93,
}
ATTRIBUTES: Mapping[str, int] = {"@USER.": 0xF9, "@RESOURCE.": 0xFA, "@DEVICE.": 0xFB}
LOCAL = 0xF8

_EXISTENCE = {"exists": EXISTS, "not_exists": NOT_EXISTS}
_WORDS = {word.lower(): code for word, code in (*MEMBERS.items(), *RELATIONS.items()) if word[0].isalpha()}
_SYMBOLS = [word for word in RELATIONS if not word[0].isalpha()]  # longer ones first
_MEMBER_CODES = frozenset(MEMBERS.values())
_TEXT = {code: word for word, code in (*RELATIONS.items(), *MEMBERS.items(), *ATTRIBUTES.items())}
_TEXT |= {EXISTS: "Exists", NOT_EXISTS: "Not_Exists", AND: "&&", OR: "||"}


def parse(scanner: Scanner) -> bytes:
    """The application data of the condition in parentheses at the scanner's place, padded to a multiple of four bytes.

    The scanner then stands behind the condition.  Raises SddlError.
    """
    code, _ = _parenthesis(scanner, 0)
    data = SIGNATURE + code
    return data + bytes(-len(data) % 4)


def _parenthesis(scanner: Scanner, depth: int) -> tuple[bytes, int]:
    _check(scanner, depth, _PARENTHESES)
    scanner.expect("(")
    found = _logical(scanner, depth, OR)
    scanner.expect(")")
    return found


def _logical(scanner: Scanner, depth: int, operator: int) -> tuple[bytes, int]:
    """Operands joined by one logical operator, grouped from the left; && binds tighter than ||."""
    word = _TEXT[operator]
    code, deep = _logical(scanner, depth, AND) if operator == OR else _operand(scanner, depth)
    while scanner.take(word):
        other, other_deep = _logical(scanner, depth, AND) if operator == OR else _operand(scanner, depth)
        code, deep = code + other + bytes((operator,)), max(deep, other_deep) + 1
        _check(scanner, deep, DEEPEST)
    return code, deep


def _operand(scanner: Scanner, depth: int) -> tuple[bytes, int]:
    if scanner.take("!"):
        code, deep = _parenthesis(scanner, depth + 1)
        _check(scanner, deep + 1, DEEPEST)
        return code + bytes((NOT,)), deep + 1
    if scanner.peek() == "(":
        return _parenthesis(scanner, depth + 1)
    word = scanner.word().lower()
    if word in _EXISTENCE:
        scanner.skip(len(word))
        return _attribute(scanner) + bytes((_EXISTENCE[word],)), 1
    if word in _WORDS and _WORDS[word] in _MEMBER_CODES:
        scanner.skip(len(word))
        return _value_in_parentheses(scanner, 0) + bytes((_WORDS[word],)), 1
    left = _attribute(scanner)
    relation = _relation(scanner)
    if not relation:
        return left, 1
    right = _attribute(scanner) if scanner.peek() == "@" else literal.parse(scanner, composite=True)
    return left + right + bytes((relation,)), 1


def _check(scanner: Scanner, depth: int, deepest: int) -> None:
    if depth > deepest:
        raise scanner.error(f"the condition is nested more than {deepest} deep", "write it flatter")


def _value_in_parentheses(scanner: Scanner, depth: int) -> bytes:
    if scanner.peek() != "(":
        return literal.parse(scanner, composite=True)
    _check(scanner, depth, _PARENTHESES)
    scanner.expect("(")
    value = _value_in_parentheses(scanner, depth + 1)
    scanner.expect(")")
    return value


def _relation(scanner: Scanner) -> int:
    for symbol in _SYMBOLS:
        if scanner.take(symbol):
            return RELATIONS[symbol]
    word = scanner.word().lower()
    code = _WORDS.get(word, 0)
    if code and code not in _MEMBER_CODES:
        scanner.skip(len(word))
        return code
    return 0


def _attribute(scanner: Scanner) -> bytes:
    if scanner.peek() == "@":
        for prefix, code in ATTRIBUTES.items():
            if scanner.take(prefix, fold=True):
                return bytes((code,)) + literal.counted_text(scanner.attribute_name())
        raise scanner.error("@ is followed by no known class of attributes", "classes: " + " ".join(ATTRIBUTES))
    name = scanner.word()
    if not name:
        raise scanner.error(f"an attribute or an operator is expected, not {scanner.shown()}", "write @User.name")
    scanner.skip(len(name))
    return bytes((LOCAL,)) + literal.counted_text(name)


def format(data: bytes) -> str:
    """The condition's text, in parentheses.  Raises SddlError if the data is no condition, or one without a text."""
    if not data.startswith(SIGNATURE):
        raise SddlError(f"a callback entry's {len(data)} bytes of data are no condition",
                        hint="only its program understands it: keep the descriptor's bytes")
    stack: list[_Node] = []
    at = len(SIGNATURE)
    while at < len(data):
        code = data[at]
        if code == 0 and not data[at:].strip(b"\0"):
            break  # padding
        at += 1
        if code in literal.CODES:
            text, at = literal.format(data, at - 1)
            stack.append(("value", 1, text))
        elif code >= LOCAL and (code == LOCAL or code in _TEXT):
            name, at = literal.read_text(data, at)
            text = _local_name(name) if code == LOCAL else _TEXT[code] + literal.escaped(name)
            stack.append(("local" if code == LOCAL else "attribute", 1, text))
        else:
            _apply(code, at - 1, stack)
        if stack[-1][1] > DEEPEST:
            raise _unsayable(f"is nested more than {DEEPEST} deep", at)
    if len(stack) != 1 or stack[0][0] == "value":
        raise _unsayable("does not end in one truth value", at)
    return _closed(stack[0])


def _apply(code: int, at: int, stack: list[_Node]) -> None:
    """Replaces an operator's operands on the stack by its result: (kind, depth, text)."""
    binary = code in (AND, OR) or (code in _TEXT and code < 0xA0 and code not in _MEMBER_CODES
                                   and code not in (EXISTS, NOT_EXISTS))
    if code != NOT and code not in _TEXT:
        raise _unsayable(f"holds the unknown byte code 0x{code:02x}", at)
    if len(stack) < 1 + binary:
        raise _unsayable("has an operator without operands", at)
    right = stack.pop()
    if not binary:
        stack.append(_unary(code, at, right))
        return
    left = stack.pop()
    if code in (AND, OR):
        if "value" in (left[0], right[0]):
            raise _unsayable("joins a value as if it were true or false", at)
        depth = max(left[1], right[1]) + 1
        stack.append(("closed", depth, f"({_closed(left)} {_TEXT[code]} {_closed(right)})"))
    else:
        if left[0] not in ("local", "attribute") or right[0] not in ("value", "attribute"):
            raise _unsayable("compares what the text cannot compare", at)
        stack.append(("closed", 1, f"({left[2]} {_TEXT[code]} {right[2]})"))


def _unary(code: int, at: int, operand: _Node) -> _Node:
    kind, depth, text = operand
    if code == NOT:
        if kind == "value":
            raise _unsayable("negates a value", at)
        return ("open", depth + 1, "!" + _closed(operand))
    if code in _MEMBER_CODES:
        if kind != "value":
            raise _unsayable("asks for membership in what is no value", at)
        return ("closed", 1, f"({_TEXT[code]} {text})")
    if kind not in ("local", "attribute"):
        raise _unsayable("asks for the existence of what is no attribute", at)
    return ("open", 1, f"{_TEXT[code]} {text}")


def _closed(node: _Node) -> str:
    return node[2] if node[0] == "closed" else f"({node[2]})"


def _local_name(name: str) -> str:
    if not literal.is_word(name) or name.lower() in _WORDS or name.lower() in _EXISTENCE:
        raise _unsayable(f"names the local attribute {name[:40]!r}, for which there is no text")
    return name


def _unsayable(what: str, at: int = -1) -> SddlError:
    where = f" (byte {at} of its data)" if at >= 0 else ""
    return SddlError(f"a condition {what}{where}", hint="it has no SDDL text: keep the descriptor's bytes")
