"""IPv4 and IPv6 addresses as numbers, from every spelling that a resolver would take for one.

Knows: inet_aton(3)'s forms of IPv4 (one to four parts, decimal, octal, hexadecimal), the text of IPv6 (RFC 4291,
section 2.2) and IPv4-mapped addresses.  Must not know: names, rules, sockets.

``ipaddress`` of the standard library refuses the old spellings that ``connect`` still takes, and loads slowly.
"""

from __future__ import annotations

from sidewall.errors import PolicyError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Address: TypeAlias = tuple[int, int]
    """Version (4 or 6) and the address as a number."""

BITS = {4: 32, 6: 128}
_DIGITS = {8: frozenset("01234567"), 10: frozenset("0123456789"), 16: frozenset("0123456789abcdefABCDEF")}


def parse(text: str) -> Address | None:
    """The address that this text spells; None when it spells none.  An IPv4-mapped IPv6 address is its IPv4 address."""
    if ":" in text:
        return _version6(text)
    value = _version4(text)
    return None if value is None else (4, value)


def looks_numeric(text: str) -> bool:
    """Whether a resolver would take the text for an IPv4 address: its last part is a number (WHATWG URL, 3.5)."""
    last = text.rpartition(".")[2]
    return _number(last) is not None or (last != "" and set(last) <= _DIGITS[10])


def show(address: Address) -> str:
    """The address in one canonical spelling."""
    version, value = address
    if version == 4:
        return ".".join(str(value >> shift & 255) for shift in (24, 16, 8, 0))
    groups = [f"{value >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)]
    best, start = 0, -1
    for at in range(8):
        length = 0
        while at + length < 8 and groups[at + length] == "0":
            length += 1
        if length > max(best, 1):
            best, start = length, at
    if start < 0:
        return ":".join(groups)
    return ":".join(groups[:start]) + "::" + ":".join(groups[start + best :])


def network(text: str, bits: str) -> tuple[int, int, int]:
    """Version, number and prefix length of ``text/bits``; host bits must be 0.  Raises PolicyError."""
    address = parse(text)
    whole = f"{text}/{bits}"
    if address is None:
        raise PolicyError(f"{whole!r} is not a block of addresses", hint="Write it as 10.0.0.0/8 or 2001:db8::/32.")
    version, value = address
    length = BITS[version]
    mapped = ":" in text and version == 4
    number = int(bits) if bits.isascii() and bits.isdigit() and len(bits) < 4 else -1
    prefix = number - 96 if mapped else number
    if not 0 <= prefix <= length:
        raise PolicyError(f"{whole!r} has no valid prefix length", hint=f"Use 0 to {length}.")
    if value & ((1 << (length - prefix)) - 1):
        first = show((version, value >> (length - prefix) << (length - prefix)))
        raise PolicyError(f"{whole!r} has bits behind its prefix", hint=f"Write {first}/{prefix}.")
    return version, value, prefix


def is_loopback(address: Address) -> bool:
    """Whether a connect to the address stays on the machine: 127/8, ::1, and the unspecified ones, which Linux routes
    there."""
    version, value = address
    if version == 4:
        return value >> 24 == 127 or value == 0
    return value in (0, 1)


def _version4(text: str) -> int | None:
    parts = text.split(".")
    if not 1 <= len(parts) <= 4:
        return None
    value = 0
    for index, part in enumerate(parts):
        number = _number(part)
        if number is None:
            return None
        last = index == len(parts) - 1
        if number >= 1 << (8 * (5 - len(parts)) if last else 8):
            return None
        value = value << (8 * (5 - len(parts))) | number if last else value << 8 | number
    return value


def _number(text: str) -> int | None:
    base, digits = 10, text
    if text[:2] in ("0x", "0X"):
        base, digits = 16, text[2:]
    elif len(text) > 1 and text[0] == "0":
        base, digits = 8, text[1:]
    if not digits or not set(digits) <= _DIGITS[base] or len(digits) > 20:
        return None
    return int(digits, base)


def _version6(text: str) -> Address | None:
    head, gap, tail = text.partition("::")
    if "::" in tail or head.startswith(":") or (tail.endswith(":") or tail.startswith(":")):
        return None
    before = _groups(head, last=not gap)
    after = _groups(tail, last=True) if gap else []
    if before is None or after is None:
        return None
    missing = 8 - len(before) - len(after)
    if (missing < 1) if gap else (missing != 0):
        return None
    value = 0
    for group in (*before, *[0] * missing, *after):
        value = value << 16 | group
    if value >> 32 == 0xFFFF:
        return (4, value & 0xFFFFFFFF)
    return (6, value)


def _groups(text: str, *, last: bool) -> list[int] | None:
    if not text:
        return []
    groups: list[int] = []
    pieces = text.split(":")
    for index, piece in enumerate(pieces):
        if "." in piece and last and index == len(pieces) - 1:
            octets = piece.split(".")
            plain = [octet for octet in octets
                     if 1 <= len(octet) <= 3 and set(octet) <= _DIGITS[10] and int(octet) < 256
                     and (octet == "0" or octet[0] != "0")]
            if len(octets) != 4 or len(plain) != 4:
                return None
            numbers = [int(octet) for octet in plain]
            groups += [numbers[0] << 8 | numbers[1], numbers[2] << 8 | numbers[3]]
        elif 1 <= len(piece) <= 4 and set(piece) <= _DIGITS[16]:
            groups.append(int(piece, 16))
        else:
            return None
    return groups
