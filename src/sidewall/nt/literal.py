"""Values inside entries: integers, strings, octets and SIDs, as text and as the tokens of a condition.

Knows: the literals of MS-DTYP 2.5.1.1 and their tokens, MS-DTYP 2.4.4.17.5; how a text is walked.
Must not know: operators, or which entry a value stands in.
"""

from __future__ import annotations

from sidewall.nt.errors import DescriptorError, SddlError
from sidewall.nt.sid import Sid
from sidewall.nt.wellknown import alias_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

INT8, INT16, INT32, INT64, STRING, OCTETS, COMPOSITE, SID = 0x01, 0x02, 0x03, 0x04, 0x10, 0x18, 0x50, 0x51
INTEGERS = frozenset({INT8, INT16, INT32, INT64})
CODES = INTEGERS | {STRING, OCTETS, COMPOSITE, SID}

_BLANKS = "\t\n\v\f\r "
_DIGITS = frozenset("0123456789")
_HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
_WORD = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:./_")
_NAME = _WORD | frozenset("#$'*+-;?@[\\]^_`{}~")
_NAME_ENDS = frozenset("!&()><=|\"" + _BLANKS)
_PLUS, _MINUS, _UNSIGNED = 1, 2, 3
_OCTAL, _DECIMAL, _HEX = 1, 2, 3
_BASES: Mapping[int, int] = {_OCTAL: 8, _DECIMAL: 10, _HEX: 16}


class Scanner:
    """A text and a place in it.  ``sid`` reads an alias or a SID at a position; blanks before a token do not matter."""

    def __init__(self, text: str, at: int, sid: Callable[[str, int], Sid]) -> None:
        self.text = text
        self.at = at
        self.sid = sid

    def peek(self) -> str:
        """The next character that is not blank, or ``""`` at the end."""
        while self.at < len(self.text) and self.text[self.at] in _BLANKS:
            self.at += 1
        return self.text[self.at : self.at + 1]

    def take(self, token: str, *, fold: bool = False) -> bool:
        """Whether ``token`` comes next; if so it is passed."""
        self.peek()
        found = self.text[self.at : self.at + len(token)]
        if found != token and not (fold and found.isascii() and found.upper() == token.upper()):
            return False
        self.at += len(token)
        return True

    def expect(self, token: str) -> None:
        """Passes ``token``.  Raises SddlError if something else comes."""
        if not self.take(token):
            raise self.error(f"{token!r} is expected, not {self.shown()}", "check the parentheses and commas")

    def skip(self, count: int) -> None:
        """Passes ``count`` characters."""
        self.at += count

    def word(self) -> str:
        """The letters, digits and ``:./_`` (after the first also ``@``) that come next; they are not passed."""
        self.peek()
        end = self.at
        while end < len(self.text) and (self.text[end] in _WORD or (self.text[end] == "@" and end > self.at)):
            end += 1
        return self.text[self.at : end]

    def until(self, end_mark: str) -> str:
        """The text up to ``end_mark``, which is passed.  Raises SddlError if it does not come."""
        end = self.text.find(end_mark, self.at)
        if end < 0:
            raise self.error("a value has no end", f"close it with {end_mark}")
        found = self.text[self.at : end]
        self.at = end + 1
        return found

    def sid_before(self, ends: str) -> Sid:
        """The alias or SID up to one of the characters ``ends``, which is not passed.  Raises SddlError."""
        self.peek()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ends:
            self.at += 1
        return self.sid(self.text[start : self.at].rstrip(_BLANKS), start)

    def attribute_name(self) -> str:
        """The name of an attribute that follows directly, with its %hhhh escapes resolved.  Raises SddlError."""
        units: list[str] = []
        while self.at < len(self.text) and self.text[self.at] not in _NAME_ENDS:
            character = self.text[self.at]
            if character == "%":
                digits = self.text[self.at + 1 : self.at + 5]
                if len(digits) != 4 or not _HEXADECIMAL.issuperset(digits):
                    raise self.error("% is not followed by four hexadecimal digits", "write %0025 for a percent sign")
                character = chr(int(digits, 16))
                self.at += 4
            self.at += 1
            units.append(character)
        if not units:
            raise self.error("the name of an attribute is empty", "write for instance @User.department")
        # Escapes are UTF-16 units: two of them may be halves of one character.
        return "".join(units).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")

    def shown(self) -> str:
        """What comes next, for a message."""
        rest = self.text[self.at : self.at + 12]
        return repr(rest) if rest else "the end"

    def error(self, message: str, hint: str) -> SddlError:
        """An error at this place."""
        return SddlError(message, position=self.at, hint=hint)


