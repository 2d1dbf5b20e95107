"""Access tokens: who asks, with which groups, restrictions, privileges and integrity.

Knows: MS-DTYP 2.5.2, and the attributes of Win32's "SID Attributes in an Access Token".
Must not know: how an access check walks (`access_check` does).
"""

from __future__ import annotations

from sidewall.nt.acl import Acl
from sidewall.nt.errors import SidError, TokenError
from sidewall.nt.sid import Sid
from sidewall.nt.wellknown import ALL_APPLICATION_PACKAGES, ALL_RESTRICTED_APPLICATION_PACKAGES
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

SE_GROUP_MANDATORY = 0x1
SE_GROUP_ENABLED_BY_DEFAULT = 0x2
SE_GROUP_ENABLED = 0x4
SE_GROUP_OWNER = 0x8
SE_GROUP_USE_FOR_DENY_ONLY = 0x10
SE_GROUP_INTEGRITY = 0x20
SE_GROUP_INTEGRITY_ENABLED = 0x40
SE_GROUP_RESOURCE = 0x20000000
SE_GROUP_LOGON_ID = 0xC0000000

UNTRUSTED, LOW, MEDIUM, MEDIUM_PLUS, HIGH, SYSTEM, PROTECTED = 0, 0x1000, 0x2000, 0x2100, 0x3000, 0x4000, 0x5000

_STATES: Mapping[str, int] = {
    "enabled": SE_GROUP_MANDATORY | SE_GROUP_ENABLED_BY_DEFAULT | SE_GROUP_ENABLED,
    "deny_only": SE_GROUP_USE_FOR_DENY_ONLY,
    "disabled": 0,
}


class Group(Record):
    """A group of a token; ``attributes`` are SE_GROUP_* bits."""

    sid: Sid
    attributes: int = _STATES["enabled"]

    @property
    def enabled(self) -> bool:
        """Whether it counts for allow and deny entries."""
        return bool(self.attributes & SE_GROUP_ENABLED) and not self.attributes & SE_GROUP_USE_FOR_DENY_ONLY

    @property
    def deny_only(self) -> bool:
        """Whether it counts for deny entries alone."""
        return bool(self.attributes & SE_GROUP_USE_FOR_DENY_ONLY)


class TokenSids:
    """A token's SIDs by what they do in an access check, computed once: checks are many, tokens few.

    ``allow`` count for allowing entries, ``deny`` for denying ones; ``restricting`` are those of the second pass, None
    where there is no such pass; ``packages`` are an AppContainer's, None for other tokens.
    """

    __slots__ = ("allow", "deny", "packages", "restricting")

    def __init__(self, token: Token) -> None:
        enabled = [group.sid for group in token.groups if group.enabled]
        deny_only = [group.sid for group in token.groups if group.deny_only]
        self.allow = frozenset(enabled if token.user_deny_only else (token.user, *enabled))
        self.deny = frozenset((token.user, *enabled, *deny_only))
        restricting = token.restricting
        if restricting is None and token.write_restricted:
            restricting = ()  # a write-restricted token without a list writes nothing anywhere
        self.restricting = None if restricting is None else frozenset(restricting)
        packages = None
        if token.package is not None:
            packages = {token.package, *token.capabilities, ALL_RESTRICTED_APPLICATION_PACKAGES}
            if not token.lpac:
                packages.add(ALL_APPLICATION_PACKAGES)
        self.packages = None if packages is None else frozenset(packages)


