"""The filtering platform: what is added arrives as the engine would read it, and comes back as the same value.

Knows: structures as the engine sees them.  Must not know: which filters there are to be.

The engine here keeps, by key, what a C program would find behind the pointers that it was given: bytes copied out of
the facade's memory during the call, and given back from memory of its own.
"""

from __future__ import annotations

import ctypes
import uuid
from typing import Any

import pytest

from sidewall.nt.sddl import parse
from sidewall.platforms.windows import constants_filtering as constants
from sidewall.platforms.windows import filtering_values as values
from sidewall.platforms.windows import layouts_filtering as layouts
from sidewall.platforms.windows.errors import CallError, FilteringError
from sidewall.platforms.windows.handles import ledger

from .behind import Behind, put

PROVIDER, SUBLAYER = "6f1c0d52-9c3a-4a34-a9a2-0a3f5ce0d6a1", "6f1c0d52-9c3a-4a34-a9a2-0a3f5ce0d6a2"
CONNECT = constants.LAYERS["ALE_AUTH_CONNECT_V4"]
ENGINE, LISTING = 0x1000, 0x2000

number = values.Value(type=constants.FWP_UINT16, data=443)
low = values.Value(type=constants.FWP_UINT16, data=47600)
EVERY_KIND = (
    number,
    values.Value(type=constants.FWP_UINT8, data=255),
    values.Value(type=constants.FWP_UINT32, data=0x7F000001),
    values.Value(type=constants.FWP_UINT64, data=2**63 + 5),
    values.Value(type=constants.FWP_RANGE_TYPE, data=(low, number)),
    values.Value(type=constants.FWP_V4_ADDR_MASK, data=(0x7F000000, 0xFF000000)),
    values.Value(type=constants.FWP_V6_ADDR_MASK, data=(bytes(15) + b"\1", 128)),
    values.Value(type=constants.FWP_BYTE_ARRAY16_TYPE, data=bytes(range(16))),
    values.Value(type=constants.FWP_BYTE_BLOB_TYPE, data=b"C:\\x"),
    values.Value(type=constants.FWP_SID, data=bytes.fromhex("010100000000000100000000")),
    values.Value(type=constants.FWP_SECURITY_DESCRIPTOR_TYPE,
                 data=parse("O:LSD:(A;;CC;;;S-1-5-21-1-2-3-1004)").to_bytes()),
)  # fmt: skip


def a_filter(*conditions: values.Condition, key: str = "", name: str = "sidewall-offline") -> values.Filter:
    return values.Filter(key=key or str(uuid.uuid4()), name=name, description="한글", layer=CONNECT, sublayer=SUBLAYER,
                         action=constants.FWP_ACTION_BLOCK, weight=15, conditions=conditions, provider=PROVIDER,
                         flags=constants.FWPM_FILTER_FLAG_PERSISTENT)


class Engine(Behind):
    """What a filtering engine keeps."""

    def __init__(self) -> None:
        self.filters: dict[str, values.Filter] = {}
        self.listed: list[values.Filter] = []
        super().__init__(
            FwpmEngineOpen0=self.open, FwpmEngineClose0=lambda engine: self.note(engine), FwpmFreeMemory0=self.release,
            FwpmFilterAdd0=self.add, FwpmFilterGetByKey0=self.get, FwpmFilterDeleteByKey0=self.delete,
            FwpmFilterCreateEnumHandle0=self.begin, FwpmFilterEnum0=self.go_on,
            FwpmFilterDestroyEnumHandle0=lambda engine, listing: self.note(engine),
        )  # fmt: skip

    def note(self, engine: int) -> int:
        assert engine == ENGINE
        return 0

    def open(self, server: int, service: int, identity: int, session: int, place: int) -> int:
        assert (server, identity, service) == (None, None, constants.RPC_C_AUTHN_DEFAULT)
        assert layouts.FWPM_SESSION0.from_address(session).txnWaitTimeoutInMSec == 15_000
        put(place, ctypes.c_void_p, ENGINE)
        return 0

    def add(self, engine: int, place: int, descriptor: int, id_place: int) -> int:
        found = values.read_filter(layouts.FWPM_FILTER0.from_address(place))
        if found.key in self.filters:
            return 0x80320009
        self.filters[found.key] = found
        put(id_place, ctypes.c_uint64, 2**40 + len(self.filters))
        return self.note(engine)

    def give(self, wanted: values.Filter) -> int:
        built = values.build_filter(wanted)
        place = self.hand_out(built.structure)
        self.allocated[place] = built
        return place

    def get(self, engine: int, key: int, place: int) -> int:
        text = values.text_of(values.GUID.from_address(key))
        if text not in self.filters:
            return 0x80320003
        put(place, ctypes.c_void_p, self.give(self.filters[text]))
        return 0

    def delete(self, engine: int, key: int) -> int:
        text = values.text_of(values.GUID.from_address(key))
        return 0 if self.filters.pop(text, None) else 0x80320003

    def begin(self, engine: int, template: int, place: int) -> int:
        asked = layouts.FWPM_FILTER_ENUM_TEMPLATE0.from_address(template)
        assert asked.actionMask == 0xFFFFFFFF
        provider = values.text_of(asked.providerKey.contents) if asked.providerKey else None
        layer = values.text_of(asked.layerKey)
        every = self.filters.values()
        self.listed = [found for found in every if found.layer == layer and provider in (None, found.provider)]
        put(place, ctypes.c_void_p, LISTING)
        return 0

    def go_on(self, engine: int, listing: int, wanted: int, place: int, count: int) -> int:
        assert listing == LISTING
        part, self.listed = self.listed[:wanted], self.listed[wanted:]
        built = [values.build_filter(found) for found in part]
        array = (ctypes.c_void_p * max(len(part), 1))(*[ctypes.addressof(one.structure) for one in built])
        address = self.hand_out(array)
        self.allocated[address] = (array, built)
        put(place, ctypes.c_void_p, address)
        put(count, ctypes.c_uint32, len(part))
        return 0

    def release(self, place: int) -> None:
        self.free(ctypes.c_void_p.from_address(place).value)


