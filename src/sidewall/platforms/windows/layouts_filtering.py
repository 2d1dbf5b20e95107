"""Structures of the Windows Filtering Platform, as ``fwptypes.h`` and ``fwpmtypes.h`` have them.

Knows: fields, in order, with types of fixed width.  Must not know: any function, or what is filtered.
"""

from __future__ import annotations

from ctypes import POINTER as pointer_to
from ctypes import (
    Structure,
    Union,
    c_double,
    c_float,
    c_int8,
    c_int16,
    c_int32,
    c_int64,
    c_uint8,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)

from sidewall.platforms.windows.layouts_files import GUID

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class FWPM_DISPLAY_DATA0(Structure):
    """What people read."""

    _fields_ = [("name", c_void_p), ("description", c_void_p)]


class FWP_BYTE_BLOB(Structure):
    """Counted bytes."""

    _fields_ = [("size", c_uint32), ("data", pointer_to(c_uint8))]


class FWP_BYTE_ARRAY16(Structure):
    """An IPv6 address."""

    _fields_ = [("byteArray16", c_uint8 * 16)]


class FWP_V4_ADDR_AND_MASK(Structure):
    """Addresses of IPv4, as numbers in the machine's order."""

    _fields_ = [("addr", c_uint32), ("mask", c_uint32)]


class FWP_V6_ADDR_AND_MASK(Structure):
    """Addresses of IPv6."""

    _fields_ = [("addr", c_uint8 * 16), ("prefixLength", c_uint8)]


_VALUES: list[tuple[str, Any]] = [
    ("uint8", c_uint8), ("uint16", c_uint16), ("uint32", c_uint32), ("uint64", pointer_to(c_uint64)), ("int8", c_int8),
    ("int16", c_int16), ("int32", c_int32), ("int64", pointer_to(c_int64)), ("float32", c_float),
    ("double64", pointer_to(c_double)), ("byteArray16", pointer_to(FWP_BYTE_ARRAY16)),
    ("byteBlob", pointer_to(FWP_BYTE_BLOB)), ("sid", c_void_p), ("sd", pointer_to(FWP_BYTE_BLOB)),
    ("tokenInformation", c_void_p), ("tokenAccessInformation", pointer_to(FWP_BYTE_BLOB)), ("unicodeString", c_void_p),
    ("byteArray6", c_void_p),
]  # fmt: skip


class _Value(Union):
    _fields_ = _VALUES


class FWP_VALUE0(Structure):
    """A value, and of which type it is."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("type", c_int32), ("Anonymous", _Value)]


class FWP_RANGE0(Structure):
    """From one value to another, both in it."""

    _fields_ = [("valueLow", FWP_VALUE0), ("valueHigh", FWP_VALUE0)]


class _ConditionValue(Union):
    _fields_ = [
        *_VALUES, ("v4AddrMask", pointer_to(FWP_V4_ADDR_AND_MASK)), ("v6AddrMask", pointer_to(FWP_V6_ADDR_AND_MASK)),
        ("rangeValue", pointer_to(FWP_RANGE0)),
    ]


class FWP_CONDITION_VALUE0(Structure):
    """A value that a condition compares with."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("type", c_int32), ("Anonymous", _ConditionValue)]


class FWPM_FILTER_CONDITION0(Structure):
    """One condition of a filter."""

    _fields_ = [("fieldKey", GUID), ("matchType", c_int32), ("conditionValue", FWP_CONDITION_VALUE0)]


class _ActionKey(Union):
    _fields_ = [("filterType", GUID), ("calloutKey", GUID)]


class FWPM_ACTION0(Structure):
    """Block or permit."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [("type", c_uint32), ("Anonymous", _ActionKey)]


class _Context(Union):
    _fields_ = [("rawContext", c_uint64), ("providerContextKey", GUID)]


class FWPM_FILTER0(Structure):
    """A filter."""

    _anonymous_ = ("Anonymous",)
    _fields_ = [
        ("filterKey", GUID), ("displayData", FWPM_DISPLAY_DATA0), ("flags", c_uint32),
        ("providerKey", pointer_to(GUID)), ("providerData", FWP_BYTE_BLOB), ("layerKey", GUID), ("subLayerKey", GUID),
        ("weight", FWP_VALUE0),
        ("numFilterConditions", c_uint32), ("filterCondition", pointer_to(FWPM_FILTER_CONDITION0)),
        ("action", FWPM_ACTION0), ("Anonymous", _Context), ("reserved", pointer_to(GUID)), ("filterId", c_uint64),
        ("effectiveWeight", FWP_VALUE0),
    ]


class FWPM_FILTER_ENUM_TEMPLATE0(Structure):
    """Which filters are listed."""

    _fields_ = [
        ("providerKey", pointer_to(GUID)), ("layerKey", GUID), ("enumType", c_int32), ("flags", c_uint32),
        ("providerContextTemplate", c_void_p), ("numFilterConditions", c_uint32),
        ("filterCondition", pointer_to(FWPM_FILTER_CONDITION0)), ("actionMask", c_uint32),
        ("calloutKey", pointer_to(GUID)),
    ]


class FWPM_PROVIDER0(Structure):
    """Whose the filters are."""

    _fields_ = [
        ("providerKey", GUID), ("displayData", FWPM_DISPLAY_DATA0), ("flags", c_uint32),
        ("providerData", FWP_BYTE_BLOB), ("serviceName", c_void_p),
    ]


class FWPM_SUBLAYER0(Structure):
    """Filters that are weighed against each other."""

    _fields_ = [
        ("subLayerKey", GUID), ("displayData", FWPM_DISPLAY_DATA0), ("flags", c_uint32),
        ("providerKey", pointer_to(GUID)), ("providerData", FWP_BYTE_BLOB), ("weight", c_uint16),
    ]


class FWPM_SESSION0(Structure):
    """How this program talks to the filtering engine."""

    _fields_ = [
        ("sessionKey", GUID), ("displayData", FWPM_DISPLAY_DATA0), ("flags", c_uint32),
        ("txnWaitTimeoutInMSec", c_uint32), ("processId", c_uint32), ("sid", c_void_p), ("username", c_void_p),
        ("kernelMode", c_int32),
    ]
