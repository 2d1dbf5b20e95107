"""The account tier's access lists on a server that enforces them: each account may do what the model says."""

from __future__ import annotations

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plan.windows.proving import GROUP
from tests.windows.acl_scenes import WORK
from tests.windows.samba import server as samba
from tests.windows.samba.conftest import Scene
from tests.windows.samba.session import lists
from tests.windows.samba.smb_store import Client

from sidewall.nt import mask as bits
from sidewall.nt import wellknown as known
from sidewall.nt.operations import Place, open_file
from sidewall.nt.operations_tree import Actor
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.nt.token import Group, Token
from sidewall.nt.tree import Item, Tree
from sidewall.plan.prove_tree import After
from sidewall.platforms.windows.propagation import same_list

RIGHTS = (
    bits.FILE_READ_DATA, bits.FILE_WRITE_DATA, bits.FILE_APPEND_DATA, bits.FILE_READ_EA, bits.FILE_WRITE_EA,
    bits.FILE_EXECUTE, bits.FILE_DELETE_CHILD, bits.FILE_WRITE_ATTRIBUTES, bits.DELETE, bits.READ_CONTROL,
    bits.WRITE_DAC, bits.WRITE_OWNER,
)  # fmt: skip
ROOT = str(Path(__file__).parents[3])


def token(scene: Scene, name: str) -> Token:
    """What the server puts into the token of an account's session."""
    held = {samba.BOX: Sid(GROUP), samba.CAP: scene.capability}.get(name)
    groups = [known.EVERYONE, known.AUTHENTICATED_USERS, Sid("S-1-5-2"), Sid("S-1-22-2-100"),
              *([held] if held else [])]
    return Token(user=Sid(scene.server.sids[name]), groups=tuple([Group(sid=sid) for sid in groups]),
                 primary_group=Sid("S-1-22-2-100"), privileges=frozenset(("SeChangeNotifyPrivilege",)))


def tree(scene: Scene) -> Tree:
    """What is on the server now, as the model has it."""
    items = []
    for path in ["C:\\", *scene.texts()]:
        with scene.store.open(path, change=False) as found:
            items.append(Item(path=path, sd=found.descriptor(), directory=found.traits.directory,
                              links=found.traits.links))
    return Tree.build(items)


def test_lists_over_smb_are_those_of_the_model_and_enforced_as_it_says(scene: Scene, tmp_path: Path) -> None:
    applied = lists(scene.user, str(tmp_path)).apply(scene.plan)
    after = After(scene.world, scene.plan)
    assert after.faults == []
    here = scene.texts()
    for node in after.nodes.values():
        if node.descriptor is not None and node.made != "own" and node.path in here:
            assert same_list(parse(here[node.path]), node.descriptor), (node.path, here[node.path])
    assert WORK + "\\.envrc" in here

    world = tree(scene)
    clients = {name: Client(scene.server.port, name) for name in (samba.USER, samba.BOX, samba.CAP)}
    try:
        tried = 0
        for name, client in clients.items():
            who = token(scene, name)
            for path, node in world.paths():
                if not path.startswith("C:\\Users\\"):
                    continue
                above = world.walk(path).parent
                assert above is not None
                parent = Place(sd=above.sd, directory=True)
                for right in RIGHTS:
                    said = open_file(Place(sd=node.sd, directory=node.directory), parent, who, right)
                    found = client.can(path, right)
                    tried += 1
                    assert said.granted == found, (name, path, bits.describe(right, "file"), here.get(path))
        assert tried > 400
        for name, client in clients.items():
            _operations(scene, client, Actor(world, token(scene, name), backup_intent=False))
    finally:
        for client in clients.values():
            client.close()
        for path in set(scene.texts()) - set(here):
            scene.user.delete(path)
    assert applied.release() == ()
    assert scene.texts() == scene.before
    assert not (tmp_path / "access-lists.journal").exists()


def _operations(scene: Scene, client: Client, actor: Actor) -> None:
    """What programs do, each tried and each foretold."""
    held, made, more = WORK + "\\.vscode\\settings.json", WORK + "\\src\\new", WORK + "\\.vscode\\more"
    secret = "C:\\Users\\u\\private\\key"

    def same(what: str, work: Callable[[], object], said: bool) -> bool:
        assert client.try_(work) == said, (actor.token.user, what)
        return said

    same("write what is held", lambda: client.write(held, b"x"), actor.open(held, bits.FILE_WRITE_DATA).granted)
    same("read a secret", lambda: client.read(secret), actor.open(secret, bits.FILE_READ_DATA).granted)
    if actor.token.user != scene.server.sids[samba.USER]:
        place = WORK + "\\.envrc"
        same("remove a placeholder", lambda: client.delete(place), actor.delete(place).granted)
        same("move the workspace", lambda: client.rename(WORK, WORK + "2"), actor.rename(WORK, WORK + "2").granted)
    if same("make something in what is held", lambda: client.create(more), actor.create(more).granted):
        scene.user.delete(more)
    if same("make a file", lambda: client.create(made), actor.create(made).granted):
        grown = Actor(tree(scene), actor.token, backup_intent=False)
        same("write it", lambda: client.write(made, b"data"), grown.open(made, bits.FILE_WRITE_DATA).granted)
        same("rename it", lambda: client.rename(made, made + "2"), grown.rename(made, made + "2").granted)
        assert scene.user.read(made + "2") == b"data"
        same("remove it", lambda: client.delete(made + "2"), grown.delete(made).granted)


@pytest.mark.parametrize(("act", "at"), [("apply", 40), ("apply", 58), ("apply", 75), ("release", 12),
                                         ("release", 30), ("release", 45)])
def test_a_process_killed_in_the_middle_leaves_nothing_once_the_next_has_started(
        scene: Scene, tmp_path: Path, act: str, at: int) -> None:
    (tmp_path / "plan").write_bytes(pickle.dumps(scene.plan))
    ended = subprocess.run(
        [sys.executable, "-m", "tests.windows.samba.session", str(scene.server.port), samba.USER,
         str(tmp_path / "state"), str(tmp_path / "plan"), act, str(at)],
        cwd=ROOT, timeout=40, check=False, stderr=subprocess.PIPE)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()
    assert scene.texts() != scene.before
    assert lists(scene.user, str(tmp_path / "state")).recover()
    assert scene.texts() == scene.before
    assert not (tmp_path / "state" / "access-lists.journal").exists()