def parse(scanner: Scanner, *, composite: bool = False) -> bytes:
    """The token of the literal that comes next; ``composite`` allows a list in braces.  Raises SddlError."""
    first = scanner.peek()
    if first == '"':
        scanner.skip(1)
        return bytes((STRING,)) + counted_text(scanner.until('"'))
    if first == "#":
        scanner.skip(1)
        return bytes((OCTETS,)) + counted(octets(scanner))
    if first == "{" and composite:
        scanner.skip(1)
        parts: list[bytes] = []
        while not scanner.take("}"):
            if parts:
                scanner.expect(",")
            parts.append(parse(scanner))
        return bytes((COMPOSITE,)) + counted(b"".join(parts))
    if scanner.take("SID(", fold=True):
        value = scanner.sid_before(")")
        scanner.expect(")")
        return bytes((SID,)) + counted(value.to_bytes())
    number, sign, base = integer(scanner)
    return bytes((INT64,)) + (number & (1 << 64) - 1).to_bytes(8, "little") + bytes((sign, base))


def integer(scanner: Scanner) -> tuple[int, int, int]:
    """(value, sign code, base code) of the integer that comes next: 64 bits, signed, or unsigned without a sign.

    Raises SddlError.
    """
    scanner.peek()
    text, at = scanner.text, scanner.at
    sign = {"+": _PLUS, "-": _MINUS}.get(text[at : at + 1], _UNSIGNED)
    start = at if sign == _UNSIGNED else at + 1
    base = _DECIMAL
    if text[start : start + 2] in ("0x", "0X"):
        base, start = _HEX, start + 2
    elif text[start : start + 1] == "0" and text[start + 1 : start + 2] in _DIGITS:
        base, start = _OCTAL, start + 1
    end = start
    while end < len(text) and text[end] in _HEXADECIMAL and (base == _HEX or text[end] in _DIGITS):
        end += 1
    digits = text[start:end]
    if not digits or len(digits) > 30 or (base == _OCTAL and not set(digits) <= set("01234567")):
        raise scanner.error(f"a value is expected, not {scanner.shown()}", 'write 1, "text", #0a0b or SID(BA)')
    number = int(digits, _BASES[base])
    number = -number if sign == _MINUS else number
    if not -(1 << 63) <= number < (1 << 64 if sign == _UNSIGNED else 1 << 63):
        raise scanner.error(f"{text[at:end]} does not fit into 64 bits", "use a smaller number")
    scanner.at = end
    return number, sign, base


def octets(scanner: Scanner) -> bytes:
    """Hexadecimal digits as bytes.  As in Windows, ``#`` stands for 0 and an odd count is filled up from the left."""
    end = scanner.at
    while end < len(scanner.text) and (scanner.text[end] in _HEXADECIMAL or scanner.text[end] == "#"):
        end += 1
    digits = scanner.text[scanner.at : end].replace("#", "0")
    scanner.at = end
    return bytes.fromhex("0" * (len(digits) % 2) + digits)


def counted(data: bytes) -> bytes:
    """``data`` behind its length in four bytes."""
    return len(data).to_bytes(4, "little") + data


def counted_text(text: str) -> bytes:
    """UTF-16 behind its length in bytes."""
    return counted(text.encode("utf-16-le", "surrogatepass"))


