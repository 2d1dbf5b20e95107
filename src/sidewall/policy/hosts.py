"""Hosts in rules and in requests: names by label, addresses by number, blocks, ports.

Knows: the grammar of host rules and what a rule matches.  Must not know: resolvers, sockets, certificates.

A pattern is ``host``, ``*.host`` (at least one label more, never ``host`` itself), an IPv4 or IPv6 address in any
spelling, or a CIDR block, each with an optional ``:port``.  Names are compared without regard to case and to one
trailing dot.  A name never matches an address rule, nor an address a name rule.  An allowing rule without a port
means 443 and 80; a denying one means every port.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import addresses
from sidewall.policy.model import NETWORK_ON, NETWORK_PROXY
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Host: TypeAlias = tuple[str, ...] | tuple[int, int]
    """Labels of a name, last one first; or version and number of an address."""

DEFAULT_PORTS = (443, 80)
ANY, SUFFIX, NETWORK, NAME, ADDRESS = "any", "suffix", "network", "name", "address"

# Where registries sell names one level down: a wildcard there is as broad as one below a top-level domain.
_REGISTRY_NAMES = (
    "ac.uk co.uk gov.uk org.uk com.au net.au org.au co.jp ne.jp or.jp co.kr or.kr com.br net.br com.cn net.cn org.cn "
    "com.mx co.in net.in co.nz co.za com.tr com.tw com.sg com.hk com.ar com.co com.ua com.pl co.il co.id co.th"
)
_REGISTRIES = frozenset(_REGISTRY_NAMES.split())
_LABEL = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-_")
_LEAST_PREFIX = {4: 8, 6: 16}


class Pattern(Record):
    """A host pattern, read.  ``labels`` of a name last one first; ``port`` 0 when the rule names none."""

    kind: str
    labels: tuple[str, ...] = ()
    version: int = 0
    number: int = 0
    prefix: int = 0
    port: int = 0


def parse(text: str, *, mode: str = NETWORK_PROXY) -> Pattern:
    """Reads a rule's pattern.

    Raises PolicyError for what is no host (a URL, a NUL, a space, non-ASCII letters, a wildcard inside a label), and
    for a pattern too broad for a list (``*``, ``*.com``, ``0.0.0.0/0``) unless ``mode`` is ``on``.
    """
    name, port = split_port(text)
    if name == "*":
        found = Pattern(kind=ANY, port=port)
    elif name.startswith("*."):
        found = Pattern(kind=SUFFIX, labels=_labels(name[2:], text), port=port)
    elif "/" in name:
        base, _, bits = name.partition("/")
        version, number, prefix = addresses.network(base, bits)
        found = Pattern(kind=NETWORK, version=version, number=number, prefix=prefix, port=port)
    else:
        address = _address(name)
        if address is not None:
            found = Pattern(kind=ADDRESS, version=address[0], number=address[1], port=port)
        else:
            found = Pattern(kind=NAME, labels=_labels(name, text), port=port)
    if mode != NETWORK_ON:
        _refuse_broad(found, text)
    return found


def host(text: str) -> Host:
    """A request's host, in the form that patterns compare.  Raises PolicyError for what is neither name nor address."""
    _refuse_characters(text)
    name = text[1:-1] if text.startswith("[") and text.endswith("]") and ":" in text else text
    address = _address(name)
    return address if address is not None else _labels(name, text)


def split_port(text: str) -> tuple[str, int]:
    """``host``, ``host:port``, ``[v6]:port``, ``v6`` or ``block:port`` as host and port (0 when it names none).

    Raises PolicyError.
    """
    _refuse_characters(text)
    if "://" in text:
        raise PolicyError(f"{text!r} is a URL, not a host", hint="Write the host alone, with :PORT if it needs one.")
    if text.startswith("["):
        inner, bracket, rest = text[1:].partition("]")
        block = ""
        if rest.startswith("/"):
            bits, colon, port = rest.partition(":")
            block, rest = bits, colon + port
        if not bracket or ":" not in inner or (rest and not rest.startswith(":")):
            raise PolicyError(f"{text!r} is not an address in brackets", hint="Write [2001:db8::1]:443.")
        return inner + block, _port(rest[1:], text) if rest else 0
    if text.count(":") > 1:
        return text, 0
    name, colon, port = text.partition(":")
    return name, _port(port, text) if colon else 0


