"""fwpuclnt: the engine of the Windows Filtering Platform.

Knows: the management functions, version 0.  Must not know: which filters there are to be.
All changes belong into one transaction; an engine that is closed within one takes everything back.
"""

from __future__ import annotations

import ctypes

from sidewall.platforms.windows import filtering_values as values
from sidewall.platforms.windows import layouts_filtering as layouts
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.constants_filtering import (
    FWP_FILTER_ENUM_OVERLAPPING,
    FWPM_SESSION_FLAG_DYNAMIC,
    FWPM_TXN_READ_ONLY,
    RPC_C_AUTHN_DEFAULT,
)
from sidewall.platforms.windows.dll import Dll, Function
from sidewall.platforms.windows.handles import Handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Protocol, TypeVar

    T = TypeVar("T")
else:
    Protocol = object

NAME = "fwpuclnt.dll"
PROTOTYPES = """
FWP_STATUS FwpmEngineOpen0(PWSTR serverName, DWORD authnService, SEC_WINNT_AUTH_IDENTITY_W* authIdentity,
    FWPM_SESSION0* session, FWPM_ENGINE_HANDLE* engineHandle);
FWP_STATUS FwpmEngineClose0(FWPM_ENGINE_HANDLE engineHandle);
FWP_STATUS FwpmTransactionBegin0(FWPM_ENGINE_HANDLE engineHandle, FLAGS flags);
FWP_STATUS FwpmTransactionCommit0(FWPM_ENGINE_HANDLE engineHandle);
FWP_STATUS FwpmTransactionAbort0(FWPM_ENGINE_HANDLE engineHandle);
FWP_STATUS FwpmProviderAdd0(FWPM_ENGINE_HANDLE engineHandle, FWPM_PROVIDER0* provider, PSECURITY_DESCRIPTOR sd);
FWP_STATUS FwpmProviderDeleteByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key);
FWP_STATUS FwpmProviderGetByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key, FWPM_PROVIDER0** provider);
FWP_STATUS FwpmSubLayerAdd0(FWPM_ENGINE_HANDLE engineHandle, FWPM_SUBLAYER0* subLayer, PSECURITY_DESCRIPTOR sd);
FWP_STATUS FwpmSubLayerDeleteByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key);
FWP_STATUS FwpmSubLayerGetByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key, FWPM_SUBLAYER0** subLayer);
FWP_STATUS FwpmFilterAdd0(FWPM_ENGINE_HANDLE engineHandle, FWPM_FILTER0* filter, PSECURITY_DESCRIPTOR sd,
    ULONGLONG* id);
FWP_STATUS FwpmFilterDeleteByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key);
FWP_STATUS FwpmFilterGetByKey0(FWPM_ENGINE_HANDLE engineHandle, GUID* key, FWPM_FILTER0** filter);
FWP_STATUS FwpmFilterCreateEnumHandle0(FWPM_ENGINE_HANDLE engineHandle, FWPM_FILTER_ENUM_TEMPLATE0* enumTemplate,
    FWPM_FILTER_ENUM_HANDLE* enumHandle);
FWP_STATUS FwpmFilterEnum0(FWPM_ENGINE_HANDLE engineHandle, FWPM_FILTER_ENUM_HANDLE enumHandle,
    DWORD numEntriesRequested, FWPM_FILTER0*** entries, DWORD* numEntriesReturned);
FWP_STATUS FwpmFilterDestroyEnumHandle0(FWPM_ENGINE_HANDLE engineHandle, FWPM_FILTER_ENUM_HANDLE enumHandle);
VOID FwpmFreeMemory0(PVOID* p);
"""

PART = 64
"""Filters that are read at a time."""

ANY_ACTION = 0xFFFFFFFF


