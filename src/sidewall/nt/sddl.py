"""Security descriptors as text: the Security Descriptor Definition Language, both ways.

Knows: the grammar of MS-DTYP 2.5.1.1, and how Windows writes and reads it where the grammar leaves a choice.
Must not know: what is granted, or which machine a text comes from.

`format` writes what Windows writes: letters where every bit of a mask has some, aliases that mean the same everywhere.
Not in the text, as in Windows: the *defaulted* bits, the resource manager's byte, an ACL's revision.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt import attribute, condition, wellknown
from sidewall.nt import descriptor as bits
from sidewall.nt.ace import Ace
from sidewall.nt.acl import REVISION, REVISION_DS, Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import DescriptorError, NtError, SddlError
from sidewall.nt.literal import Scanner
from sidewall.nt.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TYPES: Mapping[str, int] = {
    "A": 0x00, "D": 0x01, "AU": 0x02, "AL": 0x03, "OA": 0x05, "OD": 0x06, "OU": 0x07, "OL": 0x08, "XA": 0x09,
    "XD": 0x0A, "ZA": 0x0B, "XU": 0x0D, "ML": 0x11, "RA": 0x12, "SP": 0x13, "TL": 0x14, "FL": 0x15,
}
FLAGS: Mapping[str, int] = {
    "OI": 0x01, "CI": 0x02, "NP": 0x04, "IO": 0x08, "ID": 0x10, "CR": 0x20, "SA": 0x40, "TP": 0x40, "FA": 0x80,
}
RIGHTS: Mapping[str, int] = {
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80, "CR": 0x100,
    "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
    "GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000,
    "FA": 0x1F01FF, "FR": 0x120089, "FW": 0x120116, "FX": 0x1200A0,
    "KA": 0xF003F, "KR": 0x20019, "KW": 0x20006, "KX": 0x20019,
    "NW": 0x1, "NR": 0x2, "NX": 0x4,
}
NULL_ACL = "NO_ACCESS_CONTROL"
LONGEST = 1 << 20
"""Longest text that is read, in characters; two lists of 64 kilobytes have less than half of that to say."""

_TYPE_OF = {number: word for word, number in TYPES.items()}
_LABEL = {RIGHTS[word]: word for word in ("NW", "NR", "NX")}
_SINGLE = {mask: word for word, mask in RIGHTS.items() if mask & (mask - 1) == 0 and word not in _LABEL.values()}
_WHOLE = {RIGHTS[word]: word for word in ("FA", "FR", "FW", "FX", "KA", "KR", "KW")}
_PARTS = {"O:": "owner", "G:": "group", "D:": "dacl", "S:": "sacl"}
_LIST_FLAGS = {"AR": bits.SE_DACL_AUTO_INHERIT_REQ, "AI": bits.SE_DACL_AUTO_INHERITED, "P": bits.SE_DACL_PROTECTED}
_CHARACTERS_OF_A_SID = frozenset("-xX0123456789abcdefABCDEF")


def parse(text: str, *, domain: Sid | None = None, machine: Sid | None = None) -> SecurityDescriptor:
    """The descriptor that ``text`` describes; letters' case matters in ``O: G: D: S:`` and the lists' flags only.

    ``domain`` completes aliases as DA; ``machine`` completes LA and LG, and is ``domain`` where it is not given.

    Raises:
        SddlError: the text is not SDDL; with the position of the fault and a remedy.
    """
    if len(text) > LONGEST:
        raise SddlError(f"a text of {len(text)} characters is longer than {LONGEST}", position=LONGEST,
                        hint="no descriptor needs so long a text: give one descriptor at a time")

    def named(word: str, position: int) -> Sid:
        return sid(word, domain=domain, machine=machine, position=position)

    sids: dict[str, Sid] = {}
    lists: dict[str, Acl | None] = {}
    control, at = 0, _blanks(text, 0)
    while at < len(text):
        name = _PARTS.get(text[at : at + 2])
        if name is None or name in sids or name in lists:
            raise SddlError(f"{text[at : at + 12]!r} begins no part of a descriptor, or one given before", position=at,
                            hint="the parts are O:, G:, D: and S:, each at most once")
        at = _blanks(text, at + 2)
        if name in ("owner", "group"):
            end = _end_of_sid(text, at)
            sids[name] = named(text[at:end], at)
        else:
            lists[name], more, end = _list(text, at, named, 1 if name == "sacl" else 0)
            control |= more
        at = _blanks(text, end)
    return SecurityDescriptor(owner=sids.get("owner"), group=sids.get("group"), dacl=lists.get("dacl"),
                              sacl=lists.get("sacl"), control=control)


def sid(word: str, *, domain: Sid | None = None, machine: Sid | None = None, position: int = -1) -> Sid:
    """The SID that an alias or a SID's text names; ``position`` is only for the message.  Raises SddlError."""
    upper = _upper(word)
    known = wellknown.ALIASES.get(upper)
    if known is not None:
        return known
    for table, base in ((wellknown.DOMAIN_ALIASES, domain), (wellknown.MACHINE_ALIASES, machine or domain)):
        if upper in table:
            if base is None:
                raise SddlError(f"{upper} means account {table[upper]} of a domain, and no domain is given",
                                position=position, hint=f"give the domain's SID, or write S-1-5-21-...-{table[upper]}")
            return base.child(table[upper])
    try:
        return Sid(word)
    except NtError as error:
        what = "a SID or an alias is missing" if not word else f"{word[:80]!r} is neither an alias nor a SID"
        raise SddlError(what, position=position, hint=error.hint) from None


