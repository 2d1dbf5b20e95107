"""The chief attacks once more with the world below `/tmp`, which is another directory inside the sandbox.

Knows: which rows depend on the place.  Must not know: why.  Follows `docs/attacks.md`.
"""

from __future__ import annotations

import socket

import pytest

from .guards import Guard, guards
from .outside import Listener
from .test_files import probe_link_and_write, probe_truncate, probe_write_paths
from .test_protected import HELPERS, probe_append
from .test_secrets_ipc import probe_alias_by_hard_link, probe_show, show
from .test_sockets import probe_unix
from .world import World

BELOW_TMP = pytest.mark.parametrize("world", ["tmp"], indirect=True)


@BELOW_TMP
@guards("write-outside")
def test_L018_below_tmp(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_link_and_write, path=world.canary), world.changed())


@BELOW_TMP
@guards("write-outside")
def test_L010_below_tmp(guard: Guard, world: World) -> None:
    paths = [f"/proc/self/root{world.canary}", str(world.canary), "../../documents/canary.txt"]
    guard.judge(guard.attack(world, probe_write_paths, paths=paths), world.changed())


@BELOW_TMP
@guards("write-outside")
def test_L019_below_tmp(guard: Guard, world: World) -> None:
    guard.judge(guard.attack(world, probe_truncate, path=world.canary), world.changed())


@BELOW_TMP
@guards("read-secrets")
def test_L040_below_tmp(guard: Guard, world: World) -> None:
    world.plant_more_secrets()
    outcome = guard.attack(world, probe_show, show, paths=world.credentials())
    guard.judge(outcome, world.leaked(outcome.stdout))


@BELOW_TMP
@guards("read-secrets")
def test_L042_below_tmp(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_alias_by_hard_link, show, paths=world.credentials())
    guard.judge(outcome, world.leaked(outcome.stdout))


@BELOW_TMP
@guards("protected-names-restored")
def test_L111_below_tmp(guard: Guard, world: World) -> None:
    settings = {"config": world.evil_config(), "hook": world.evil_hook()}
    outcome = guard.attack(world, probe_append, *HELPERS, **settings)
    guard.judge(outcome, world.use_git())


@BELOW_TMP
@guards("unix-sockets-and-pipes")
def test_L081_below_tmp(guard: Guard, world: World) -> None:
    path = world.run / "service"
    listener = Listener(socket.AF_UNIX, socket.SOCK_STREAM, str(path))
    outcome = guard.attack(world, probe_unix, paths=[path], kinds=[socket.SOCK_STREAM])
    came = listener.got()
    listener.close()
    guard.judge(outcome, came)


@BELOW_TMP
@guards("write-outside", control=False)
def test_the_workspace_is_there(guard: Guard, world: World) -> None:
    outcome = guard.run(world, ["sh", "-c", "cat README.md; echo new > new.txt; pwd"])
    assert outcome.text.split("\n")[:2] == ["# work", str(world.workspace)], str(outcome)
    assert (world.workspace / "new.txt").read_text() == "new\n"
