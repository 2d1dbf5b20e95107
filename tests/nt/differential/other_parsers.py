"""Other people's parsers of security descriptors, each answering in one plain form.

Knows: winacl, impacket and sddl-parser.  Must not know: our parsers, or which of them is right.

The plain form: a dictionary with ``owner``, ``group`` (texts or None), ``control`` (number), ``dacl``, ``sacl`` (None
or a list of entries); an entry is a dictionary with ``type``, ``flags``, ``mask``, ``sid``, ``object_type``,
``inherited_object_type``, and ``data`` where the parser keeps it.
"""

from __future__ import annotations

import re
from typing import Any

from impacket.ldap import ldaptypes
from sddl_parser import parse_sddl
from sddl_parser.enums import SDDLFlags
from winacl.dtyp.security_descriptor import SECURITY_DESCRIPTOR
from winacl.dtyp.sid import SID as WinaclSid

from sidewall.nt.ace import guid_from_bytes
from sidewall.nt.sid import Sid

Plain = dict[str, Any]

# The lists that a descriptor's flags are read into, by bit of control.
PROTECTED, REQUESTED, INHERITED = (0x1000, 0x2000), (0x100, 0x200), (0x400, 0x800)


def winacl_bytes(data: bytes) -> Plain:
    """Raises whatever winacl raises."""
    return _winacl(SECURITY_DESCRIPTOR.from_bytes(data))


def winacl_text(text: str, domain: str) -> Plain:
    """Raises whatever winacl raises."""
    return _winacl(SECURITY_DESCRIPTOR.from_sddl(text, domain_sid=domain))


def _winacl(found: Any) -> Plain:
    return {
        "owner": _winacl_sid(found.Owner),
        "group": _winacl_sid(found.Group),
        "control": int(found.Control),
        "dacl": None if found.Dacl is None else [_winacl_entry(entry) for entry in found.Dacl.aces],
        "sacl": None if found.Sacl is None else [_winacl_entry(entry) for entry in found.Sacl.aces],
    }


def _winacl_sid(found: WinaclSid | None) -> str | None:
    if found is None:
        return None
    return f"S-1-{found.IdentifierAuthority}" + "".join(f"-{number}" for number in found.SubAuthority)


def _winacl_entry(found: Any) -> Plain:
    entry: Plain = {
        "type": found.AceType.value, "flags": int(found.AceFlags), "mask": int(found.Mask),
        "sid": _winacl_sid(found.Sid),
        "object_type": str(getattr(found, "ObjectType", None) or ""),
        "inherited_object_type": str(getattr(found, "InheritedObjectType", None) or ""),
    }
    for name in ("ApplicationData", "AttributeData"):
        if getattr(found, name, None) is not None:
            entry["data"] = getattr(found, name)
    return entry


def impacket_bytes(data: bytes) -> Plain:
    """Raises whatever impacket raises."""
    found = ldaptypes.SR_SECURITY_DESCRIPTOR(data=data)
    return {
        "owner": _impacket_sid(found["OwnerSid"]),
        "group": _impacket_sid(found["GroupSid"]),
        "control": found["Control"],
        "dacl": _impacket_list(found["Dacl"]),
        "sacl": _impacket_list(found["Sacl"]),
    }


def _impacket_sid(found: Any) -> str | None:
    # Its own text has one byte of the authority only, so the bytes are read.
    return None if isinstance(found, bytes) else str(Sid.from_bytes(found.getData()))


def _impacket_list(found: Any) -> list[Plain] | None:
    return [_impacket_entry(entry) for entry in found.aces] if isinstance(found, ldaptypes.ACL) else None


def _impacket_entry(found: Any) -> Plain:
    body = found["Ace"]
    entry: Plain = {
        "type": found["AceType"], "flags": found["AceFlags"], "mask": body["Mask"]["Mask"],
        "sid": _impacket_sid(body["Sid"]), "object_type": "", "inherited_object_type": "",
    }
    for name, key in (("ObjectType", "object_type"), ("InheritedObjectType", "inherited_object_type")):
        if name in body.fields and body[name]:
            entry[key] = guid_from_bytes(body[name])
    if "ApplicationData" in body.fields:
        entry["data"] = body["ApplicationData"]
    return entry


def sddl_parser_text(text: str, domain: str) -> Plain:
    """Raises whatever sddl-parser raises.  A missing list and an empty one are told apart by the text itself."""
    found = parse_sddl(text)
    assert found is not None
    plain: Plain = {"owner": _named(found.owner, domain), "group": _named(found.group, domain), "control": 0x8000}
    for index, (name, mark) in enumerate((("dacl", "D:"), ("sacl", "S:"))):
        acl = getattr(found, name)
        plain[name] = None if acl is None else [_sddl_parser_entry(entry, domain) for entry in acl.aces]
        if acl is not None:
            assert mark in text
            plain["control"] |= (0x4, 0x10)[index]
            for flag, bits in ((SDDLFlags.PROTECTED, PROTECTED), (SDDLFlags.SDDL_AUTO_INHERIT_REQ, REQUESTED),
                               (SDDLFlags.SDDL_AUTO_INHERITED, INHERITED)):
                plain["control"] |= bits[index] if flag in acl.flags else 0
    return plain


def _named(found: Any, domain: str) -> str:
    text = found if isinstance(found, str) else str(found.value)
    return re.sub(r"S-1-5-21-(DOMAIN|<machine>|<root-domain>)", domain, text)


def _sddl_parser_entry(found: Any, domain: str) -> Plain:
    return {
        "type": int(found.type), "flags": sum({int(flag) for flag in found.flags}), "mask": found.rights_int,
        "sid": _named(found.sid, domain), "object_type": found.object_guid,
        "inherited_object_type": found.inherit_object_guid,
    }
