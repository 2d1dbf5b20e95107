"""Listed sockets and ports from the file to the connection: what ``check`` says is what a command meets.

Knows: sidewall.toml and the command line.  Must not know: who makes a connection.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import Cli

ASK = """
import socket, sys
one = socket.socket(socket.AF_UNIX if "/" in sys.argv[1] else socket.AF_INET)
one.settimeout(10)
one.connect(sys.argv[1] if "/" in sys.argv[1] else ("127.0.0.1", int(sys.argv[1])))
print(one.recv(10).decode())
"""


class Servers:
    """Real servers of the host, each says its name to who comes."""

    def __init__(self) -> None:
        self.listeners: list[socket.socket] = []
        self.guests: list[str] = []

    def add(self, listener: socket.socket, name: str) -> None:
        listener.listen()
        self.listeners.append(listener)
        threading.Thread(target=self._serve, args=(listener, name), daemon=True).start()

    def _serve(self, listener: socket.socket, name: str) -> None:
        while True:
            try:
                guest = listener.accept()[0]
            except OSError:
                return
            self.guests.append(name)
            guest.sendall(name.encode())
            guest.close()


@pytest.fixture
def servers() -> Iterator[Servers]:
    made = Servers()
    yield made
    for listener in made.listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def unix(servers: Servers, path: Path) -> Path:
    if len(os.fspath(path)) > 100:
        pytest.skip("the test's directory is too long for the address of a socket")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.fspath(path))
    servers.add(listener, path.name)
    return path


def settings(sidewall: Cli, text: str) -> None:
    file = sidewall.home / ".config" / "sidewall" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("schema = 1\n[network]\n" + text)


def told(sidewall: Cli, target: str) -> bool:
    done = sidewall("check", "--json", target)
    (found,) = json.loads(done.stdout)["answers"]
    assert found["action"] == "connect" and (done.returncode == 0) == found["allowed"]
    return bool(found["allowed"])


def ask(sidewall: Cli, target: str) -> str:
    done = sidewall("run", "--", sys.executable, "-I", "-S", "-c", ASK, target)
    return done.stdout.decode().strip()


def test_check_and_a_command_agree_on_sockets(sidewall: Cli, servers: Servers) -> None:
    named, beside = unix(servers, sidewall.home / "named"), unix(servers, sidewall.home / "beside")
    (sidewall.home / "alias").symlink_to(named)
    settings(sidewall, f'unix_sockets = ["~/named", "{sidewall.home}/later"]\n')
    for path, name in ((named, "named"), (beside, ""), (sidewall.home / "alias", "named")):
        assert told(sidewall, os.fspath(path)) == bool(name)
        assert ask(sidewall, os.fspath(path)) == name
    assert servers.guests == ["named", "named"]
    assert told(sidewall, os.fspath(sidewall.home / "later"))
    done = json.loads(sidewall("explain", "--json").stdout)
    (line,) = [each for each in done["guarantees"] if each["name"] == "unix-sockets-and-pipes"]
    assert os.fspath(named) in line["reason"] and os.fspath(beside) not in line["reason"]


def test_check_and_a_command_agree_on_ports(sidewall: Cli, servers: Servers) -> None:
    ports = []
    for name in ("named", "beside"):
        listener = socket.create_server(("127.0.0.1", 0))
        servers.add(listener, name)
        ports.append(listener.getsockname()[1])
    settings(sidewall, f"loopback_ports = [{ports[0]}]\n")
    if b"loopback_ports cannot" in sidewall("run", "--", "true").stderr:
        pytest.skip("this machine gives no network namespace")
    reasons = [sidewall("check", f"localhost:{port}").stdout for port in ports]
    assert b"the host's own" in reasons[0] and b"the sandbox's own, not the host's" in reasons[1]
    assert [ask(sidewall, str(port)) for port in ports] == ["named", ""]
    assert servers.guests == ["named"]


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ('unix_sockets = ["@name"]', 2, [b"network.unix_sockets", b"@name", b'network.mode = "on"']),
        ('unix_sockets = ["/etc/passwd"]', 2, [b"network.unix_sockets", b"/etc/passwd", b"name the socket"]),
    ],
)
def test_what_cannot_be_lent_is_never_ignored(sidewall: Cli, text: str, code: int, words: list[bytes]) -> None:
    settings(sidewall, text + "\n")
    done = sidewall("run", "--tier", "namespace", "--", "touch", "started")
    if b"tier cannot be had" in done.stderr:
        pytest.skip("this machine does not give the namespace tier")
    assert done.returncode == code and not (sidewall.workspace / "started").exists()
    assert all(word in done.stderr for word in words), done.stderr


def test_a_project_may_not_help_itself(sidewall: Cli, servers: Servers) -> None:
    named = unix(servers, sidewall.home / "named")
    (sidewall.workspace / "sidewall.toml").write_text(f'schema = 1\n[network]\nunix_sockets = ["{named}"]\n')
    done = sidewall("run", "--", "true")
    assert done.returncode == 2 and b"network.unix_sockets" in done.stderr
    assert servers.guests == []
