"""Providers, sublayers and filters as values, and as the structures of the Windows Filtering Platform.

Knows: ``FWPM_*0`` structures, both ways.  Must not know: which filters there are to be, the engine's functions.
Follows "FWPM_FILTER0" and "FWP_CONDITION_VALUE0" of the Win32 reference.  Keys are UUIDs as text.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import constants_filtering as constants
from sidewall.platforms.windows import layouts_filtering as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.errors import CallError
from sidewall.platforms.windows.layouts_files import GUID
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Value(Record):
    """A value by its type (FWP_UINT8 ...).

    ``data``: a number; bytes for a byte array, blob, SID or descriptor (self-relative); (address, mask) for IPv4;
    (16 bytes, length of the prefix) for IPv6; two values for a range.
    """

    type: int
    data: int | bytes | tuple[int, int] | tuple[bytes, int] | tuple[Value, Value]


class Condition(Record):
    """One condition: the field's key, how it is compared (FWP_MATCH_*), with what."""

    field: str
    match: int
    value: Value


class Provider(Record):
    """Whose the filters are."""

    key: str
    name: str
    description: str = ""
    flags: int = 0


class SubLayer(Record):
    """Filters that are weighed against each other; sublayers of greater ``weight`` come first."""

    key: str
    name: str
    description: str = ""
    flags: int = 0
    provider: str | None = None
    weight: int = 0


class Filter(Record):
    """A filter.  ``weight`` 0 to 15 is a range of weights in which the engine places it; ``action`` is FWP_ACTION_*."""

    key: str
    name: str
    layer: str
    sublayer: str
    action: int
    weight: int
    conditions: tuple[Condition, ...] = ()
    description: str = ""
    flags: int = 0
    provider: str | None = None


def guid(text: str) -> GUID:
    """A UUID's text as a structure.  Raises CallError for what is none."""
    digits = text.replace("-", "").strip("{}")
    try:
        data = bytes.fromhex(digits)
        if len(data) != 16:
            raise ValueError(digits)
    except ValueError:
        raise CallError(f"not a UUID: {text!r}") from None
    return GUID.from_buffer_copy(data[3::-1] + data[5:3:-1] + data[7:5:-1] + data[8:])


def text_of(key: GUID) -> str:
    """A structure as a UUID's text."""
    raw = bytes(key)
    data = (raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:]).hex()
    return f"{data[:8]}-{data[8:12]}-{data[12:16]}-{data[16:20]}-{data[20:]}"


class Built:
    """A structure, and the memory that it points to."""

    def __init__(self, structure: Any) -> None:
        self.structure = structure
        self.kept: list[Any] = []

    def keep(self, memory_: Any) -> Any:
        """Holds on to memory as long as the structure is used."""
        self.kept.append(memory_)
        return memory_

    def display(self, name: str, description: str) -> None:
        """What people read of it."""
        data = self.structure.displayData
        data.name = ctypes.addressof(self.keep(memory.wide(name)))
        data.description = ctypes.addressof(self.keep(memory.wide(description)))

    def key(self, text: str | None) -> Any:
        """A pointer to a key, None for none."""
        return ctypes.pointer(self.keep(guid(text))) if text is not None else None

    def blob(self, data: bytes) -> Any:
        """A pointer to counted bytes."""
        return ctypes.pointer(self.keep(layouts.FWP_BYTE_BLOB(len(data), memory.bytes_of(data, ctypes.c_uint8))))

    def fill(self, place: Any, value: Value) -> None:
        """Writes a value.  Raises CallError for a type that has no form here."""
        place.type = value.type
        data: Any = value.data
        if value.type in _NUMBERS:
            setattr(place, _NUMBERS[value.type], data)
        elif value.type == constants.FWP_UINT64:
            place.uint64 = ctypes.pointer(self.keep(ctypes.c_uint64(data)))
        elif value.type == constants.FWP_BYTE_ARRAY16_TYPE:
            place.byteArray16 = ctypes.pointer(self.keep(layouts.FWP_BYTE_ARRAY16.from_buffer_copy(data)))
        elif value.type == constants.FWP_BYTE_BLOB_TYPE:
            place.byteBlob = self.blob(data)
        elif value.type == constants.FWP_SECURITY_DESCRIPTOR_TYPE:
            place.sd = self.blob(data)
        elif value.type == constants.FWP_SID:
            place.sid = ctypes.addressof(self.keep(ctypes.create_string_buffer(data, len(data))))
        elif value.type == constants.FWP_V4_ADDR_MASK:
            place.v4AddrMask = ctypes.pointer(self.keep(layouts.FWP_V4_ADDR_AND_MASK(*data)))
        elif value.type == constants.FWP_V6_ADDR_MASK:
            address = (ctypes.c_uint8 * 16).from_buffer_copy(data[0])
            place.v6AddrMask = ctypes.pointer(self.keep(layouts.FWP_V6_ADDR_AND_MASK(address, data[1])))
        elif value.type == constants.FWP_RANGE_TYPE:
            limits = self.keep(layouts.FWP_RANGE0())
            self.fill(limits.valueLow, data[0])
            self.fill(limits.valueHigh, data[1])
            place.rangeValue = ctypes.pointer(limits)
        else:
            raise CallError(f"a filter's value of type {value.type} has no form here")