def _upper(word: str) -> str:
    """Upper case of ASCII only: str.upper makes SS of one German letter and S of an old one."""
    return word.upper() if word.isascii() else word


def _blanks(text: str, at: int) -> int:
    while text[at : at + 1] == " ":
        at += 1
    return at


def _end_of_sid(text: str, at: int) -> int:
    if text[at : at + 2] not in ("S-", "s-"):
        return at + 2
    end = at + 1
    while end < len(text) and text[end] in _CHARACTERS_OF_A_SID:
        end += 1
    # The D of a following "D:" looks like a hexadecimal digit.
    return end - 1 if text[end - 1 : end + 1] == "D:" else end


def _list(text: str, at: int, named: Callable[[str, int], Sid], shift: int) -> tuple[Acl | None, int, int]:
    """(list, control bits, end) of the list whose flags begin at ``at``; ``shift`` is 1 for the SACL's bits."""
    control = bits.SE_SACL_PRESENT if shift else bits.SE_DACL_PRESENT
    null = False
    while at < len(text) and text[at] != "(" and text[at : at + 2] not in _PARTS:
        word = next((word for word in (NULL_ACL, *_LIST_FLAGS) if text.startswith(word, at)), "")
        if not word:
            raise SddlError(f"{text[at : at + 12]!r} is no flag of a list", position=at,
                            hint=f"the flags are P, AR, AI and {NULL_ACL}; entries stand in parentheses")
        null = null or word == NULL_ACL
        control |= _LIST_FLAGS.get(word, 0) << shift
        at = _blanks(text, at + len(word))
    entries = []
    while text[at : at + 1] == "(":
        if null:
            raise SddlError(f"{NULL_ACL} and entries exclude each other", position=at, hint="take one of them away")
        entry, end = _entry(text, at, named)
        entries.append(entry)
        at = _blanks(text, end)
    if null:
        return None, control, at
    revision = REVISION_DS if any(entry.type in aces.OBJECT_TYPES for entry in entries) else REVISION
    return Acl(aces=tuple(entries), revision=revision), control, at


def _entry(text: str, start: int, named: Callable[[str, int], Sid]) -> tuple[Ace, int]:
    """(entry, end) of the entry whose parenthesis opens at ``start``."""
    fields: list[tuple[str, int]] = []
    at = start + 1
    for _ in range(5):
        at = _blanks(text, at)
        end = text.find(";", at, at + 4096)
        if end < 0 or ")" in text[at:end] or "(" in text[at:end]:
            raise SddlError(f"the entry has {len(fields)} fields before its end, not 6", position=start,
                            hint="an entry reads (type;flags;rights;object guid;inherited object guid;sid)")
        fields.append((text[at:end], at))
        at = end + 1
    (type_word, type_at), (flag_words, flags_at), (rights, rights_at), *guids = fields
    kind = TYPES.get(_upper(type_word))
    if kind is None:
        raise SddlError(f"{type_word[:20]!r} is no type of entry", position=type_at, hint="types: " + " ".join(TYPES))
    flags = 0
    for word in _words(flag_words, flags_at, FLAGS, "flag of an entry"):
        flags |= FLAGS[word]
    mask = _mask(rights, rights_at)
    object_type, inherited = [_guid(word, place, kind) for word, place in guids]
    if kind == aces.ACCESS_ALLOWED_OBJECT and not object_type and not inherited:
        kind = aces.ACCESS_ALLOWED  # as Win32's "ACE Strings" says that Windows does
    scanner = Scanner(text, at, named)
    trustee = scanner.sid_before(";)(")
    data = _data(scanner, kind) if scanner.take(";") else b""
    if not scanner.take(")"):
        raise SddlError(f"the entry does not end at {scanner.shown()}", position=scanner.at, hint="close it with )")
    entry = Ace(type=kind, flags=flags, mask=mask, sid=trustee, data=data, object_type=object_type,
                inherited_object_type=inherited)
    return entry, scanner.at


def _data(scanner: Scanner, kind: int) -> bytes:
    if kind == aces.SYSTEM_RESOURCE_ATTRIBUTE:
        return attribute.parse(scanner)
    if kind in aces.CALLBACK_TYPES:
        return condition.parse(scanner)
    raise scanner.error(f"entries of type {_TYPE_OF[kind]} have no seventh field", "use XA, XD, XU, ZA or RA")


