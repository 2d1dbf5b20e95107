"""What a policy lends of the host's: the unix sockets it names, and not their neighbours.

Knows: unix(7), and how a name can be turned round.  Must not know: who makes the connections.
Whether somebody came is asked of the servers, which are real and outside.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.errors import ConfigError, MachineError
from sidewall.policy.model import Network

from .place import Opened, Place
from .servers import Services


@pytest.fixture
def short(tmp_path: Path) -> Iterator[Place]:
    """A place whose paths fit into the address of a socket, outside of the directories that a cell covers."""
    base = Path.home() / f".sw{os.getpid():x}"
    base.mkdir()
    made = Place(base)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(base)


def opened(place: Place, tier: str, *names: Path | str, **changes: object) -> Opened:
    return place.open(tier, network=Network(unix_sockets=tuple(map(os.fspath, names)), **changes))  # type: ignore[arg-type]


def call(addresses: list[str]) -> None:
    import socket

    for address in addresses:
        one = socket.socket(socket.AF_UNIX)
        one.settimeout(10)
        try:
            one.connect(address)
            one.sendall(b"hello")
            print(one.recv(100).decode() or "closed")
        except OSError as error:
            print(type(error).__name__)


def test_the_named_socket_and_its_neighbour(short: Place, tier: str, services: Services) -> None:
    named, beside = services.unix(short.outside / "named"), services.unix(short.outside / "beside")
    cell = opened(short, tier, short.outside / "named")
    asked = [f"{short.outside}/named", "../outside/named", f"{short.outside}/./../outside/named",
             f"/proc/self/root{short.outside}/named", f"{short.outside}/beside", "../outside/beside"]  # fmt: skip
    said = cell.python(call, asked).output.split()
    assert said[:3] == ["named"] * 3 and said[4:] == ["PermissionError"] * 2
    assert beside.guests == []
    assert set(named.guests) == {b"hello"} and len(named.guests) == said.count("named")
    assert (short.outside / "named").is_socket()
    told = [attempt.target for attempt in cell.cell.attempts() if attempt.kind == "unix"]
    assert f"{short.outside}/beside" in told and f"{short.outside}/named" not in told


def test_links_made_inside_lead_to_nothing_more(short: Place, tier: str, services: Services) -> None:
    named, beside = services.unix(short.outside / "named"), services.unix(short.outside / "beside")
    cell = opened(short, tier, short.outside / "named")
    cell.run("ln -s ../outside/named good; ln -s ../outside/beside bad; ln -s ../outside dir; ln -s bad named; "
             f"mkdir -p .{short.outside}; ln -s {short.outside}/beside .{short.outside}/named")  # fmt: skip
    said = cell.python(call, ["good", "dir/named", "bad", "named", "dir/beside", f".{short.outside}/named"]).output
    assert said.split() == ["named", "named", *["PermissionError"] * 4]
    assert (len(named.guests), beside.guests) == (2, [])


RENAMES = """
import os, sys
os.chdir(sys.argv[1])
open("one", "w").close()
print(flush=True)
while True:
    os.rename("one", "two")
    os.rename("two", "one")