@pytest.mark.parametrize("value", EVERY_KIND, ids=lambda value: f"type-{value.type}")
def test_a_value_of_every_kind_survives(value: values.Value) -> None:
    engine = Engine()
    platform = engine.api.fwpuclnt
    wanted = a_filter(values.Condition(field=constants.FIELDS["FLAGS"], match=constants.FWP_MATCH_EQUAL, value=value))
    with platform.FwpmEngineOpen0("sidewall") as handle:
        assert platform.FwpmFilterAdd0(handle, wanted) == 2**40 + 1
        assert platform.FwpmFilterGetByKey0(handle, wanted.key) == wanted
    assert engine.allocated == {}, "memory of the engine was not given back"


def test_a_descriptor_arrives_as_a_c_program_reads_it() -> None:
    sd = EVERY_KIND[-1]
    built = values.build_filter(a_filter(values.Condition(field=constants.FIELDS["ALE_USER_ID"], match=0, value=sd)))
    condition = built.structure.filterCondition[0]
    assert bytes(condition.fieldKey) == uuid.UUID(constants.FIELDS["ALE_USER_ID"]).bytes_le
    assert condition.conditionValue.type == 14
    blob = condition.conditionValue.sd.contents
    assert ctypes.string_at(blob.data, blob.size) == sd.data
    assert built.structure.weight.type == constants.FWP_UINT8
    assert built.structure.weight.uint8 == 15
    assert built.structure.action.type == 0x1001


def test_filters_come_in_parts_and_all_come() -> None:
    engine = Engine()
    platform = engine.api.fwpuclnt
    with platform.FwpmEngineOpen0("sidewall") as handle:
        added = [a_filter(name=f"filter-{index}") for index in range(130)]
        for wanted in added:
            platform.FwpmFilterAdd0(handle, wanted)
        assert list(platform.FwpmFilterEnum0(handle, CONNECT, provider=PROVIDER)) == added
        assert platform.FwpmFilterEnum0(handle, CONNECT, provider=SUBLAYER) == ()
        assert platform.FwpmFilterEnum0(handle, constants.LAYERS["ALE_AUTH_CONNECT_V6"]) == ()
        platform.FwpmFilterDeleteByKey0(handle, added[0].key)
        assert len(platform.FwpmFilterEnum0(handle, CONNECT)) == 129
    assert engine.allocated == {}
    assert engine.calls.count("FwpmFilterEnum0") == 3 + 1 + 1 + 3


def test_errors_name_the_object() -> None:
    engine = Engine()
    platform = engine.api.fwpuclnt
    wanted = a_filter()
    with platform.FwpmEngineOpen0("sidewall") as handle:
        platform.FwpmFilterAdd0(handle, wanted)
        with pytest.raises(FilteringError, match=r"FWP_E_ALREADY_EXISTS .*filter sidewall-offline") as caught:
            platform.FwpmFilterAdd0(handle, wanted)
        assert caught.value.code == 0x80320009
        missing = str(uuid.uuid4())
        with pytest.raises(FilteringError, match=f"FWP_E_FILTER_NOT_FOUND .*{missing}"):
            platform.FwpmFilterGetByKey0(handle, missing)


def test_a_listing_that_fails_is_closed_and_freed() -> None:
    engine = Engine()
    engine.functions["FwpmFilterEnum0"] = lambda *_: 0x80320012
    platform = engine.api.fwpuclnt
    with platform.FwpmEngineOpen0("sidewall") as handle:
        before = dict(ledger.open)
        with pytest.raises(FilteringError, match="FWP_E_TIMEOUT"):
            platform.FwpmFilterEnum0(handle, CONNECT)
        assert ledger.open == before
    assert "FwpmFilterDestroyEnumHandle0" in engine.calls


@pytest.mark.parametrize("text", ["", "6f1c0d52", "x" * 36, PROVIDER + "00"])
def test_what_is_no_key_is_refused(text: str) -> None:
    with pytest.raises(CallError, match="not a UUID"):
        values.guid(text)


def test_keys_are_those_of_the_standard_library() -> None:
    for text in (*constants.LAYERS.values(), *constants.FIELDS.values(), PROVIDER):
        assert bytes(values.guid(text)) == uuid.UUID(text).bytes_le
        assert values.text_of(values.guid("{" + text.upper() + "}")) == text


def test_an_unknown_type_is_refused_and_read_as_nothing() -> None:
    odd: Any = values.Value(type=17, data=0)
    with pytest.raises(CallError, match="type 17"):
        values.build_filter(a_filter(values.Condition(field=CONNECT, match=0, value=odd)))
    place = layouts.FWP_CONDITION_VALUE0(type=17)
    assert values.read_value(place) == values.Value(type=17, data=b"")
