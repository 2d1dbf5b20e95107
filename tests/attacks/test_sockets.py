"""L-056 to L-088: reaching services of the host by TCP, UDP, unix sockets, and by unusual entries to the kernel.

Knows: address families and the ways into the network stack.  Must not know: how they are held back.  Follows
`docs/attacks.md`, group L4.  The judge holds the listener: a connection that arrives is an escape, data or not.
"""
# ruff: noqa: B023, F821

from __future__ import annotations

import os
import socket
import tempfile
from pathlib import Path

import pytest

from .guards import NAMESPACE, Guard, guards
from .outside import Listener
from .probes import X86, int80, low_memory, ring
from .world import World

NETWORK, UNIX = guards("network-host-loopback"), guards("unix-sockets-and-pipes")


def probe_connect(family, kind, protocol, address):
    import socket

    place = address.replace("@", "\0", 1) if isinstance(address, str) else tuple(address)
    made = attempt("socket", socket.socket, family, kind, protocol)
    if made:
        made.settimeout(3)
        if attempt("connect", made.connect, place):
            attempt("send", made.sendall, NONCE.encode())
        attempt("sendto", lambda: socket.socket(family, kind, protocol).sendto(NONCE.encode(), place))


TCP, UDP, INET, INET6 = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.AF_INET, socket.AF_INET6
# row: where the service listens, the probe's family, kind, protocol, and the name it calls the place by
ADDRESSES = {
    "L-063": ((INET, TCP, "127.0.0.1"), INET, TCP, 262, "127.0.0.1"),
    "L-072": ((INET, TCP, "127.0.0.1"), INET, TCP, 0, "127.0.0.1"),
    "L-073": ((INET, TCP, "127.0.0.1"), INET6, TCP, 0, "::ffff:127.0.0.1"),
    "L-074": ((INET6, TCP, "::1"), INET6, TCP, 0, "::1"),
    "L-075": ((INET, TCP, "127.0.0.1"), INET, TCP, 0, "0.0.0.0"),
    "L-077": ((INET, UDP, "127.0.0.1"), INET, UDP, 0, "127.0.0.1"),
    "L-078": ((INET6, UDP, "::1"), INET6, UDP, 0, "::1"),
}


@NETWORK
@pytest.mark.parametrize("row", ADDRESSES)
def test_loopback(guard: Guard, world: World, row: str) -> None:
    (family, kind, host), inside, kind_inside, protocol, name = ADDRESSES[row]
    try:
        listener = Listener(family, kind, (host, 0))
        socket.socket(inside, kind_inside, protocol).close()
    except OSError as error:
        pytest.skip(f"this machine has no such address or protocol: {error}")
    address = (name, listener.port)
    outcome = guard.attack(world, probe_connect, family=inside, kind=kind_inside, protocol=protocol, address=address)
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)


def probe_fast_open(port):
    import socket

    made = attempt("socket", socket.socket, socket.AF_INET, socket.SOCK_STREAM)
    if made:
        attempt("sendto", made.sendto, NONCE.encode(), socket.MSG_FASTOPEN, ("127.0.0.1", port))
        other = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        attempt("sendmsg", other.sendmsg, [NONCE.encode()], [], socket.MSG_FASTOPEN, ("127.0.0.1", port))


@NETWORK
def test_L076_fast_open(guard: Guard, world: World) -> None:
    listener = Listener(INET, TCP, ("127.0.0.1", 0))
    outcome = guard.attack(world, probe_fast_open, port=listener.port)
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)


def host_address() -> str:
    """An address of this machine that is not loopback; connecting a datagram socket sends nothing."""
    with socket.socket(INET, UDP) as made:
        try:
            made.connect(("192.0.2.1", 9))
        except OSError:
            return ""
        return str(made.getsockname()[0])