"""


def test_what_others_rename_meanwhile_is_no_obstacle(short: Place, tier: str, services: Services) -> None:
    """The kernel lets nobody follow ``..`` below a root while a name changes anywhere."""
    named = services.unix(short.outside / "named")
    cell = opened(short, tier, short.outside / "named")
    cell.run("ln -s ../outside/named good")
    words = [sys.executable, "-I", "-S", "-c", RENAMES, os.fspath(short.outside)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as renaming:
        try:
            assert renaming.stdout is not None and renaming.stdout.readline() == b"\n"
            said = cell.python(call, ["good"] * 400).output.split()
        finally:
            renaming.kill()
    assert said == ["named"] * 400 and len(named.guests) == 400


def test_datagrams_do_not_get_there(short: Place, tier: str, services: Services) -> None:
    services.unix(short.outside / "named")
    silent = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    silent.bind(os.fspath(short.outside / "datagrams"))
    silent.setblocking(False)
    cell = opened(short, tier, short.outside / "named")
    assert cell.python(send_datagram, f"{short.outside}/datagrams").output == "end\n"
    with pytest.raises(BlockingIOError):
        silent.recv(10)
    with pytest.raises(ConfigError, match="datagrams"):
        opened(short, tier, short.outside / "datagrams")
    silent.close()


def send_datagram(address: str) -> None:
    import socket

    for make in (socket.socket, socket.socketpair):
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
            try:
                made = make(socket.AF_UNIX, kind)
                # To the other end of a pair of packet sockets it may well go.
                (made if isinstance(made, socket.socket) else made[0]).sendto(b"secret", address)
            except OSError:
                continue
    print("end")


def test_a_server_that_starts_again_is_found_again(short: Place, tier: str, services: Services) -> None:
    path = short.outside / "named"
    services.unix(path).close()
    cell = opened(short, tier, path)
    assert cell.python(call, [os.fspath(path)]).output == "ConnectionRefusedError\n"
    path.unlink()
    services.made.clear()
    services.unix(path)
    assert cell.python(call, [os.fspath(path)]).output == "named\n"


def test_a_server_that_comes_late(short: Place, tier: str, services: Services) -> None:
    path = short.outside / "late"
    cell = opened(short, tier, path)
    assert cell.python(call, [os.fspath(path), "../outside/late"]).output.split() == ["FileNotFoundError"] * 2
    services.unix(path)
    said = cell.python(call, [os.fspath(path), "../outside/late"]).output.split()
    # Where directories are put together anew, what comes later is not seen, but reached.
    assert said == ["late", "late"]


def test_replaced_outside_by_a_link(short: Place, tier: str, services: Services) -> None:
    """Whoever may write there is not always whom the policy trusts."""
    path = short.outside / "named"
    services.unix(path)
    beside = services.unix(short.outside / "beside")
    cell = opened(short, tier, path)
    path.unlink()
    path.symlink_to(short.outside / "beside")
    said = cell.python(call, [os.fspath(path)]).output
    assert said in ("PermissionError\n", "OSError\n"), said
    assert beside.guests == []


def test_a_link_in_the_workspace_is_refused(short: Place, tier: str, services: Services) -> None:
    """As a command of an earlier session could have left it."""
    beside = services.unix(short.outside / "beside")
    (short.work / "app").symlink_to(short.outside / "beside")
    (short.work / "dir").symlink_to(short.outside)
    for name in ("app", "dir/beside"):
        with pytest.raises(ConfigError, match="symbolic link") as caught:
            opened(short, tier, short.work / name)
        assert os.fspath(short.outside / "beside") in caught.value.hint
    assert beside.guests == []


def test_in_the_workspace_it_cannot_be_replaced(short: Place, namespace: str, services: Services) -> None:
    (short.work / "run").mkdir()
    app, other = services.unix(short.work / "run" / "app"), services.unix(short.work / "other")
    cell = opened(short, namespace, short.work / "run" / "app")
    assert cell.python(call, ["run/app", "other"]).output.split() == ["app", "PermissionError"]
    tried = cell.run("rm -f run/app; mv other run/app; ln -f other run/app; ln -sf ../other run/app; mv run/app x; "
                     "mv run elsewhere; mkdir run2; mv -T run2 run; ln other other2; ls -i run/app")  # fmt: skip
    assert str((short.work / "run" / "app").stat().st_ino) in tried.output
    said = cell.python(call, ["run/app", "other", "other2", "x"]).output.split()
    # A move between file systems is a copy, and the copy of a socket is a socket of nobody's.
    assert said[:3] == ["app", "PermissionError", "PermissionError"]
    assert said[3] in ("FileNotFoundError", "ConnectionRefusedError")
    assert (len(app.guests), other.guests) == (2, [])


def test_in_the_workspace_without_mounts_it_is_refused(short: Place, landlock: str, services: Services) -> None:
    services.unix(short.work / "app")
    with pytest.raises(MachineError, match="writable root") as caught:
        opened(short, landlock, short.work / "app")
    assert "namespace tier" in caught.value.hint


def test_one_that_a_private_directory_covers(place: Place, tier: str, services: Services, tmp_path: Path) -> None:
    """Below /tmp, which the namespace tier has of its own, also through the system's own links."""
    if len(os.fspath(tmp_path)) > 80:
        pytest.skip("the test's directory is too long for the address of a socket")
    services.unix(place.elsewhere / "named")
    services.unix(place.elsewhere / "beside")
    cell = opened(place, tier, place.elsewhere / "named")
    said = cell.python(call, [f"{place.elsewhere}/named", f"{place.elsewhere}/beside"]).output.split()
    assert said[0] == "named" and said[1] in ("FileNotFoundError", "PermissionError")


def test_abstract_names(short: Place, tier: str, services: Services) -> None:
    name = f"sidewall-{os.urandom(6).hex()}"
    service, beside = services.unix("\0" + name), services.unix("\0" + name + "2")
    with pytest.raises(ConfigError, match="abstract" if tier == "namespace" else "no unix socket"):
        # Without namespaces abstract names are shared; a directory is no socket in any tier.
        opened(short, tier, "@" + name if tier == "namespace" else short.work)
    cell = opened(short, tier, "@" + name, mode="on")
    said = cell.python(call, ["\0" + name, "\0" + name + "2", "\0" + name + "\0"]).output.split()
    assert said[0].strip("\0") == name and set(said[1:]) == {"ConnectionRefusedError"}
    assert (len(service.guests), beside.guests) == (1, [])


def test_one_that_cannot_be_seen_inside_is_spoken_of(place: Place, namespace: str, services: Services) -> None:
    """Below a directory that the cell has of its own the name leads nowhere; the host knows what was meant."""
    if len(os.fspath(place.elsewhere)) > 80:
        pytest.skip("the test's directory is too long for the address of a socket")
    service = services.unix(place.elsewhere / "beside")
    cell = place.open(namespace)
    assert cell.python(call, [f"{place.elsewhere}/beside", f"{place.elsewhere}/none"]).output.split() == [
        "FileNotFoundError", "FileNotFoundError"]  # fmt: skip
    assert [attempt.target for attempt in cell.cell.attempts()] == [f"{place.elsewhere}/beside"]
    assert service.guests == []