def _words(text: str, at: int, known: Mapping[str, int], what: str) -> list[str]:
    words = []
    for place in range(0, len(text), 2):
        word = _upper(text[place : place + 2])
        if word not in known:
            raise SddlError(f"{text[place : place + 2]!r} is no {what}", position=at + place,
                            hint="known: " + " ".join(known))
        words.append(word)
    return words


def _mask(text: str, at: int) -> int:
    if not text[:1].isdigit():
        mask = 0
        for word in _words(text, at, RIGHTS, "right"):
            mask |= RIGHTS[word]
        return mask
    base, digits = (16, text[2:]) if text[:2] in ("0x", "0X") else (8, text) if text[0] == "0" else (10, text)
    # isalnum: int() would take blanks, signs and underscores; isascii: and digits of other scripts.
    mask = -1
    if digits.isalnum() and digits.isascii() and len(digits) <= 20:
        try:
            mask = int(digits, base)
        except ValueError:
            pass
    if not 0 <= mask < 1 << 32:
        raise SddlError(f"{text[:40]!r} is not a mask of 32 bits", position=at,
                        hint="write letters as FA, or a number as 0x1301bf, 077 or 17")
    return mask


def _guid(text: str, at: int, kind: int) -> str:
    if not text.strip(" "):
        return aces.NO_GUID
    if kind not in aces.OBJECT_TYPES:
        raise SddlError(f"entries of type {_TYPE_OF[kind]} have no object GUIDs", position=at, hint="use OA, OD or OU")
    try:
        aces.guid_to_bytes(text)
    except DescriptorError as error:
        raise SddlError(error.message, position=at, hint=error.hint) from None
    return text.lower()


def format(descriptor: SecurityDescriptor) -> str:
    """The text that Windows writes for the descriptor.

    Raises:
        SddlError: an entry says what SDDL cannot say.
    """
    parts = []
    if descriptor.owner is not None:
        parts.append("O:" + sid_text(descriptor.owner))
    if descriptor.group is not None:
        parts.append("G:" + sid_text(descriptor.group))
    if descriptor.control & bits.SE_DACL_PRESENT:
        parts.append("D:" + list_text(descriptor.dacl, descriptor.control))
    if descriptor.control & bits.SE_SACL_PRESENT:
        parts.append("S:" + list_text(descriptor.sacl, descriptor.control >> 1))
    return "".join(parts)


def sid_text(value: Sid) -> str:
    """The alias that means this SID on every machine, else the SID."""
    return wellknown.alias_of(value) or str(value)


def list_text(acl: Acl | None, control: int) -> str:
    """A list's flags, by the DACL's bits of ``control``, and its entries.  Raises SddlError."""
    flags = "".join(word for word in ("P", "AR", "AI") if control & _LIST_FLAGS[word])
    return flags + (NULL_ACL if acl is None else "".join(map(ace_text, acl.aces)))


def ace_text(entry: Ace) -> str:
    """One entry in its parentheses.  Raises SddlError for what SDDL cannot say."""
    kind = _TYPE_OF.get(entry.type)
    if kind is None:
        raise SddlError(f"entries of type 0x{entry.type:02x} have no SDDL text", hint="keep the descriptor's bytes")
    unused = "SA" if entry.type == aces.SYSTEM_ACCESS_FILTER else "TP"  # one bit, two words
    fields = [kind, "".join(word for word, bit in FLAGS.items() if entry.flags & bit and word != unused),
              mask_text(entry.mask, entry.type), entry.object_type, entry.inherited_object_type, sid_text(entry.sid)]
    if entry.data and entry.type == aces.SYSTEM_RESOURCE_ATTRIBUTE:
        fields.append(attribute.format(entry.data))
    elif entry.data and entry.type in aces.CALLBACK_TYPES:
        fields.append(condition.format(entry.data))
    elif entry.data.strip(b"\0"):  # zeros are padding, which some directories add and MS-DTYP 2.4.4 allows
        raise SddlError(f"an entry of type {kind} carries {len(entry.data)} bytes that SDDL has no word for",
                        hint="keep the descriptor's bytes")
    return f"({';'.join(fields)})"


def mask_text(mask: int, kind: int = aces.ACCESS_ALLOWED) -> str:
    """Letters where there are letters for every bit, nothing for 0, else a hexadecimal number."""
    table = _LABEL if kind == aces.SYSTEM_MANDATORY_LABEL else _SINGLE
    if table is _SINGLE and mask in _WHOLE:
        return _WHOLE[mask]
    words = [(bit, word) for bit, word in sorted(table.items()) if mask & bit]
    return "".join(word for _, word in words) if sum(bit for bit, _ in words) == mask else f"0x{mask:x}"