@guards("network-egress")
@pytest.mark.parametrize("kind", [TCP, UDP], ids=["tcp", "udp"])
def test_L072_the_machines_own_address(guard: Guard, world: World, kind: int) -> None:
    host = host_address()
    if not host or host.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    listener = Listener(INET, kind, (host, 0))
    address = (host, listener.port)
    outcome = guard.attack(world, probe_connect, family=INET, kind=kind, protocol=0, address=address)
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)


# row and name: where a program of the user's keeps its socket; each stands for one that obeys whoever connects
SERVICES = {
    "L-056 dbus": "run/bus",
    "L-057 docker": "run/docker.sock",
    "L-057 podman": "run/podman/podman.sock",
    "L-070 ssh agent": "home/.ssh/agent/s.1",
    "L-071 systemd": "run/systemd/private",
    "L-081 anywhere": "home/documents/service.sock",
    "L-081 neighbour": "home/projects/neighbour/dev.sock",
    "L-083 wayland": "run/wayland-0",
    "LX-01 wsl interop": "run/WSL/1_interop",
    "LX-02 tmux": "run/tmux-1000/default",
    "LX-02 kitty": "run/kitty-1",
    "LX-02 nvim": "run/nvim.1.0",
    "LX-02 emacs": "run/emacs/server",
    "LX-03 editor": "run/vscode-ipc-1.sock",
    "LX-04 ssh master": "home/.ssh/master-1",
    "LX-04 git credentials": "home/.cache/git/credential/socket",
    "LX-21 resolver": "run/systemd/resolve/io.systemd.Resolve",
    "LX-21 nscd": "run/nscd/socket",
}


def probe_unix(paths, kinds):
    import socket

    folder = os.open("/", os.O_RDONLY)
    for number, path in enumerate(paths):
        os.symlink(path, f"link-{number}")
        attempt("hard link", os.link, path, f"alias-{number}")
        names = [path, f"link-{number}", f"/proc/self/root{path}", f"/proc/self/fd/{folder}{path}", "../../.." + path]
        for name in (*names, f"alias-{number}"):
            for kind in kinds:
                made = attempt("socket", socket.socket, socket.AF_UNIX, kind)
                if made:
                    made.settimeout(3)
                    if attempt("connect " + name, made.connect, name):
                        attempt("send", made.sendall, NONCE.encode())


@UNIX
def test_unix_services(guard: Guard, world: World) -> None:
    listeners = {}
    for service, name in SERVICES.items():
        path = world.base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        listeners[service] = Listener(socket.AF_UNIX, TCP, str(path))
    paths = [world.base / name for name in SERVICES.values()]
    settings = {"env": {"SSH_AUTH_SOCK": str(paths[3]), "DBUS_SESSION_BUS_ADDRESS": f"unix:path={paths[0]}"}}
    outcome = guard.attack(world, probe_unix, paths=paths, kinds=[TCP, socket.SOCK_SEQPACKET], settings=settings)
    reached = [service for service, listener in listeners.items() if listener.got()]
    for listener in listeners.values():
        listener.close()
    guard.judge(outcome, reached)
    if guard.is_control:
        assert reached == list(SERVICES), "the control did not reach them all"


@UNIX
def test_L080_datagram_socket(guard: Guard, world: World) -> None:
    path = world.run / "log"
    listener = Listener(socket.AF_UNIX, UDP, str(path))
    outcome = guard.attack(world, probe_connect, family=socket.AF_UNIX, kind=UDP, protocol=0, address=str(path))
    outcome_links = guard.attack(world, probe_unix, paths=[path], kinds=[UDP, socket.SOCK_RAW])
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)
    assert outcome_links.started, str(outcome_links)


@UNIX
@pytest.mark.parametrize("kind", [TCP, UDP], ids=["stream", "datagram"])
def test_L079_abstract_socket(guard: Guard, world: World, kind: int) -> None:
    listener = Listener(socket.AF_UNIX, kind, f"\0attack-{world.nonce}")
    address = f"@attack-{world.nonce}"
    outcome = guard.attack(world, probe_connect, family=socket.AF_UNIX, kind=kind, protocol=0, address=address)
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)


