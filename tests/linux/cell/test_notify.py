"""Where another program already listens to a seccomp filter (container managers do), cells do without one of theirs.

Knows: seccomp_unotify(2): there is one listener for all filters of a process.  Must not know: cells' insides.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.plan import steps
from sidewall.platforms.linux import confine

from .place import Place

BELOW = """
import os, sys
from sidewall.platforms.linux import confine, seccomp
confine.no_new_privileges()
allow = confine._ALLOW
listener = seccomp.install(allow, listen=True) if sys.argv[1] == "listener" else seccomp.install(allow, listen=False)
import sidewall
with sidewall.Sandbox(workspace=sys.argv[2], tier=sys.argv[3], require="none") as sandbox:
    (sockets,) = [line for line in sandbox.guarantees if line.name == "unix-sockets-and-pipes"]
    print(sockets.level, "keeper" in sockets.mechanism)
    done = sandbox.run([sys.executable, "-I", "-S", "-c", sys.argv[4]], capture_output=True, text=True, timeout=30)
    print(done.stdout, done.stderr)
"""

INSIDE = """
import socket
one, two = socket.socketpair()
one.send(b"pair")
print(two.recv(9).decode())
try:
    service = socket.create_server(("127.0.0.1", 0))
    socket.create_connection(service.getsockname(), timeout=9).send(b"tcp")
    print(service.accept()[0].recv(9).decode())
except PermissionError:
    print("no internet sockets")
try:
    socket.socket(socket.AF_UNIX)
    print("unix")
except PermissionError:
    print("no unix sockets")
"""


def below(place: Place, kind: str, tier: str) -> list[str]:
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "HOME": os.fspath(place.home)}
    done = subprocess.run([sys.executable, "-P", "-c", BELOW, kind, os.fspath(place.work), tier, INSIDE],
                          capture_output=True, text=True, timeout=60, env=environ, cwd=Path("/"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")


def test_with_another_listener_unix_sockets_are_refused_and_the_rest_works(place: Place, tier: str) -> None:
    said = below(place, "listener", tier)
    assert said[0] == "enforced False"
    assert said[1:4] == ["pair", "tcp" if tier == "namespace" else "no internet sockets", "no unix sockets"]


@pytest.mark.parametrize(
    ("scope", "own_users", "root", "may"),
    [
        ("", False, False, True), ("0", False, False, True), ("1", False, False, True),
        ("2", True, False, True), ("2", False, True, True), ("2", False, False, False),
        ("3", True, True, False), ("9", True, True, False),
    ],
)  # fmt: skip
def test_where_tracing_is_restricted(scope: str, own_users: bool, root: bool, may: bool) -> None:
    assert confine.may_trace(scope, own_users=own_users, root=root) is may


def test_a_filter_that_does_not_listen_is_in_nobodys_way(place: Place, namespace: str) -> None:
    (plain,) = [step for step in place.plan().steps if isinstance(step, steps.Seccomp)]
    if not plain.mediate_unix:
        pytest.skip("another listener is in force here")
    assert below(place, "plain", namespace)[:4] == ["enforced True", "pair", "tcp", "unix"]
