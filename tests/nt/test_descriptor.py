"""Self-relative descriptors: captured bytes come back byte for byte; damaged ones are refused at their place.

Knows: MS-DTYP 2.4.4 to 2.4.6.  Must not know: what is granted.
"""

from __future__ import annotations

import pytest

from sidewall.nt import ace as aces
from sidewall.nt import descriptor, sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import MADE, QUERIED, SecurityDescriptor, order_of
from sidewall.nt.errors import DescriptorError
from sidewall.nt.sid import Sid

ADMINISTRATORS = "01020000000000052000000020020000"
# The example of MS-DTYP 2.5.1.4: the bytes that Windows makes of a text.
EXAMPLE = (
    "010014b090000000a000000014000000300000000200 1c000100000002801400000000800101000000000001000000000200 6000"
    "04000000000318000000 00a0010200000000000520000000210200000003180000000010010200000000000520000000200200000003"
    "14000000001001010000000000051200000000031400000000100101000000000003000000 00" + 2 * ADMINISTRATORS
)
# What every service's key in the registry holds unless it was changed.
SERVICE = (
    "01001480900000009c000000140000003000000002001c000100000002801400ff010f00010100000000000100000000020060000400"
    "000000001400fd01020001010000000000051200000000001800ff010f0001020000000000052000000020020000000014008d010200"
    "01010000000000050b00000000001800fd0102000102000000000005200000002302000001010000000000051200000001010000000000"
    "0512000000"
)
# Who may list the sessions of a server, as the registry holds it: in the order in which Windows answers queries.
SESSIONS = (
    "010004801400000020000000000000002c00000001010000000000051200000001010000000000051200000002008c00060000000000"
    "1400ff011f0001010000000000050300000000001400ff011f0001010000000000050400000000001400ff011f00010100000000000506"
    "0000000000180013000f00010200000000000520000000200200000000180013000f000102000000000005200000002302000000001800"
    "13000f0001020000000000052000000025020000"
)
# Of a storage driver's WMI interface.
WMI = (
    "01000480140000002400000000000000340000000102000000000005200000002002000001020000000000052000000020020000020020"
    "0001000000000018001f001200" + ADMINISTRATORS
)
EXAMPLE_TEXT = "O:BAG:BAD:P(A;OICI;GXGR;;;BU)(A;OICI;GA;;;BA)(A;OICI;GA;;;SY)(A;OICI;GA;;;CO)S:P(AU;FA;GR;;;WD)"
SERVICE_TEXT = (
    "O:SYG:SYD:(A;;CCLCSWRPWPDTLOCRRC;;;SY)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;BA)(A;;CCLCSWLOCRRC;;;AU)"
    "(A;;CCLCSWRPWPDTLOCRRC;;;PU)S:(AU;FA;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;WD)"
)
SESSIONS_TEXT = (
    "O:SYG:SYD:(A;;FA;;;S-1-5-3)(A;;FA;;;IU)(A;;FA;;;SU)(A;;CCDCRPSDRCWDWO;;;BA)(A;;CCDCRPSDRCWDWO;;;PU)"
    "(A;;CCDCRPSDRCWDWO;;;SO)"
)
CAPTURED = {
    "example": (EXAMPLE, MADE, EXAMPLE_TEXT),
    "service": (SERVICE, MADE, SERVICE_TEXT),
    "sessions": (SESSIONS, QUERIED, SESSIONS_TEXT),
    "wmi": (WMI, QUERIED, "O:BAG:BAD:(A;;0x12001f;;;BA)"),
}


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_bytes_come_back_through_their_values_alone(name: str) -> None:
    text, order, _ = CAPTURED[name]
    data = bytes.fromhex(text)
    value = SecurityDescriptor.from_bytes(data)
    assert value.to_bytes(order) == data
    assert value.to_bytes(order_of(data)) == data
    copy = SecurityDescriptor(**{name: getattr(value, name) for name in ("owner", "group", "dacl", "sacl", "control")})
    assert copy == value
    assert copy.to_bytes(order) == data


@pytest.mark.parametrize("name", CAPTURED)
def test_captured_bytes_and_their_text_are_one_value(name: str) -> None:
    data, _, text = CAPTURED[name]
    value = SecurityDescriptor.from_bytes(bytes.fromhex(data))
    assert sddl.format(value) == text
    assert sddl.parse(text) == value