@UNIX
def test_L081_socket_in_shared_tmp(guard: Guard, world: World) -> None:
    with tempfile.TemporaryDirectory(prefix="attack-") as folder:
        path = Path(folder) / "default"
        listener = Listener(socket.AF_UNIX, TCP, str(path))
        outcome = guard.attack(world, probe_unix, paths=[path], kinds=[TCP])
        came = listener.got()
        listener.close()
    guard.judge(outcome, came)


def probe_inherited_socket():
    for number in range(3, 256):
        try:
            os.write(number, NONCE.encode())
            print("DID write to", number)
        except OSError:
            pass


@NETWORK
def test_L058_inherited_socket(guard: Guard, world: World) -> None:
    listener = Listener(INET, TCP, ("127.0.0.1", 0))
    with socket.create_connection(("127.0.0.1", listener.port)) as connection:
        number = connection.fileno()
        outcome = guard.attack(world, probe_inherited_socket, settings={"pass_fds": (number,)})
    came = [data for data in listener.got() if data]
    listener.close()
    guard.judge(outcome, came)


def probe_32_bit(family, address):
    import struct

    place = low_memory(bytes.fromhex(address))
    text = low_memory(NONCE.encode())
    arguments = low_memory(struct.pack("III", family, 1, 0))
    for way in ("socketcall", "direct"):
        made = attempt(way, int80, *((102, 1, arguments) if way == "socketcall" else (359, family, 1, 0)))
        if made is None:
            continue
        size = len(address) // 2
        made = 0 if made is True else made
        call = (102, 3, low_memory(struct.pack("III", made, place, size)))
        attempt("connect", int80, *(call if way == "socketcall" else (362, made, place, size)))
        attempt("write", int80, 4, made, text, len(NONCE))


@pytest.mark.skipif(not X86, reason="the 32-bit entry is x86's")
@guards("network-egress")
@pytest.mark.parametrize("row", ["L-059", "L-060"])
def test_32_bit_entry(guard: Guard, world: World, row: str) -> None:
    if row == "L-059":
        listener = Listener(INET, TCP, ("127.0.0.1", 0))
        family, rest = INET, listener.port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    else:
        listener = Listener(socket.AF_UNIX, TCP, str(world.run / "service"))
        family, rest = socket.AF_UNIX, os.fsencode(world.run / "service") + b"\0"
    address = family.to_bytes(2, "little") + rest
    helpers = (int80, low_memory)
    outcome = guard.attack(world, probe_32_bit, *helpers, family=int(family), address=address.hex())
    came = listener.got()
    listener.close()
    if outcome.returncode < 0 and guard.is_control:
        pytest.skip("this kernel has no 32-bit entry")
    guard.judge(outcome, came)


def probe_ring(family, address):
    import struct

    place = ctypes.create_string_buffer(bytes.fromhex(address))
    text = ctypes.create_string_buffer(NONCE.encode())
    size = len(address) // 2

    def entry(code, descriptor, off, where, length):
        return struct.pack("<BBHiQQI", code, 0, 0, descriptor, off, where, length).ljust(64, b"\0")

    steps = (
        entry(45, family, 1, 0, 0),
        lambda results: entry(16, results[0], size, ctypes.addressof(place), 0),
        lambda results: entry(26, results[0], 0, ctypes.addressof(text), len(NONCE)),
    )
    print(attempt("ring", ring, *steps))


@guards("network-egress")
@pytest.mark.parametrize("row", ["L-061", "L-062"])
def test_io_uring(guard: Guard, world: World, row: str) -> None:
    if row == "L-061":
        listener = Listener(INET, TCP, ("127.0.0.1", 0))
        family, rest = INET, listener.port.to_bytes(2, "big") + bytes([127, 0, 0, 1]) + bytes(8)
    else:
        listener = Listener(socket.AF_UNIX, TCP, str(world.run / "service"))
        family, rest = socket.AF_UNIX, os.fsencode(world.run / "service") + b"\0"
    address = int(family).to_bytes(2, "little") + rest
    outcome = guard.attack(world, probe_ring, ring, family=int(family), address=address.hex())
    came = listener.got()
    listener.close()
    if guard.is_control and "ENOSYS" in outcome.text:
        pytest.skip("this kernel has no io_uring")
    guard.judge(outcome, came)


