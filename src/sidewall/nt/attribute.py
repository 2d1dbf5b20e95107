"""Resource attributes: what a resource-attribute entry carries, its text and its bytes both ways.

Knows: MS-DTYP 2.4.10.1 (CLAIM_SECURITY_ATTRIBUTE_RELATIVE_V1) and ``attribute-data`` of MS-DTYP 2.5.1.1.
Must not know: which conditions ask for an attribute.

Values lie behind the name without gaps, as Windows lays strings; other layouts are read by their offsets, and written
back in this one.
"""

from __future__ import annotations

from sidewall.nt import literal
from sidewall.nt.literal import Scanner, unsayable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TYPES: Mapping[str, int] = {"TI": 1, "TU": 2, "TS": 3, "TD": 5, "TB": 6, "TX": 0x10}
HEADER = 16  # name, type, reserved, flags, count
LARGEST = 0xFFFF  # of an entry, so of what is in it

_WORD_OF = {number: word for word, number in TYPES.items()}


def parse(scanner: Scanner) -> bytes:
    """The attribute in parentheses at the scanner's place as the data of its entry, padded to four bytes.

    The scanner then stands behind the attribute.  Raises SddlError.
    """
    scanner.expect("(")
    scanner.expect('"')
    name = scanner.attribute_name()
    if "\0" in name:
        raise scanner.error("the name of an attribute holds a null character", "use another name")
    scanner.expect('"')
    scanner.expect(",")
    word = next((word for word in TYPES if scanner.take(word, fold=True)), "")
    if not word:
        raise scanner.error(f"{scanner.shown()} is no type of attribute", "types: " + " ".join(TYPES))
    scanner.expect(",")
    flags, _, _ = literal.integer(scanner)
    if not 0 <= flags < 1 << 32:
        raise scanner.error(f"flags {flags} do not fit into 32 bits", "write 0x0")
    values: list[bytes] = []
    while scanner.take(","):
        values.append(_value(scanner, word))
    scanner.expect(")")
    return _pack(name, TYPES[word], flags, values)


def _value(scanner: Scanner, word: str) -> bytes:
    if word == "TS":
        scanner.expect('"')
        text = scanner.until('"')
        if "\0" in text:
            raise scanner.error("a string holds a null character", "take it away")
        return _terminated(text)
    if word == "TX":
        scanner.peek()
        return literal.counted(literal.octets(scanner))
    if word == "TD":
        return literal.counted(scanner.sid_before(",)").to_bytes())
    number, _, _ = literal.integer(scanner)
    low, high = {"TI": (-(1 << 63), 1 << 63), "TU": (0, 1 << 64), "TB": (0, 2)}[word]
    if not low <= number < high:
        raise scanner.error(f"{number} is no value of type {word}", f"write a number from {low} to {high - 1}")
    return (number & (1 << 64) - 1).to_bytes(8, "little")


def _terminated(text: str) -> bytes:
    return text.encode("utf-16-le", "surrogatepass") + b"\0\0"


def _pack(name: str, kind: int, flags: int, values: list[bytes]) -> bytes:
    at = HEADER + 4 * len(values)
    parts = [at.to_bytes(4, "little"), kind.to_bytes(2, "little"), b"\0\0", flags.to_bytes(4, "little"),
             len(values).to_bytes(4, "little")]
    bodies = [_terminated(name), *values]
    for body in bodies[:-1]:
        at += len(body)
        parts.append(at.to_bytes(4, "little"))
    data = b"".join((*parts, *bodies))
    return data + bytes(-len(data) % 4)


def format(data: bytes) -> str:
    """The attribute's text, in parentheses.  Raises SddlError if the data is none, or one without a text."""
    if len(data) < HEADER:
        raise unsayable(f"a resource attribute of {len(data)} bytes is cut off")
    kind = int.from_bytes(data[4:6], "little")
    word = _WORD_OF.get(kind)
    if word is None:
        raise unsayable(f"a resource attribute has the unknown type {kind}")
    flags, count = int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")
    if HEADER + 4 * count > len(data):
        raise unsayable(f"a resource attribute of {len(data)} bytes cannot have {count} values")
    name, size = _string(data, _offset(data, 0))
    fields = [f'"{literal.escaped(name)}"', word, f"0x{flags:x}"]
    size += HEADER + 4 * count
    for index in range(count):
        text, more = _value_text(data, _offset(data, HEADER + 4 * index), word)
        fields.append(text)
        # Values may overlap, so that a few kilobytes would say gigabytes; no entry could carry those.
        size += more
        if size > LARGEST:
            raise unsayable(f"a resource attribute's values overlap to more than {LARGEST} bytes")
    return f"({','.join(fields)})"


def _offset(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _string(data: bytes, at: int) -> tuple[str, int]:
    """(text, bytes) of a string with a null character behind it."""
    end = at
    while data[end : end + 2] != b"\0\0":
        end += 2
        if end + 2 > len(data):
            raise unsayable("a string of a resource attribute has no end")
    return data[at:end].decode("utf-16-le", "surrogatepass"), end + 2 - at


def _value_text(data: bytes, at: int, word: str) -> tuple[str, int]:
    """(text, bytes) of a value."""
    if word == "TS":
        text, size = _string(data, at)
        return literal.quoted(text), size
    size = 8 if word in ("TI", "TU", "TB") else 4
    if at + size > len(data):
        raise unsayable("a value of a resource attribute is cut off")
    if size == 8:
        number = int.from_bytes(data[at : at + 8], "little", signed=word == "TI")
        if word == "TB" and number > 1:
            raise unsayable(f"a resource attribute's truth value is {number}")
        return str(number), size
    end = at + 4 + _offset(data, at)
    if end > len(data):
        raise unsayable("a value of a resource attribute is cut off")
    content = data[at + 4 : end]
    if word == "TX":
        if not content:
            raise unsayable("an octet string of a resource attribute is empty")
        return content.hex(), end - at
    return literal.sid_text(content), end - at