def match(pattern: Pattern | str, name: Host | str, port: int, *, any_port: bool = False) -> bool:
    """Whether the pattern matches this host and port; a pattern without a port means 443 and 80, or with ``any_port``
    (the meaning in a denying rule) all.  Raises PolicyError when one of them is no pattern or no host."""
    rule = parse(pattern, mode=NETWORK_ON) if isinstance(pattern, str) else pattern
    target = host(name) if isinstance(name, str) else name
    if rule.port:
        if rule.port != port:
            return False
    elif not any_port and port not in DEFAULT_PORTS:
        return False
    if rule.kind == ANY:
        return True
    if target and isinstance(target[0], int):
        version, number = target[0], int(target[1])
        if rule.version != version:
            return False
        shift = addresses.BITS[version] - rule.prefix if rule.kind == NETWORK else 0
        return number >> shift == rule.number >> shift
    if rule.kind == NAME:
        return target == rule.labels
    return rule.kind == SUFFIX and len(target) > len(rule.labels) and target[: len(rule.labels)] == rule.labels


def specificity(rule: Pattern) -> tuple[int, int]:
    """More is more specific, among the patterns that can match one and the same host."""
    if rule.kind == ANY:
        return (0, 0)
    if rule.kind in (SUFFIX, NETWORK):
        return (1, len(rule.labels) if rule.kind == SUFFIX else rule.prefix)
    return (2, 0)


def is_loopback(name: Host) -> bool:
    """Whether the host is this machine: ``localhost``, a name below it, or a loopback address."""
    if isinstance(name[0], int):
        return addresses.is_loopback((name[0], int(name[1])))
    return name[0] == "localhost"


def show(name: Host) -> str:
    """The host in one canonical spelling."""
    if isinstance(name[0], int):
        return addresses.show((name[0], int(name[1])))
    return ".".join(str(label) for label in reversed(name))


def _address(name: str) -> tuple[int, int] | None:
    bare = name[:-1] if name.endswith(".") and ":" not in name else name
    address = addresses.parse(bare)
    if address is None and (":" in bare or addresses.looks_numeric(bare)):
        raise PolicyError(f"{name!r} is not a valid address", hint="Write 192.0.2.1 or [2001:db8::1].")
    return address


def _labels(name: str, text: str) -> tuple[str, ...]:
    """The labels of a DNS name, last one first."""
    bare = name[:-1] if name.endswith(".") else name
    labels = bare.lower().split(".")
    if "*" in bare:
        raise PolicyError(f"{text!r}: a '*' stands for whole labels in front", hint="Write *.example.org.")
    if "/" in bare or "@" in bare:
        raise PolicyError(f"{text!r} is not a host", hint="Write the host alone, without user or path.")
    for label in labels:
        if not 1 <= len(label) <= 63 or not set(label) <= _LABEL or label[0] == "-" or label[-1] == "-":
            raise PolicyError(f"{text!r} is not a host name: {label!r} is not a label", hint="Write it as example.org.")
    if len(bare) > 253:
        raise PolicyError(f"{text[:60]!r}... is longer than a host name can be", hint="Write it as example.org.")
    return tuple(reversed(labels))


def _refuse_characters(text: str) -> None:
    if not text:
        raise PolicyError("an empty host", hint="Write it as example.org or example.org:443.")
    if not text.isascii():
        raise PolicyError(f"the host {text!r} holds letters outside ASCII, which look-alikes abuse",
                          hint="Write its ASCII form, which begins with xn--.")
    for char in text:
        if char <= " " or char == "\x7f":
            raise PolicyError(f"the host {text!r} holds a space or a control character",
                              hint="Write it as example.org or example.org:443.")


def _port(text: str, whole: str) -> int:
    number = int(text) if text.isdigit() and len(text) < 6 else 0
    if not 0 < number < 65536:
        raise PolicyError(f"{whole!r} has no valid port", hint="Use 1 to 65535.")
    return number


def _refuse_broad(rule: Pattern, text: str) -> None:
    broad = rule.kind == ANY
    if rule.kind == SUFFIX:
        broad = len(rule.labels) < 2 or ".".join(reversed(rule.labels)) in _REGISTRIES
    elif rule.kind == NETWORK:
        broad = rule.prefix < _LEAST_PREFIX[rule.version]
    if broad:
        raise PolicyError(f"{text!r} matches almost everything",
                          hint='Name the hosts, or say so with network mode "on".')
