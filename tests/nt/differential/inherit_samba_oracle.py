"""Asks Samba's own C function for the descriptor of a new object: JSON lines in, JSON lines out.

Run by the Python that Debian's python3-samba belongs to, never imported by a test.  Knows: three functions of Samba's
security library by their C signatures.  Must not know: what a right answer is.

In:  {"sd": hex, "owner": hex, "group": hex, "container": bool}.  Out: {"sd": hex} or {"status": number}.
"""

from __future__ import annotations

import ctypes
import glob
import json
import sys

LIBRARIES = "/usr/lib/*/samba/libsamba-security-samba4.so.0"


class DomSid(ctypes.Structure):
    _fields_ = [("revision", ctypes.c_uint8), ("count", ctypes.c_int8), ("authority", ctypes.c_uint8 * 6),
                ("subauthorities", ctypes.c_uint32 * 15)]

    @classmethod
    def of(cls, raw: bytes) -> DomSid:
        made = cls(raw[0], raw[1])
        made.authority[:] = raw[2:8]
        for index in range(raw[1]):
            made.subauthorities[index] = int.from_bytes(raw[8 + 4 * index : 12 + 4 * index], "little")
        return made


def main() -> int:
    found = sorted(glob.glob(LIBRARIES))
    if not found:
        print(f"no {LIBRARIES}", file=sys.stderr)
        return 3
    security = ctypes.CDLL(found[-1])
    talloc = ctypes.CDLL("libtalloc.so.2")
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    talloc.talloc_named_const.restype = pointer
    talloc.talloc_named_const.argtypes = (pointer, size, ctypes.c_char_p)
    talloc._talloc_free.argtypes = (pointer, ctypes.c_char_p)
    for name, types in (
        ("unmarshall_sec_desc", (pointer, ctypes.c_char_p, size, ctypes.POINTER(pointer))),
        ("marshall_sec_desc", (pointer, pointer, ctypes.POINTER(pointer), ctypes.POINTER(size))),
        ("se_create_child_secdesc", (pointer, ctypes.POINTER(pointer), ctypes.POINTER(size), pointer,
                                     ctypes.POINTER(DomSid), ctypes.POINTER(DomSid), ctypes.c_bool)),
    ):
        function = getattr(security, name)
        function.restype, function.argtypes = ctypes.c_uint32, types
    for line in sys.stdin:
        asked = json.loads(line)
        context = talloc.talloc_named_const(None, 0, b"case")
        parent, child, packed, length = pointer(), pointer(), pointer(), size()
        raw = bytes.fromhex(asked["sd"])
        owner, group = (DomSid.of(bytes.fromhex(asked[name])) for name in ("owner", "group"))
        status = security.unmarshall_sec_desc(context, raw, len(raw), ctypes.byref(parent))
        if not status:
            status = security.se_create_child_secdesc(context, ctypes.byref(child), ctypes.byref(length), parent,
                                                      owner, group, asked["container"])
        if not status:
            status = security.marshall_sec_desc(context, child, ctypes.byref(packed), ctypes.byref(length))
        if status:
            print(json.dumps({"status": status}))
        else:
            print(json.dumps({"sd": ctypes.string_at(packed, length.value).hex()}))
        talloc._talloc_free(context, b"case")
    return 0


if __name__ == "__main__":
    sys.exit(main())
