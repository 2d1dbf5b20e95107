"""The filtering engine in memory: transactions, references between objects, who may look and who may change."""

from __future__ import annotations

from typing import Any

from tests.windows.memory.windows import Facade

from sidewall.nt import wellknown as known
from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.platforms.windows import filtering_values as values
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.prototypes import FILTERING

EXISTS, IN_USE, NO_TXN, TXN = 0x80320009, 0x8032000A, 0x8032000D, 0x8032000E
MISSING = {values.Filter: 0x80320003, values.Provider: 0x80320005, values.SubLayer: 0x80320007}
READ = 0x80


class Filters(Facade):
    def __init__(self, windows: Any, person: Any) -> None:
        super().__init__(windows, person)
        self._before: dict[str, Any] | None = None

    def _objects(self) -> dict[str, tuple[Any, SecurityDescriptor | None]]:
        found: dict[str, tuple[Any, SecurityDescriptor | None]] = self.windows.objects
        return found

    def FwpmEngineOpen0(self, name: str, **_: Any) -> Handle:
        if not self.windows.running:
            raise failure("FwpmEngineOpen0", FILTERING, 1753)
        return self.handle("the filtering engine", lambda value: self._close())

    def _close(self) -> None:
        if self._before is not None:
            self.windows.objects, self._before = self._before, None

    def FwpmTransactionBegin0(self, engine: Handle, *, read_only: bool = False) -> None:
        self.administrator("FwpmTransactionBegin0")
        if self._before is not None:
            raise failure("FwpmTransactionBegin0", FILTERING, TXN)
        self._before = dict(self.windows.objects)

    def FwpmTransactionCommit0(self, engine: Handle) -> None:
        if self._before is None:
            raise failure("FwpmTransactionCommit0", FILTERING, NO_TXN)
        self._before = None

    def FwpmTransactionAbort0(self, engine: Handle) -> None:
        if self._before is None:
            raise failure("FwpmTransactionAbort0", FILTERING, NO_TXN)
        self._close()

    def _add(self, call: str, item: Any, security: bytes | None) -> None:
        self.administrator(call)
        assert self._before is not None, "outside of a transaction"
        if item.key in self._objects():
            raise failure(call, FILTERING, EXISTS, target=item.name)
        for needed in (getattr(item, "provider", None), getattr(item, "sublayer", None)):
            if needed is not None and needed not in self._objects():
                raise failure(call, FILTERING, 0x80320008, target=item.name)
        self._objects()[item.key] = (item, SecurityDescriptor.from_bytes(security) if security else None)

    def _get(self, call: str, key: str, kind: Any) -> Any:
        item, security = self._objects().get(key, (None, None))
        if not isinstance(item, kind):
            raise failure(call, FILTERING, MISSING[kind], target=key)
        if not self.person.elevated and (security is None or not self.person.may(
                security.replace(owner=known.ADMINISTRATORS, group=known.ADMINISTRATORS), READ, "file")):
            raise failure(call, FILTERING, 5, target=key)
        return item

    def _delete(self, call: str, key: str, kind: Any) -> None:
        self.administrator(call)
        assert self._before is not None, "outside of a transaction"
        self._get(call, key, kind)
        for other, _ in self._objects().values():
            if key in (getattr(other, "provider", None), getattr(other, "sublayer", None)):
                raise failure(call, FILTERING, IN_USE, target=key)
        del self._objects()[key]

    def FwpmProviderAdd0(self, engine: Handle, provider: Any, *, security: bytes | None = None) -> None:
        self._add("FwpmProviderAdd0", provider, security)

    def FwpmSubLayerAdd0(self, engine: Handle, sublayer: Any, *, security: bytes | None = None) -> None:
        self._add("FwpmSubLayerAdd0", sublayer, security)

    def FwpmFilterAdd0(self, engine: Handle, wanted: Any, *, security: bytes | None = None) -> int:
        # What is kept is what a C program would find: the value after a way through its structure.
        built = values.build_filter(wanted)
        self._add("FwpmFilterAdd0", values.read_filter(built.structure), security)
        return len(self._objects())

    def FwpmProviderGetByKey0(self, engine: Handle, key: str) -> Any:
        return self._get("FwpmProviderGetByKey0", key, values.Provider)

    def FwpmSubLayerGetByKey0(self, engine: Handle, key: str) -> Any:
        return self._get("FwpmSubLayerGetByKey0", key, values.SubLayer)

    def FwpmFilterGetByKey0(self, engine: Handle, key: str) -> Any:
        return self._get("FwpmFilterGetByKey0", key, values.Filter)

    def FwpmProviderDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._delete("FwpmProviderDeleteByKey0", key, values.Provider)

    def FwpmSubLayerDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._delete("FwpmSubLayerDeleteByKey0", key, values.SubLayer)

    def FwpmFilterDeleteByKey0(self, engine: Handle, key: str) -> None:
        self._delete("FwpmFilterDeleteByKey0", key, values.Filter)

    def FwpmFilterEnum0(self, engine: Handle, layer: str, *, provider: str | None = None) -> tuple[Any, ...]:
        self.administrator("FwpmFilterEnum0")
        return tuple([item for item, _ in self._objects().values() if isinstance(item, values.Filter)
                      and item.layer == layer and provider in (None, item.provider)])