class Fwpuclnt(Protocol):
    """The filtering engine.  Every call raises FilteringError."""

    def FwpmEngineOpen0(self, name: str, *, dynamic: bool = False, wait_milliseconds: int = 15_000) -> Handle:
        """Opens the engine; with ``dynamic`` what is added goes when the handle is closed."""

    def FwpmTransactionBegin0(self, engine: Handle, *, read_only: bool = False) -> None:
        """Begins a transaction."""

    def FwpmTransactionCommit0(self, engine: Handle) -> None:
        """Makes it real, all at once."""

    def FwpmTransactionAbort0(self, engine: Handle) -> None:
        """Takes it back."""

    def FwpmProviderAdd0(self, engine: Handle, provider: values.Provider, *, security: bytes | None = None) -> None:
        """Adds a provider; FWP_E_ALREADY_EXISTS."""

    def FwpmProviderGetByKey0(self, engine: Handle, key: str) -> values.Provider:
        """Reads it; FWP_E_PROVIDER_NOT_FOUND."""

    def FwpmProviderDeleteByKey0(self, engine: Handle, key: str) -> None:
        """Removes it; FWP_E_IN_USE while something of it is there."""

    def FwpmSubLayerAdd0(self, engine: Handle, sublayer: values.SubLayer, *, security: bytes | None = None) -> None:
        """Adds a sublayer."""

    def FwpmSubLayerGetByKey0(self, engine: Handle, key: str) -> values.SubLayer:
        """Reads it; FWP_E_SUBLAYER_NOT_FOUND."""

    def FwpmSubLayerDeleteByKey0(self, engine: Handle, key: str) -> None:
        """Removes it."""

    def FwpmFilterAdd0(self, engine: Handle, wanted: values.Filter, *, security: bytes | None = None) -> int:
        """Adds a filter; the number that the engine gives it."""

    def FwpmFilterGetByKey0(self, engine: Handle, key: str) -> values.Filter:
        """Reads it; FWP_E_FILTER_NOT_FOUND."""

    def FwpmFilterDeleteByKey0(self, engine: Handle, key: str) -> None:
        """Removes it."""

    def FwpmFilterEnum0(self, engine: Handle, layer: str, *, provider: str | None = None) -> tuple[values.Filter, ...]:
        """The filters of a layer, of one provider or of all."""