def test_any_order_of_the_parts_is_the_same_value() -> None:
    value = SecurityDescriptor.from_bytes(bytes.fromhex(EXAMPLE))
    packets = {value.to_bytes(order) for order in (MADE, QUERIED, ("dacl", "group", "sacl", "owner"))}
    assert len(packets) == 3
    assert {SecurityDescriptor.from_bytes(packet) for packet in packets} == {value}
    with pytest.raises(DescriptorError):
        value.to_bytes(("owner", "group", "dacl"))


def test_the_constants_are_those_of_the_documents() -> None:
    control = """OWNER_DEFAULTED GROUP_DEFAULTED DACL_PRESENT DACL_DEFAULTED SACL_PRESENT SACL_DEFAULTED DACL_TRUSTED
        SERVER_SECURITY DACL_AUTO_INHERIT_REQ SACL_AUTO_INHERIT_REQ DACL_AUTO_INHERITED SACL_AUTO_INHERITED
        DACL_PROTECTED SACL_PROTECTED RM_CONTROL_VALID SELF_RELATIVE"""
    assert [getattr(descriptor, f"SE_{name}") for name in control.split()] == [1 << bit for bit in range(16)]
    kinds = """ACCESS_ALLOWED ACCESS_DENIED SYSTEM_AUDIT SYSTEM_ALARM ACCESS_ALLOWED_COMPOUND ACCESS_ALLOWED_OBJECT
        ACCESS_DENIED_OBJECT SYSTEM_AUDIT_OBJECT SYSTEM_ALARM_OBJECT ACCESS_ALLOWED_CALLBACK ACCESS_DENIED_CALLBACK
        ACCESS_ALLOWED_CALLBACK_OBJECT ACCESS_DENIED_CALLBACK_OBJECT SYSTEM_AUDIT_CALLBACK SYSTEM_ALARM_CALLBACK
        SYSTEM_AUDIT_CALLBACK_OBJECT SYSTEM_ALARM_CALLBACK_OBJECT SYSTEM_MANDATORY_LABEL SYSTEM_RESOURCE_ATTRIBUTE
        SYSTEM_SCOPED_POLICY_ID SYSTEM_PROCESS_TRUST_LABEL SYSTEM_ACCESS_FILTER"""
    assert [getattr(aces, name) for name in kinds.split()] == list(range(0x16))
    named = dict(enumerate(kinds.split()))
    assert {number for number, name in named.items() if "OBJECT" in name} == aces.OBJECT_TYPES
    assert {number for number, name in named.items() if "CALLBACK" in name} == aces.CALLBACK_TYPES
    assert {number for number, name in named.items() if "ALLOWED" in name} == aces.ALLOW_TYPES
    assert {number for number, name in named.items() if "DENIED" in name} == aces.DENY_TYPES
    assert named.keys() - {aces.ACCESS_ALLOWED_COMPOUND} == aces.KNOWN_TYPES
    flags = """OBJECT_INHERIT CONTAINER_INHERIT NO_PROPAGATE_INHERIT INHERIT_ONLY INHERITED CRITICAL SUCCESSFUL_ACCESS
        FAILED_ACCESS"""
    assert [getattr(aces, name) for name in flags.split()] == [1 << bit for bit in range(8)]
    assert aces.TRUST_PROTECTED_FILTER == aces.SUCCESSFUL_ACCESS


def test_any_buffer_will_do() -> None:
    data = bytes.fromhex(SERVICE)
    value = SecurityDescriptor.from_bytes(data)
    for buffer in (bytearray(data), memoryview(data)):
        assert SecurityDescriptor.from_bytes(buffer) == value
    assert isinstance(Ace.from_bytes(Ace(type=9, mask=0, sid=Sid("S-1-1-0"), data=b"artx").to_bytes()).data, bytes)


def test_layouts_that_windows_would_not_make_are_equal_values() -> None:
    data = bytearray.fromhex(WMI)
    value = SecurityDescriptor.from_bytes(bytes(data))
    shared = data.copy()
    shared[8:12] = shared[4:8]  # owner and group at one place
    gap = data[:20] + b"gap!" + data[20:]
    for at in (4, 8, 16):
        gap[at] += 4
    slack = data + b"slack..."
    slack[0x34 + 2] += 8  # the list is longer than its entries
    reserved = data.copy()
    reserved[0x34 + 1] = reserved[0x34 + 6] = 7
    hidden = data.copy()
    hidden[12:16] = (0xFFFFFFFF).to_bytes(4, "little")  # a SACL that control says is not there
    for other in (shared, gap, slack, reserved, hidden):
        assert bytes(other) != bytes(data)
        assert SecurityDescriptor.from_bytes(bytes(other)) == value


