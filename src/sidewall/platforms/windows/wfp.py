"""The plan's network filters in the Windows Filtering Platform: added in one transaction, compared, removed.

Knows: how a plan's filter becomes the engine's, which keys are ours.  Must not know: which filters there are to be
(``plan.windows_network``), accounts.

Provider and sublayer are one for the machine, filters one set for each Windows user: a filter's key is made from the
user's SID and its name, so the same filter is found again and two users' never meet.  A filter counts as present when
what the engine gives back is what was wanted, whatever it is called.
"""

from __future__ import annotations

from sidewall.nt.descriptor import SecurityDescriptor
from sidewall.nt.errors import NtError
from sidewall.nt.sddl import parse
from sidewall.plan import windows_network
from sidewall.plan.windows_sids import sha256
from sidewall.platforms.windows import constants_filtering as constants
from sidewall.platforms.windows import filtering_values as values
from sidewall.platforms.windows.errors import ApiError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid
    from sidewall.plan.windows_steps import Condition, Filter
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.handles import Handle

NAME = "Sidewall"
PROVIDER = "b1d3f6a2-6f8e-4f0c-9f62-6d1f5a7c8e01"
SUBLAYER = "b1d3f6a2-6f8e-4f0c-9f62-6d1f5a7c8e02"
SUBLAYER_WEIGHT = 0xF000
ALREADY, IN_USE = 0x80320009, 0x8032000A
NOT_FOUND = (0x80320003, 0x80320005, 0x80320007, 0x80320008)
FWP_READ, FWP_ALL = 0x20080, 0xF07FF
"""FWPM_ACTRL_READ with READ_CONTROL, and every right of an object of the engine."""
SECURITY = f"D:P(A;;{FWP_ALL:#x};;;SY)(A;;{FWP_ALL:#x};;;BA)(A;;{FWP_READ:#x};;;AU)"
"""Who may look: everybody, since a user must see before each session that the filters are there."""
_DISABLED = 0x20
_NUMBERS = {
    "IP_REMOTE_PORT": constants.FWP_UINT16, "IP_LOCAL_PORT": constants.FWP_UINT16,
    "IP_PROTOCOL": constants.FWP_UINT8, "FLAGS": constants.FWP_UINT32,
}


def key_of(user: Sid, name: str) -> str:
    """A filter's key."""
    digits = sha256(f"filter\0{user}\0{name}")[:16].hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def wanted(user: Sid, offline: Sid, online: Sid) -> tuple[values.Filter, ...]:
    """Every filter of a user's two accounts."""
    return tuple([lowered(user, one) for made in (windows_network.offline(offline), windows_network.online(online))
                  for one in made.filters])


def lowered(user: Sid, planned: Filter) -> values.Filter:
    """A plan's filter as the engine's."""
    return values.Filter(
        key=key_of(user, planned.name), name=planned.name, layer=constants.LAYERS[planned.layer], sublayer=SUBLAYER,
        provider=PROVIDER, action=constants.FWP_ACTION_BLOCK if planned.block else constants.FWP_ACTION_PERMIT,
        weight=planned.weight, conditions=tuple([_condition(one) for one in planned.conditions]),
        description=f"Sandbox accounts of {user}", flags=constants.FWPM_FILTER_FLAG_PERSISTENT,
    )  # fmt: skip


def _condition(planned: Condition) -> values.Condition:
    value, match = planned.value, constants.FWP_MATCH_EQUAL
    if isinstance(value, str):
        made = values.Value(type=constants.FWP_SECURITY_DESCRIPTOR_TYPE, data=parse(value).to_bytes())
    elif planned.match == "mask" and len(value) == 2:
        made = values.Value(type=constants.FWP_V4_ADDR_MASK, data=(value[0], value[1]))
    elif planned.match == "mask":
        made = values.Value(type=constants.FWP_V6_ADDR_MASK, data=(bytes(value[:16]), value[16]))
    elif planned.match == "range":
        low, high = [values.Value(type=_NUMBERS[planned.field], data=number) for number in value]
        made, match = values.Value(type=constants.FWP_RANGE_TYPE, data=(low, high)), constants.FWP_MATCH_RANGE
    else:
        made = values.Value(type=_NUMBERS[planned.field], data=value[0])
        if planned.match == "flags":
            match = constants.FWP_MATCH_FLAGS_ALL_SET
    return values.Condition(field=constants.FIELDS[planned.field], match=match, value=made)


def same(found: values.Filter, meant: values.Filter) -> bool:
    """Whether a filter of the engine does what was meant: order of conditions and form of descriptors do not matter."""
    return (
        (found.layer, found.sublayer, found.action, found.weight) ==
        (meant.layer, meant.sublayer, meant.action, meant.weight)
        and bool(found.flags & constants.FWPM_FILTER_FLAG_PERSISTENT) and not found.flags & _DISABLED
        and sorted(map(_comparable, found.conditions)) == sorted(map(_comparable, meant.conditions))
    )  # fmt: skip