FAMILIES = {
    "AX25": 3, "X25": 9, "NETROM": 6, "KEY": 15, "PACKET": 17, "RDS": 21, "CAN": 29, "TIPC": 30, "BLUETOOTH": 31,
    "ALG": 38, "NFC": 39, "VSOCK": 40, "QIPCRTR": 42, "SMC": 43, "XDP": 44, "MCTP": 45,
}  # fmt: skip


def probe_families(families):
    import socket

    for name, number in families.items():
        for kind in (1, 2, 3, 5):
            attempt(f"family-{name}", socket.socket, number, kind)
            attempt(f"family-{name} high bits", syscall, "socket", number | 1 << 32, kind | 0o2000000, 0)
    attempt("family-ICMP", socket.socket, socket.AF_INET, 2, 1)
    attempt("family-RAW", socket.socket, socket.AF_INET, 3, 1)


@guards("network-egress")
def test_L086_rare_families(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_families, families=FAMILIES)
    opened = sorted({line for line in outcome.text.splitlines() if line.startswith("DID family-")})
    if guard.is_control and not opened:
        pytest.skip("this kernel has none of the rare families")
    guard.judge(outcome, opened)


def probe_diagnosis(port):
    import socket
    import struct

    for family in (2, 10):
        made = attempt("netlink", socket.socket, 16, socket.SOCK_RAW, 4)
        if made:
            made.settimeout(2)
            body = struct.pack("=BBBBI", family, 6, 0, 0, 0xFFFFFFFF) + bytes(48)
            attempt("ask", made.send, struct.pack("=IHHII", 16 + len(body), 20, 0x301, 1, 0) + body)
            answer = attempt("answer", made.recv, 1 << 20)
            print("LISTED" if answer and port.to_bytes(2, "big") in answer else "not listed")
    for name in ("tcp", "tcp6"):
        listed = attempt(name, lambda: f":{port:04X} " in open(f"/proc/net/{name}").read())
        print("LISTED" if listed else "not listed")


@guards("outside-processes", only=(NAMESPACE,))
def test_L087_listening_sockets(guard: Guard, world: World) -> None:
    listener = Listener(INET, TCP, ("127.0.0.1", 0))
    outcome = guard.attack(world, probe_diagnosis, port=listener.port)
    listener.close()
    guard.judge(outcome, "LISTED" in outcome.text)


def probe_netlink_ports():
    import socket

    for port, groups in ((4711, 0), (0, 1)):
        made = socket.socket(16, socket.SOCK_RAW, 0)
        attempt(f"connect {port} {groups}", made.connect, (port, groups))


@guards("privileges", control=False)
@pytest.mark.parametrize("network", ["off", "on"])
def test_L087_another_programs_netlink_port(guard: Guard, world: World, network: str) -> None:
    """That takes a capability: who connects for the command may have it.  No control: nor may an ordinary user."""
    outcome = guard.attack(world, probe_netlink_ports, settings={"options": ("--network", network)})
    guard.judge(outcome, "DID connect" in outcome.text)


def probe_x32():
    for name in ("socket", "ptrace", "keyctl", "mount"):
        attempt(f"x32 {name}", syscall, NR[name] | 0x40000000, 1, 1, 0)


@pytest.mark.skipif(not X86, reason="x32 is x86's")
@guards("privileges", control=False)
def test_L088_x32(guard: Guard, world: World) -> None:
    """No control: most kernels are built without x32, and what must hold is the refusal itself."""
    outcome = guard.attack(world, probe_x32)
    assert outcome.started or outcome.returncode in (128 + 31, -31), str(outcome)
    assert "DID x32" not in outcome.text
    assert outcome.text.count("REFUSED x32") == 4 or outcome.returncode in (128 + 31, -31), str(outcome)