def test_absent_null_and_empty_lists_are_three_things() -> None:
    null = SecurityDescriptor(control=descriptor.SE_DACL_PRESENT)
    absent, empty = SecurityDescriptor(), SecurityDescriptor(dacl=Acl())
    assert len({absent, null, empty}) == 3
    for value in (absent, null, empty):
        assert SecurityDescriptor.from_bytes(value.to_bytes()) == value
        assert sddl.parse(sddl.format(value)) == value
    assert [sddl.format(value) for value in (absent, null, empty)] == ["", "D:NO_ACCESS_CONTROL", "D:"]
    assert empty.control == descriptor.SE_DACL_PRESENT
    assert null.replace(dacl=Acl()) == empty


def test_the_resource_managers_byte_and_every_control_bit_come_back() -> None:
    for bit in range(15):
        value = SecurityDescriptor(owner=Sid("S-1-5-18"), control=1 << bit, rm_control=bit)
        packet = value.to_bytes()
        assert packet[1] == bit
        assert int.from_bytes(packet[2:4], "little") == 0x8000 | 1 << bit
        assert SecurityDescriptor.from_bytes(packet) == value
    assert SecurityDescriptor(control=descriptor.SE_SELF_RELATIVE) == SecurityDescriptor()


LIST, ENTRY = 0x34, 0x3C  # where they lie in the packet that is damaged below
DAMAGE = {  # (which byte, what it becomes, where it shows)
    "descriptor revision": (0, 2, 0),
    "absolute": (3, 0x00, 2),
    "owner inside the header": (4, 16, 4),
    "group not aligned": (8, 0x25, 8),
    "list beyond the end": (17, 1, 16),
    "owner's revision": (0x14, 9, 0x14),
    "owner's count": (0x15, 16, 0x15),
    "owner without a number": (0x15, 0, 0x15),
    "owner too long": (0x15, 15, 0x14),
    "list revision": (LIST, 1, LIST),
    "list too short": (LIST + 2, 4, LIST + 2),
    "list not aligned": (LIST + 2, 0x1E, LIST + 2),
    "list too long": (LIST + 3, 1, LIST + 2),
    "one entry too many": (LIST + 4, 2, LIST + 0x20),
    "entry too short": (ENTRY + 2, 0, ENTRY + 2),
    "entry not aligned": (ENTRY + 2, 0x16, ENTRY + 2),
    "entry too long": (ENTRY + 2, 0x1C, ENTRY + 2),
    "no room for a mask": (ENTRY + 2, 4, ENTRY + 4),
    "no room for a SID": (ENTRY + 2, 12, ENTRY + 8),
    "SID longer than its entry": (ENTRY + 9, 3, ENTRY + 8),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named_at_its_place_with_a_remedy(name: str) -> None:
    data = bytearray.fromhex(WMI)
    at, byte, shows = DAMAGE[name]
    data[at] = byte
    with pytest.raises(DescriptorError) as caught:
        SecurityDescriptor.from_bytes(bytes(data))
    assert caught.value.offset == shows, str(caught.value)
    assert str(caught.value).startswith(f"byte {shows}: ")
    assert caught.value.hint


def test_every_cut_is_refused() -> None:
    for text, _, _ in CAPTURED.values():
        data = bytes.fromhex(text)
        for length in range(len(data)):
            with pytest.raises(DescriptorError) as caught:
                SecurityDescriptor.from_bytes(data[:length])
            assert 0 <= caught.value.offset <= length
            if length < descriptor.HEADER:
                with pytest.raises(DescriptorError):
                    order_of(data[:length])


GUID, OTHER_GUID = "bf967aba-0de6-11d0-a285-00aa003049e2", "00112233-4455-6677-8899-aabbccddeeff"


@pytest.mark.parametrize("kind", sorted(aces.KNOWN_TYPES))
def test_every_type_of_entry_keeps_every_byte(kind: int) -> None:
    guids = [("", ""), (GUID, ""), ("", OTHER_GUID), (GUID, OTHER_GUID)] if kind in aces.OBJECT_TYPES else [("", "")]
    for object_type, inherited in guids:
        for data in (b"", b"more", b"\0\0\0\0artx"):
            entry = Ace(type=kind, flags=0xA5, mask=0x89ABCDEF, sid=Sid("S-1-5-32-544"), data=data,
                        object_type=object_type, inherited_object_type=inherited)
            packet = entry.to_bytes()
            assert packet[0] == kind
            assert len(packet) == int.from_bytes(packet[2:4], "little")
            assert Ace.from_bytes(packet) == entry
            assert Ace.from_bytes(b"1234" + packet + b"5678", 4) == entry
            assert not entry.opaque


@pytest.mark.parametrize("kind", [aces.ACCESS_ALLOWED_COMPOUND, 0x16, 0x7F, 0xFF])
def test_a_type_of_unknown_shape_is_kept_and_not_guessed(kind: int) -> None:
    for body in (b"", b"whatever it says", bytes(64)):
        packet = bytes([kind, 0x13]) + (4 + len(body)).to_bytes(2, "little") + body
        entry = Ace.from_bytes(packet)
        assert entry.opaque
        assert (entry.mask, entry.sid, entry.data) == (0, "S-1-0-0", body)
        assert entry.to_bytes() == packet


def test_guids_lie_as_windows_lays_them() -> None:
    assert aces.guid_to_bytes(OTHER_GUID).hex() == "33221100554477668899aabbccddeeff"
    assert aces.guid_from_bytes(bytes.fromhex("33221100554477668899aabbccddeeff")) == OTHER_GUID
    for wrong in ("x", OTHER_GUID[:-1], "{" + OTHER_GUID + "}", OTHER_GUID.replace("-", ""), OTHER_GUID[:-1] + "g"):
        with pytest.raises(DescriptorError):
            aces.guid_to_bytes(wrong)


def test_object_entries_that_are_cut_or_strange_are_refused() -> None:
    entry = Ace(type=aces.ACCESS_ALLOWED_OBJECT, mask=1, sid=Sid("S-1-1-0"), object_type=GUID,
                inherited_object_type=GUID)
    packet = bytearray(entry.to_bytes())
    for length in range(4, len(packet), 4):
        short = packet[:length]
        short[2] = length
        with pytest.raises(DescriptorError):
            Ace.from_bytes(bytes(short))
    packet[8] = 7
    with pytest.raises(DescriptorError) as caught:
        Ace.from_bytes(bytes(packet))
    assert caught.value.offset == 8


@pytest.mark.parametrize("value", [
    Ace(type=256, mask=0, sid=Sid("S-1-1-0")),
    Ace(type=0, flags=-1, mask=0, sid=Sid("S-1-1-0")),
    Ace(type=0, mask=1 << 32, sid=Sid("S-1-1-0")),
    Ace(type=0, mask=0, sid=Sid("S-1-1-0"), data=b"odd"),
    Ace(type=0, mask=0, sid=Sid("S-1-1-0"), object_type=GUID),
    Ace(type=5, mask=0, sid=Sid("S-1-1-0"), object_type="nonsense"),
    Ace(type=0x77, mask=0, sid=Sid("S-1-1-0"), data=bytes(0x10000)),
    Acl(aces=(Ace(type=0x77, mask=0, sid=Sid("S-1-1-0"), data=bytes(0x4000)),) * 4),
    Acl(revision=9),
    SecurityDescriptor(control=1 << 16),
    SecurityDescriptor(rm_control=256),
], ids=lambda value: f"{type(value).__name__}")
def test_values_that_fit_into_no_packet_are_refused(value: Ace | Acl | SecurityDescriptor) -> None:
    with pytest.raises(DescriptorError) as caught:
        value.to_bytes()
    assert caught.value.hint
    assert caught.value.offset == -1


def test_the_largest_list_is_read_in_linear_time() -> None:
    entries = (Ace(type=0, mask=1, sid=Sid("S-1-1-0")),) * 3276
    value = SecurityDescriptor(dacl=Acl(aces=entries), sacl=Acl(aces=entries))
    assert len(value.to_bytes()) == 20 + 2 * 65528
    assert SecurityDescriptor.from_bytes(value.to_bytes()) == value
