"""Security descriptors as text: the Security Descriptor Definition Language, both ways.

Knows: the grammar of MS-DTYP 2.5.1.  Must not know: what is granted, or which machine a text comes from.
"""

from __future__ import annotations

from sidewall.nt import ace as aces
from sidewall.nt import descriptor as bits
from sidewall.nt import wellknown
from sidewall.nt.ace import Ace
from sidewall.nt.acl import REVISION, REVISION_DS, Acl
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError, SddlError
from sidewall.nt.sid import Sid

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

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
_TYPE_OF = {number: word for word, number in TYPES.items()}
_SINGLE = {mask: word for word, mask in RIGHTS.items() if word not in ("NW", "NR", "NX") and mask & (mask - 1) == 0}
_WHOLE = {mask: word for word, mask in RIGHTS.items() if word in ("FA", "FR", "FW", "FX", "KA", "KR", "KW")}
_LABEL = {1: "NW", 2: "NR", 4: "NX"}
NULL_ACL = "NO_ACCESS_CONTROL"


def parse(text: str, *, domain: Sid | None = None, machine: Sid | None = None) -> SecurityDescriptor:
    """The descriptor that ``text`` describes.

    ``domain`` and ``machine`` (default: ``domain``) are the SIDs that relative aliases as DA and LA are completed with.

    Raises SddlError with the position of the fault.
    """
    values: dict[str, Sid | Acl | None] = {}
    control = at = 0
    while at < len(text):
        word = text[at : at + 2].upper()
        name = {"O:": "owner", "G:": "group", "D:": "dacl", "S:": "sacl"}.get(word)
        if name is None or name in values:
            raise SddlError(f"{text[at:at + 10]!r} begins no part, or one given before", position=at,
                            hint="parts are O:, G:, D: and S:, each once")
        at += 2
        if name in ("owner", "group"):
            values[name], at = _sid_at(text, at, domain, machine or domain)
        else:
            values[name], more, at = _acl_at(text, at, domain, machine or domain, sacl=name == "sacl")
            control |= more
    return SecurityDescriptor(control=control, **values)


def _sid_at(text: str, at: int, domain: Sid | None, machine: Sid | None) -> tuple[Sid, int]:
    end = at
    if text[at : at + 2].upper() == "S-":
        end = at + 1
        while end < len(text) and (text[end] in "-xX" or text[end] in "0123456789abcdefABCDEF"):
            end += 1
        if text[end : end + 1] == ":":  # "D:" of the next part was read as a digit
            end -= 1
    else:
        end = at + 2
    return sid(text[at:end], domain=domain, machine=machine, position=at), end


def sid(word: str, *, domain: Sid | None = None, machine: Sid | None = None, position: int = -1) -> Sid:
    """The SID that an alias or a text names.  Raises SddlError."""
    upper = word.upper()
    known = wellknown.ALIASES.get(upper)
    if known is not None:
        return known
    for table, base in ((wellknown.DOMAIN_ALIASES, domain), (wellknown.MACHINE_ALIASES, machine)):
        if upper in table:
            if base is None:
                raise SddlError(f"alias {upper} means an account of a domain, and none was given", position=position,
                                hint=f"give the domain's SID, or write S-1-5-21-...-{table[upper]}")
            return base.child(table[upper])
    try:
        return Sid(word)
    except NtError as error:
        raise SddlError(f"neither an alias nor a SID: {error.message}", position=position, hint=error.hint) from None


def _acl_at(text: str, at: int, domain: Sid | None, machine: Sid | None, *,
            sacl: bool) -> tuple[Acl | None, int, int]:
    control = bits.SE_SACL_PRESENT if sacl else bits.SE_DACL_PRESENT
    shift = 1 if sacl else 0
    null = False
    while at < len(text) and text[at] != "(" and text[at + 1 : at + 2] != ":":
        if text.startswith(NULL_ACL, at):
            null, at = True, at + len(NULL_ACL)
        elif text.startswith("AR", at):
            control, at = control | bits.SE_DACL_AUTO_INHERIT_REQ << shift, at + 2
        elif text.startswith("AI", at):
            control, at = control | bits.SE_DACL_AUTO_INHERITED << shift, at + 2
        elif text.startswith("P", at):
            control, at = control | bits.SE_DACL_PROTECTED << shift, at + 1
        else:
            raise SddlError(f"{text[at:at + 10]!r} is no flag of a list", position=at,
                            hint="flags are P, AR, AI and NO_ACCESS_CONTROL")
    entries = []
    while text[at : at + 1] == "(":
        end = text.find(")", at)
        if end < 0:
            raise SddlError("an entry has no end", position=at, hint="close it with )")
        entries.append(_ace(text[at + 1 : end], at + 1, domain, machine))
        at = end + 1
    if null:
        if entries:
            raise SddlError(f"{NULL_ACL} and entries exclude each other", position=at, hint="take one of them away")
        return None, control, at
    revision = REVISION_DS if any(entry.type in aces.OBJECT_TYPES for entry in entries) else REVISION
    return Acl(aces=tuple(entries), revision=revision), control, at