_NUMBERS = {constants.FWP_UINT8: "uint8", constants.FWP_UINT16: "uint16", constants.FWP_UINT32: "uint32"}


def build_provider(provider: Provider) -> Built:
    """The structure of a provider."""
    built = Built(layouts.FWPM_PROVIDER0(providerKey=guid(provider.key), flags=provider.flags))
    built.display(provider.name, provider.description)
    return built


def build_sublayer(sublayer: SubLayer) -> Built:
    """The structure of a sublayer."""
    key = guid(sublayer.key)
    built = Built(layouts.FWPM_SUBLAYER0(subLayerKey=key, flags=sublayer.flags, weight=sublayer.weight))
    built.structure.providerKey = built.key(sublayer.provider)
    built.display(sublayer.name, sublayer.description)
    return built


def build_filter(wanted: Filter) -> Built:
    """The structure of a filter."""
    built = Built(layouts.FWPM_FILTER0(filterKey=guid(wanted.key), flags=wanted.flags, layerKey=guid(wanted.layer),
                                       subLayerKey=guid(wanted.sublayer)))
    structure = built.structure
    structure.providerKey = built.key(wanted.provider)
    structure.action.type = wanted.action
    built.display(wanted.name, wanted.description)
    built.fill(structure.weight, Value(type=constants.FWP_UINT8, data=wanted.weight))
    conditions = built.keep((layouts.FWPM_FILTER_CONDITION0 * max(len(wanted.conditions), 1))())
    for place, condition in zip(conditions, wanted.conditions, strict=False):
        place.fieldKey = guid(condition.field)
        place.matchType = condition.match
        built.fill(place.conditionValue, condition.value)
    structure.numFilterConditions = len(wanted.conditions)
    structure.filterCondition = ctypes.cast(conditions, ctypes.POINTER(layouts.FWPM_FILTER_CONDITION0))
    return built


def read_value(place: Any) -> Value:
    """A value as the engine gives it; one of a type that has no form here has the data b''."""
    kind = int(place.type)
    data: Any = b""
    if kind in _NUMBERS:
        data = int(getattr(place, _NUMBERS[kind]))
    elif kind == constants.FWP_EMPTY:
        data = 0
    elif kind == constants.FWP_UINT64:
        data = int(place.uint64.contents.value)
    elif kind == constants.FWP_BYTE_ARRAY16_TYPE:
        data = bytes(place.byteArray16.contents.byteArray16)
    elif kind in (constants.FWP_BYTE_BLOB_TYPE, constants.FWP_SECURITY_DESCRIPTOR_TYPE):
        blob = (place.byteBlob if kind == constants.FWP_BYTE_BLOB_TYPE else place.sd).contents
        data = ctypes.string_at(blob.data, blob.size)
    elif kind == constants.FWP_SID:
        data = memory.sid_at(place.sid)
    elif kind == constants.FWP_V4_ADDR_MASK:
        data = (int(place.v4AddrMask.contents.addr), int(place.v4AddrMask.contents.mask))
    elif kind == constants.FWP_V6_ADDR_MASK:
        found = place.v6AddrMask.contents
        data = (bytes(found.addr), int(found.prefixLength))
    elif kind == constants.FWP_RANGE_TYPE:
        limits = place.rangeValue.contents
        data = (read_value(limits.valueLow), read_value(limits.valueHigh))
    return Value(type=kind, data=data)


def _key_at(place: Any) -> str | None:
    return text_of(place.contents) if place else None


def read_provider(found: layouts.FWPM_PROVIDER0) -> Provider:
    """A provider as the engine gives it."""
    data = found.displayData
    return Provider(key=text_of(found.providerKey), name=memory.text_at(data.name),
                    description=memory.text_at(data.description), flags=found.flags)


def read_sublayer(found: layouts.FWPM_SUBLAYER0) -> SubLayer:
    """A sublayer as the engine gives it."""
    data = found.displayData
    return SubLayer(key=text_of(found.subLayerKey), name=memory.text_at(data.name), weight=found.weight,
                    description=memory.text_at(data.description), flags=found.flags,
                    provider=_key_at(found.providerKey))


def read_filter(found: layouts.FWPM_FILTER0) -> Filter:
    """A filter as the engine gives it; a weight that the engine chose is 0."""
    data, weight = found.displayData, read_value(found.weight)
    conditions = [
        Condition(field=text_of(place.fieldKey), match=int(place.matchType), value=read_value(place.conditionValue))
        for place in [found.filterCondition[index] for index in range(found.numFilterConditions)]
    ]
    return Filter(
        key=text_of(found.filterKey), name=memory.text_at(data.name), description=memory.text_at(data.description),
        flags=found.flags, provider=_key_at(found.providerKey), layer=text_of(found.layerKey),
        sublayer=text_of(found.subLayerKey), action=found.action.type, conditions=tuple(conditions),
        weight=weight.data if weight.type == constants.FWP_UINT8 and isinstance(weight.data, int) else 0,
    )  # fmt: skip


__all__ = ["Built", "Condition", "Filter", "Provider", "SubLayer", "Value", "build_filter", "build_provider",
           "build_sublayer", "guid", "read_filter", "read_provider", "read_sublayer", "read_value", "text_of"]