def format(data: bytes, at: int) -> tuple[str, int]:
    """(text, offset behind) of the literal token at ``at``.  Raises SddlError."""
    code = data[at]
    if code in INTEGERS:
        return _integer_text(data, at)
    if code == STRING:
        text, end = read_text(data, at + 1)
        return quoted(text), end
    content, end = _read(data, at + 1)
    if code == OCTETS:
        return "#" + content.hex(), end
    if code == SID:
        return f"SID({sid_text(content)})", end
    inner, parts = 0, []
    while inner < len(content):
        if content[inner] not in CODES or content[inner] == COMPOSITE:
            raise unsayable(f"a list holds the byte code 0x{content[inner]:02x}")
        text, inner = format(content, inner)
        parts.append(text)
    return "{" + ", ".join(parts) + "}", end


def _integer_text(data: bytes, at: int) -> tuple[str, int]:
    end = at + 11
    if end > len(data):
        raise unsayable("an integer is cut off")
    sign, base = data[end - 2], data[end - 1]
    number = int.from_bytes(data[at + 1 : at + 9], "little", signed=True)
    if base not in _BASES or not _PLUS <= sign <= _UNSIGNED:
        raise unsayable(f"an integer has sign {sign} and base {base}")
    if sign == _UNSIGNED and base != _DECIMAL:
        number &= (1 << 64) - 1  # with no sign before it, Windows writes and reads it unsigned
    mark = "-" if number < 0 or (number == 0 and sign == _MINUS) else "+" if sign == _PLUS else ""
    digits = f"{abs(number):x}" if base == _HEX else f"{abs(number):o}" if base == _OCTAL else f"{abs(number)}"
    return mark + {_HEX: "0x", _OCTAL: "0", _DECIMAL: ""}[base] + digits, end


def _read(data: bytes, at: int) -> tuple[bytes, int]:
    start = at + 4
    end = start + int.from_bytes(data[at:start], "little")
    if end > len(data) or start > len(data):
        raise unsayable("a value is cut off")
    return data[start:end], end


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """(text, offset behind) of counted UTF-16.  Raises SddlError."""
    content, end = _read(data, at)
    if len(content) % 2:
        raise unsayable("a string has an odd number of bytes")
    return content.decode("utf-16-le", "surrogatepass"), end


def sid_text(content: bytes) -> str:
    """A SID's bytes as alias or text.  Raises SddlError if they are none, or more."""
    try:
        value = Sid.from_bytes(content)
    except DescriptorError as error:
        raise unsayable(f"a SID is none: {error.message}") from None
    if len(value.to_bytes()) != len(content):
        raise unsayable("a SID is followed by more bytes")
    return alias_of(value) or str(value)


def quoted(text: str) -> str:
    """A string in quotes.  Raises SddlError if it holds one, since SDDL has no way to say so."""
    if '"' in text:
        raise unsayable("a string holds a quotation mark")
    return f'"{text}"'


def escaped(name: str) -> str:
    """An attribute's name with all that MS-DTYP 2.5.1.1 does not list as %hhhh.  Raises SddlError if it is empty."""
    if not name:
        raise unsayable("the name of an attribute is empty")
    if _NAME.issuperset(name):
        return name
    raw = name.encode("utf-16-le", "surrogatepass")
    units = [int.from_bytes(raw[at : at + 2], "little") for at in range(0, len(raw), 2)]
    return "".join(chr(unit) if unit < 128 and chr(unit) in _NAME else f"%{unit:04x}" for unit in units)


def is_word(name: str) -> bool:
    """Whether a name can stand without a prefix."""
    return name[:1] != "@" and bool(name) and (_WORD | {"@"}).issuperset(name)


def unsayable(what: str) -> SddlError:
    """The error for bytes that no text can say."""
    return SddlError(f"{what}: there is no SDDL text for it", hint="keep the descriptor's bytes")
