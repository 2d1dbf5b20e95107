"""The filters of the Windows Filtering Platform that keep an account off the network, as data.

Knows: layers, fields and flags of the filtering API ("Filtering Conditions Available at Each Filtering Layer"); which
protocols and ports leak.  Must not know: policies, an API, whether the filters are there.

A filter matches the account's SID, so all that the account starts is covered, whatever its image is called; it cannot
match a restricting SID, which is why the token tiers have none.  Conditions are numbers, never address texts that a
build of Windows may read in another way.  The account may reach one reserved range of ports on the loopback interface
and nothing else; the range is fixed, so that a proxy on another port of it needs no administrator.

Block and permit meet by weight: exceptions that must never open again weigh most, then the loopback range, then "all".
"""

from __future__ import annotations

from sidewall.plan.windows_steps import Condition, Filter, NetworkFilters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.sid import Sid

RESERVED = (47600, 47663)
"""Ports on the loopback interface for proxies and for servers inside cells; below every ephemeral range."""

ICMP, TCP, UDP, ICMPV6, RAW = 1, 6, 17, 58, 255
LOOPBACK = 0x1
"""FWP_CONDITION_FLAG_IS_LOOPBACK."""
RAW_ENDPOINT = 0x10
"""FWP_CONDITION_FLAG_IS_RAW_ENDPOINT."""
MATCH = "O:LSD:(A;;CC;;;{})"
"""A descriptor that grants FWP_ACTRL_MATCH_FILTER to one SID."""

CONNECT, ACCEPT, ASSIGN = "ALE_AUTH_CONNECT", "ALE_AUTH_RECV_ACCEPT", "ALE_RESOURCE_ASSIGNMENT"
NEVER, RANGE, ALL = 15, 12, 8

_V4_LOOPBACK = (0x7F000000, 0xFF000000)
_V6_LOOPBACK = (*([0] * 15), 1, 128)
NAMES_PORTS = (("dns", 53), ("mdns", 5353), ("llmnr", 5355), ("dot", 853))
FILE_PORTS = (("smb", 445), ("netbios-session", 139))


def _user(sid: Sid) -> Condition:
    return Condition(field="ALE_USER_ID", match="equal", value=MATCH.format(sid))


def _number(field: str, value: int) -> Condition:
    return Condition(field=field, match="equal", value=(value,))


def _flags(value: int) -> Condition:
    return Condition(field="FLAGS", match="flags", value=(value,))


def _address(field: str, version: int) -> Condition:
    return Condition(field=field, match="mask", value=_V4_LOOPBACK if version == 4 else _V6_LOOPBACK)


def offline(sid: Sid, ports: tuple[int, int] = RESERVED) -> NetworkFilters:
    """All filters of the account without network, for IPv4 and for IPv6."""
    made: list[Filter] = []
    for version in (4, 6):
        layer = f"_V{version}"
        who = _user(sid)

        def add(name: str, place: str, weight: int, *conditions: Condition, block: bool = True,
                layer: str = layer, who: Condition = who) -> None:
            made.append(Filter(name=f"sidewall-offline{layer.lower()}-{name}", layer=place + layer, block=block,
                               weight=weight, conditions=(who, *conditions)))

        for name, port in (*NAMES_PORTS, *FILE_PORTS):
            add(f"no-{name}", CONNECT, NEVER, _number("IP_REMOTE_PORT", port))
        for name, protocol in (("icmp", ICMP if version == 4 else ICMPV6), ("raw", RAW)):
            add(f"no-{name}", CONNECT, NEVER, _number("IP_PROTOCOL", protocol))
            add(f"no-{name}-socket", ASSIGN, NEVER, _number("IP_PROTOCOL", protocol))
        add("no-raw-endpoint", ASSIGN, NEVER, _flags(RAW_ENDPOINT))
        between = Condition(field="IP_REMOTE_PORT", match="range", value=ports)
        served = Condition(field="IP_LOCAL_PORT", match="range", value=ports)
        tcp = _number("IP_PROTOCOL", TCP)
        add("loopback-range", CONNECT, RANGE, tcp, _flags(LOOPBACK), _address("IP_REMOTE_ADDRESS", version), between,
            block=False)
        add("loopback-served", ACCEPT, RANGE, tcp, _flags(LOOPBACK), _address("IP_LOCAL_ADDRESS", version), served,
            block=False)
        add("no-connect", CONNECT, ALL)
        add("no-accept", ACCEPT, ALL)
    return NetworkFilters(sid=sid, ports=ports, filters=tuple(made))


def online(sid: Sid) -> NetworkFilters:
    """The filters of the account with network: no file shares, since a share of this very machine would log it on again
    with a token that nothing restricts."""
    made = tuple([
        Filter(name=f"sidewall-online_v{version}-no-{name}", layer=f"{CONNECT}_V{version}", block=True, weight=NEVER,
               conditions=(_user(sid), _number("IP_REMOTE_PORT", port)))
        for version in (4, 6) for name, port in FILE_PORTS
    ])  # fmt: skip
    return NetworkFilters(sid=sid, ports=(0, 0), filters=made)


def missing(wanted: NetworkFilters, present: tuple[str, ...]) -> tuple[str, ...]:
    """The names of the filters that are not there."""
    there = frozenset(present)
    return tuple([item.name for item in wanted.filters if item.name not in there])
