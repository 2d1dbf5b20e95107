"""The probes of the network that are the same on every platform, under the rows of each.

Knows: what is tried, and what its effect would be.  Must not know: how it is held.

Nothing leaves the machine: every address is one of its own, and what is sent to many goes over the loopback interface.
That it arrives there shows that the command has the machine's network, by which it could be sent on.
"""

from __future__ import annotations

from sidewall.verify.probe import Probe

SEND = """
import _socket as socket
def send(family, kind, address, *, fast=False):
    if isinstance(address, str) and address[0] == "/" and len(address) >= 100:
        address = f"/proc/self/fd/{os.open(os.path.dirname(address), os.O_RDONLY)}/{os.path.basename(address)}"
    line = socket.socket(family, kind)
    line.settimeout(None if fast else 2)
    if fast:
        line.sendto(nonce.encode(), 0x20000000, address)
    else:
        line.connect(address)
        line.sendall(nonce.encode())
    line.close()
TCP, UDP, IN, IN6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
UNIX = getattr(socket, "AF_UNIX", None)
"""
"""``send(family, kind, address)``: the nonce goes there; a path that is too long for an address by its directory.
What Python adds to the system's sockets takes longer to import than all else that these programs do."""

QUERY = """
def query():
    label = nonce.encode()
    return bytes.fromhex("123401000001000000000000") + bytes([len(label)]) + label + b"\\x07invalid\\0\\0\\1\\0\\1"
"""
"""``query()``: a question for the address of NONCE.invalid."""

_MULTICAST = """
line = socket.socket(IN, UDP)
line.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
line.sendto(nonce.encode(), ("239.255.77.7", multicast))
"""
_BROADCAST = """
line = socket.socket(IN, UDP)
line.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
line.sendto(nonce.encode(), ("127.255.255.255", broadcast))
"""
_ROUTE = """
line = socket.socket(IN, UDP)
line.connect(("198.51.100.1", 9))
told()
"""
_UDP_QUERY = """
line = socket.socket(IN, UDP)
line.sendto(query(), ("127.0.0.1", resolver))
"""
_OWN_QUERY = """
line = socket.socket(IN, UDP)
line.sendto(query(), (address, resolverown))
"""
_TCP_QUERY = """
line = socket.socket(IN, TCP)
line.settimeout(2)
line.connect(("127.0.0.1", resolvertcp))
line.sendall(len(query()).to_bytes(2, "big") + query())
line.close()
"""


def _sent(row: str, guarantee: str, what: str, listener: str, program: str) -> Probe:
    return Probe(id=row, guarantee=guarantee, what=what, program=program, effect=f"received {listener}", source=SEND)


def egress(tcp: str, udp: str, multicast: str, broadcast: str, route: str) -> list[Probe]:
    """``network-egress``, under these ids."""
    return [
        _sent(tcp, "network-egress", "TCP to the machine's own address", "own4", "send(IN, TCP, (address, own4))"),
        _sent(udp, "network-egress", "UDP to the machine's own address", "ownudp",
              "send(IN, UDP, (address, ownudp))"),
        _sent(multicast, "network-egress", "send to a multicast group", "multicast", _MULTICAST),
        _sent(broadcast, "network-egress", "send to a broadcast address", "broadcast", _BROADCAST),
        Probe(id=route, guarantee="network-egress", what="find a way to an address elsewhere (nothing is sent)",
              program=_ROUTE, effect="told", source=SEND),
    ]


def loopback(tcp: str, six: str, udp: str, udp_six: str) -> list[Probe]:
    """``network-host-loopback``, under these ids."""
    about = "network-host-loopback"
    return [
        _sent(tcp, about, "TCP to 127.0.0.1", "tcp4", "send(IN, TCP, ('127.0.0.1', tcp4))"),
        _sent(six, about, "TCP to ::1", "tcp6", "send(IN6, TCP, ('::1', tcp6))"),
        _sent(udp, about, "UDP to 127.0.0.1", "udp4", "send(IN, UDP, ('127.0.0.1', udp4))"),
        _sent(udp_six, about, "UDP to ::1", "udp6", "send(IN6, UDP, ('::1', udp6))"),
    ]


def resolvers(udp: str, tcp: str, own: str) -> list[Probe]:
    """``name-resolution``, under these ids."""
    return [
        _sent(udp, "name-resolution", "ask a resolver by UDP", "resolver", _UDP_QUERY).replace(source=SEND + QUERY),
        _sent(tcp, "name-resolution", "ask a resolver by TCP", "resolvertcp", _TCP_QUERY).replace(source=SEND + QUERY),
        _sent(own, "name-resolution", "ask a resolver at the machine's own address", "resolverown", _OWN_QUERY).replace(
            source=SEND + QUERY),
    ]