class NativeFwpuclnt:
    """The real DLL."""

    def __init__(self, dll: Dll) -> None:
        self._dll = dll

    def FwpmEngineOpen0(self, name: str, *, dynamic: bool = False, wait_milliseconds: int = 15_000) -> Handle:
        text = memory.wide(name)
        session = layouts.FWPM_SESSION0(flags=FWPM_SESSION_FLAG_DYNAMIC if dynamic else 0)
        session.displayData.name = ctypes.addressof(text)
        session.txnWaitTimeoutInMSec = wait_milliseconds
        engine = ctypes.c_void_p()
        self._dll.FwpmEngineOpen0(None, RPC_C_AUTHN_DEFAULT, None, ctypes.byref(session), ctypes.byref(engine))
        return Handle(engine.value or 0, self._dll.FwpmEngineClose0, "the filtering engine")

    def FwpmTransactionBegin0(self, engine: Handle, *, read_only: bool = False) -> None:
        self._dll.FwpmTransactionBegin0(engine, FWPM_TXN_READ_ONLY if read_only else 0)

    def FwpmTransactionCommit0(self, engine: Handle) -> None:
        self._dll.FwpmTransactionCommit0(engine)

    def FwpmTransactionAbort0(self, engine: Handle) -> None:
        self._dll.FwpmTransactionAbort0(engine)

    def _do(self, function: Function, what: str, *given: Any) -> None:
        """Calls; the message names what it was about, which the arguments do not tell."""
        code = function.code(*given)
        if code:
            from sidewall.platforms.windows.errors import failure
            from sidewall.platforms.windows.prototypes import FILTERING

            raise failure(function.prototype.name, FILTERING, code, arguments=(("object", what),), target=what)

    def _get(self, function: Function, engine: Handle, key: str, layout: Any, read: Callable[[Any], T]) -> T:
        place = ctypes.POINTER(layout)()
        self._do(function, key, engine, ctypes.byref(values.guid(key)), ctypes.byref(place))
        try:
            return read(place.contents)
        finally:
            self._free(place)

    def _free(self, place: Any) -> None:
        self._dll.FwpmFreeMemory0(ctypes.cast(ctypes.byref(place), ctypes.POINTER(ctypes.c_void_p)))

    def FwpmProviderAdd0(self, engine: Handle, provider: values.Provider, *, security: bytes | None = None) -> None:
        built = values.build_provider(provider)
        self._do(self._dll.FwpmProviderAdd0, f"provider {provider.name}", engine, ctypes.byref(built.structure),
                 security)

    def FwpmProviderGetByKey0(self, engine: Handle, key: str) -> values.Provider:
        return self._get(self._dll.FwpmProviderGetByKey0, engine, key, layouts.FWPM_PROVIDER0, values.read_provider)

    def FwpmProviderDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._do(self._dll.FwpmProviderDeleteByKey0, f"provider {key}", engine, ctypes.byref(values.guid(key)))

    def FwpmSubLayerAdd0(self, engine: Handle, sublayer: values.SubLayer, *, security: bytes | None = None) -> None:
        built = values.build_sublayer(sublayer)
        self._do(self._dll.FwpmSubLayerAdd0, f"sublayer {sublayer.name}", engine, ctypes.byref(built.structure),
                 security)

    def FwpmSubLayerGetByKey0(self, engine: Handle, key: str) -> values.SubLayer:
        return self._get(self._dll.FwpmSubLayerGetByKey0, engine, key, layouts.FWPM_SUBLAYER0, values.read_sublayer)

    def FwpmSubLayerDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._do(self._dll.FwpmSubLayerDeleteByKey0, f"sublayer {key}", engine, ctypes.byref(values.guid(key)))

    def FwpmFilterAdd0(self, engine: Handle, wanted: values.Filter, *, security: bytes | None = None) -> int:
        built, number = values.build_filter(wanted), ctypes.c_uint64()
        self._do(self._dll.FwpmFilterAdd0, f"filter {wanted.name}", engine, ctypes.byref(built.structure), security,
                 ctypes.byref(number))
        return number.value

    def FwpmFilterGetByKey0(self, engine: Handle, key: str) -> values.Filter:
        return self._get(self._dll.FwpmFilterGetByKey0, engine, key, layouts.FWPM_FILTER0, values.read_filter)

    def FwpmFilterDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._do(self._dll.FwpmFilterDeleteByKey0, f"filter {key}", engine, ctypes.byref(values.guid(key)))

    def FwpmFilterEnum0(self, engine: Handle, layer: str, *, provider: str | None = None) -> tuple[values.Filter, ...]:
        template = layouts.FWPM_FILTER_ENUM_TEMPLATE0(layerKey=values.guid(layer), actionMask=ANY_ACTION,
                                                      enumType=FWP_FILTER_ENUM_OVERLAPPING)
        key = values.guid(provider) if provider is not None else None
        if key is not None:
            template.providerKey = ctypes.pointer(key)
        listing = ctypes.c_void_p()
        self._do(self._dll.FwpmFilterCreateEnumHandle0, f"layer {layer}", engine, ctypes.byref(template),
                 ctypes.byref(listing))

        def close(value: int) -> None:
            self._dll.FwpmFilterDestroyEnumHandle0(engine, value)

        found: list[values.Filter] = []
        with Handle(listing.value or 0, close, f"the filters of layer {layer}") as handle:
            while True:
                entries: Any = ctypes.POINTER(ctypes.POINTER(layouts.FWPM_FILTER0))()
                count = ctypes.c_uint32()
                self._do(self._dll.FwpmFilterEnum0, f"layer {layer}", engine, handle, PART, ctypes.byref(entries),
                         ctypes.byref(count))
                try:
                    found += [values.read_filter(entries[index].contents) for index in range(count.value)]
                finally:
                    if entries:
                        self._free(entries)
                if count.value < PART:
                    return tuple(found)


def native(dll: Dll) -> Fwpuclnt:
    """fwpuclnt of this machine."""
    return NativeFwpuclnt(dll)


__all__ = ["NAME", "PROTOTYPES", "Fwpuclnt", "NativeFwpuclnt", "native"]