def _comparable(one: values.Condition) -> str:
    value: object = one.value
    if one.value.type == constants.FWP_SECURITY_DESCRIPTOR_TYPE and isinstance(one.value.data, bytes):
        try:
            value = SecurityDescriptor.from_bytes(one.value.data).dacl
        except NtError:
            value = one.value.data
    return repr((one.field, one.match, one.value.type, value))


def _engine(api: Api) -> Handle:
    return api.fwpuclnt.FwpmEngineOpen0(NAME)


def add(api: Api, filters: tuple[values.Filter, ...]) -> None:
    """Adds what is missing and replaces what differs, all or nothing.  Raises FilteringError."""
    security = parse(SECURITY).to_bytes()
    fwp = api.fwpuclnt
    with _engine(api) as engine:
        fwp.FwpmTransactionBegin0(engine)
        try:
            provider = values.Provider(key=PROVIDER, name=NAME, description="Keeps sandbox accounts off the network",
                                       flags=constants.FWPM_PROVIDER_FLAG_PERSISTENT)
            _unless(ALREADY, lambda: fwp.FwpmProviderAdd0(engine, provider, security=security))
            sublayer = values.SubLayer(key=SUBLAYER, name=NAME, provider=PROVIDER, weight=SUBLAYER_WEIGHT,
                                       flags=constants.FWPM_SUBLAYER_FLAG_PERSISTENT)
            _unless(ALREADY, lambda: fwp.FwpmSubLayerAdd0(engine, sublayer, security=security))
            for one in filters:
                found = _get(api, engine, one.key)
                if found is not None and same(found, one):
                    continue
                if found is not None:
                    fwp.FwpmFilterDeleteByKey0(engine, one.key)
                fwp.FwpmFilterAdd0(engine, one, security=security)
            fwp.FwpmTransactionCommit0(engine)
        except BaseException:
            # Closing the engine takes back what an abort that fails has left.
            _quietly(lambda: fwp.FwpmTransactionAbort0(engine))
            raise


def _unless(code: int, action: object) -> bool:
    """Does it, unless the engine says that it is so already; whether it was done."""
    assert callable(action)
    try:
        action()
    except ApiError as error:
        if error.code != code:
            raise
        return False
    return True


def _quietly(action: object) -> None:
    assert callable(action)
    try:
        action()
    except ApiError:
        return


def _get(api: Api, engine: Handle, key: str) -> values.Filter | None:
    try:
        return api.fwpuclnt.FwpmFilterGetByKey0(engine, key)
    except ApiError as error:
        if error.code in NOT_FOUND:
            return None
        raise


def present(api: Api, filters: tuple[values.Filter, ...]) -> tuple[str, ...]:
    """The names of those that are there and do what was meant.  Raises FilteringError."""
    with _engine(api) as engine:
        found = [(one, _get(api, engine, one.key)) for one in filters]
    return tuple([one.name for one, there in found if there is not None and same(there, one)])


def listed(api: Api) -> tuple[values.Filter, ...]:
    """Every filter of ours, of all users.  Raises FilteringError; an ordinary user may not list."""
    with _engine(api) as engine:
        found = [one for layer in constants.LAYERS.values()
                 for one in api.fwpuclnt.FwpmFilterEnum0(engine, layer, provider=PROVIDER)]
    return tuple(found)


def frame(api: Api) -> tuple[str, ...]:
    """Which of provider and sublayer are there.  Raises FilteringError."""
    there = []
    with _engine(api) as engine:
        for word, look, key in (("provider", api.fwpuclnt.FwpmProviderGetByKey0, PROVIDER),
                                ("sublayer", api.fwpuclnt.FwpmSubLayerGetByKey0, SUBLAYER)):
            try:
                look(engine, key)
            except ApiError as error:
                if error.code not in NOT_FOUND:
                    raise
                continue
            there.append(word)
    return tuple(there)


def remove(api: Api, user: Sid) -> int:
    """Removes this user's filters; with the last filter of all users, sublayer and provider too.  How many there were.

    Raises FilteringError, with nothing removed.
    """
    fwp = api.fwpuclnt
    names = [one.name for made in (windows_network.offline(user), windows_network.online(user)) for one in made.filters]
    keys = {key_of(user, name) for name in names}
    gone = 0
    with _engine(api) as engine:
        fwp.FwpmTransactionBegin0(engine)
        try:
            for layer in constants.LAYERS.values():
                for one in fwp.FwpmFilterEnum0(engine, layer, provider=PROVIDER):
                    if one.key in keys or one.description == f"Sandbox accounts of {user}":
                        fwp.FwpmFilterDeleteByKey0(engine, one.key)
                        gone += 1
            for delete, key in ((fwp.FwpmSubLayerDeleteByKey0, SUBLAYER), (fwp.FwpmProviderDeleteByKey0, PROVIDER)):
                try:
                    delete(engine, key)
                except ApiError as error:
                    if error.code not in (*NOT_FOUND, IN_USE):
                        raise
            fwp.FwpmTransactionCommit0(engine)
        except BaseException:
            _quietly(lambda: fwp.FwpmTransactionAbort0(engine))
            raise
    return gone


__all__ = ["PROVIDER", "SUBLAYER", "add", "frame", "key_of", "listed", "lowered", "present", "remove", "same",
           "wanted"]