def _ace(body: str, at: int, domain: Sid | None, machine: Sid | None) -> Ace:
    fields = body.split(";", 6)
    if len(fields) < 6:
        raise SddlError(f"an entry has 6 fields, not {len(fields)}", position=at, hint="(type;flags;rights;;;sid)")
    kind = TYPES.get(fields[0].upper())
    if kind is None:
        raise SddlError(f"entry type {fields[0]!r} is unknown", position=at, hint="known: " + " ".join(TYPES))
    flags = 0
    for word in _pairs(fields[1], at):
        if word not in FLAGS:
            raise SddlError(f"flag {word!r} is unknown", position=at, hint="known: " + " ".join(FLAGS))
        flags |= FLAGS[word]
    return Ace(type=kind, flags=flags, mask=_mask(fields[2], at), sid=sid(fields[5], domain=domain, machine=machine,
               position=at), object_type=fields[3].lower(), inherited_object_type=fields[4].lower(),
               data=fields[6].encode() if len(fields) > 6 else b"")


def _pairs(text: str, at: int) -> list[str]:
    if len(text) % 2:
        raise SddlError(f"{text!r} is not made of pairs of letters", position=at, hint="write for instance OICI")
    return [text[index : index + 2].upper() for index in range(0, len(text), 2)]


def _mask(text: str, at: int) -> int:
    if text[:1].isdigit():
        try:
            mask = int(text, 16 if text[:2] in ("0x", "0X") else 8 if text[0] == "0" else 10)
        except ValueError:
            mask = -1
        if not 0 <= mask < 1 << 32:
            raise SddlError(f"{text!r} is not a mask of 32 bits", position=at, hint="write for instance 0x1301bf")
        return mask
    mask = 0
    for word in _pairs(text, at):
        if word not in RIGHTS:
            raise SddlError(f"right {word!r} is unknown", position=at, hint="known: " + " ".join(RIGHTS))
        mask |= RIGHTS[word]
    return mask


def format(descriptor: SecurityDescriptor) -> str:
    """The text that Windows writes for the descriptor.  Raises SddlError for what SDDL cannot say."""
    parts = []
    if descriptor.owner is not None:
        parts.append("O:" + sid_text(descriptor.owner))
    if descriptor.group is not None:
        parts.append("G:" + sid_text(descriptor.group))
    if descriptor.control & bits.SE_DACL_PRESENT:
        parts.append("D:" + _acl_text(descriptor.dacl, descriptor.control))
    if descriptor.control & bits.SE_SACL_PRESENT:
        parts.append("S:" + _acl_text(descriptor.sacl, descriptor.control >> 1))
    return "".join(parts)


def sid_text(value: Sid) -> str:
    """The alias that means this SID everywhere, else the SID."""
    return wellknown.alias_of(value) or str(value)


def _acl_text(acl: Acl | None, control: int) -> str:
    flags = "P" if control & bits.SE_DACL_PROTECTED else ""
    flags += "AR" if control & bits.SE_DACL_AUTO_INHERIT_REQ else ""
    flags += "AI" if control & bits.SE_DACL_AUTO_INHERITED else ""
    if acl is None:
        return flags + NULL_ACL
    return flags + "".join(map(ace_text, acl.aces))


def ace_text(entry: Ace) -> str:
    """One entry in its parentheses.  Raises SddlError for what SDDL cannot say."""
    kind = _TYPE_OF.get(entry.type)
    if kind is None:
        raise SddlError(f"entries of type 0x{entry.type:02x} have no SDDL text", hint="keep the descriptor's bytes")
    flags = "".join(word for word, bit in FLAGS.items() if entry.flags & bit and word != "TP")
    fields = (kind, flags, mask_text(entry.mask, entry.type), entry.object_type, entry.inherited_object_type,
              sid_text(entry.sid), *([entry.data.decode()] if entry.data else []))
    return f"({';'.join(fields)})"


def mask_text(mask: int, kind: int = aces.ACCESS_ALLOWED) -> str:
    """Letters where Windows has letters for every bit, else a hexadecimal number."""
    table = _LABEL if kind == aces.SYSTEM_MANDATORY_LABEL else _SINGLE
    if table is _SINGLE and mask in _WHOLE:
        return _WHOLE[mask]
    words = [word for bit, word in sorted(table.items()) if mask & bit]
    if not mask or sum(bit for bit in table if mask & bit) != mask:
        return f"0x{mask:x}"
    return "".join(words)