class Token(Record):
    """A token.  ``restricting`` is None for an unrestricted one; an empty tuple is restricted to nothing.

    ``integrity`` is the level's number (0x2000 is medium), ``no_write_up`` its mandatory policy.  ``owner`` and
    ``primary_group`` are what new objects get; None stands for the user, and for no group.  ``package`` makes an
    AppContainer token; ``lpac`` one that is outside ALL APPLICATION PACKAGES.
    """

    __slots__ = ("_sids",)  # lies beside the fields, so that equality, copies and hashes know nothing of it
    if TYPE_CHECKING:
        _sids: ClassVar[TokenSids]

    user: Sid
    groups: tuple[Group, ...] = ()
    restricting: tuple[Sid, ...] | None = None
    write_restricted: bool = False
    privileges: frozenset[str] = frozenset()
    integrity: int = MEDIUM
    user_deny_only: bool = False
    no_write_up: bool = True
    owner: Sid | None = None
    primary_group: Sid | None = None
    default_dacl: Acl | None = None
    package: Sid | None = None
    capabilities: tuple[Sid, ...] = ()
    lpac: bool = False

    @property
    def sids(self) -> TokenSids:
        """The SIDs by what they do in an access check."""
        try:
            return self._sids
        except AttributeError:
            object.__setattr__(self, "_sids", TokenSids(self))
            return self._sids

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> Token:
        """A token from the object that vectors and worlds hold.

        Keys: ``user``; ``groups`` (pairs of SID and ``enabled``, ``deny_only``, ``disabled`` or a number of
        attributes); ``restricted`` (list of SIDs, or absent), ``write_restricted``, ``privileges``, ``integrity``,
        ``user_deny_only``, ``no_write_up``, ``package``, ``capabilities``, ``lpac``, ``owner``, ``primary_group``.

        Raises:
            TokenError: a key is missing or unknown, or a value has the wrong shape or is no SID.
        """
        if not isinstance(given, dict):
            raise TokenError(f"a token is an object, not {given!r:.60}", hint='write {"user": "S-1-5-21-..."}')
        unknown = sorted(set(given) - _KEYS)
        if unknown:
            raise TokenError(f"unknown key {unknown[0]!r:.60} in a token", hint="known: " + ", ".join(sorted(_KEYS)))
        user = _sid(given, "user")
        if user is None:
            raise TokenError("a token has no user", hint="give the user's SID as 'user'")
        restricted = given.get("restricted")
        return cls(
            user=user,
            groups=tuple(_group(item) for item in _items(given, "groups")),
            restricting=None if restricted is None else _sids(given, "restricted"),
            write_restricted=_flag(given, "write_restricted"),
            privileges=frozenset(_text(item, "privileges") for item in _items(given, "privileges")),
            integrity=_integrity(given.get("integrity", MEDIUM)),
            user_deny_only=_flag(given, "user_deny_only"),
            no_write_up=_flag(given, "no_write_up", True),
            owner=_sid(given, "owner"),
            primary_group=_sid(given, "primary_group"),
            package=_sid(given, "package"),
            capabilities=_sids(given, "capabilities"),
            lpac=_flag(given, "lpac"),
        )


_KEYS = frozenset({
    "user", "groups", "restricted", "write_restricted", "privileges", "integrity", "user_deny_only", "no_write_up",
    "package", "capabilities", "lpac", "owner", "primary_group",
})


def _group(item: Any) -> Group:
    if not isinstance(item, (list, tuple)) or len(item) != 2:
        raise TokenError(f"not a group of a token: {item!r:.80}", hint='a group reads ["S-1-5-32-545", "enabled"]')
    sid = _read(item[0], "groups")
    state = item[1]
    attributes = _STATES.get(state) if isinstance(state, str) else state
    if type(attributes) is not int or not 0 <= attributes < 1 << 32:
        raise TokenError(f"state {state!r:.60} of group {sid} is unknown",
                         hint="known: " + ", ".join(_STATES) + ", or SE_GROUP_* bits as a number")
    return Group(sid=sid, attributes=attributes)


def _integrity(level: Any) -> int:
    if type(level) is not int or not 0 <= level < 1 << 32:
        raise TokenError(f"integrity {level!r:.60} is no level", hint="write 4096 (low), 8192 (medium), 12288 (high)")
    return level


def _flag(given: Mapping[str, Any], key: str, default: bool = False) -> bool:
    value = given.get(key, default)
    if not isinstance(value, bool):
        raise TokenError(f"{key!r} of a token is {value!r:.60}", hint="write true or false")
    return value


def _items(given: Mapping[str, Any], key: str) -> list[Any] | tuple[Any, ...]:
    value = given.get(key)
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise TokenError(f"{key!r} of a token is {value!r:.60}", hint="write a list")
    return value


def _text(item: Any, key: str) -> str:
    if not isinstance(item, str):
        raise TokenError(f"{item!r:.60} stands in {key!r} of a token", hint="write a text")
    return item


def _read(item: Any, key: str) -> Sid:
    try:
        return Sid(_text(item, key))
    except SidError as error:
        raise TokenError(f"{key!r} of a token: {error.message}", hint=error.hint) from None


def _sid(given: Mapping[str, Any], key: str) -> Sid | None:
    value = given.get(key)
    return None if value is None else _read(value, key)


def _sids(given: Mapping[str, Any], key: str) -> tuple[Sid, ...]:
    return tuple(_read(item, key) for item in _items(given, key))
