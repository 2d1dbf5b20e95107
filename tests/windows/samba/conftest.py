"""One server and one scene on it for the tests of this directory; skipped with the reason where there can be none."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.plan.windows import proving
from tests.plan.windows.proving import GROUP, OFFLINE, USER, directory, file
from tests.windows.acl_scenes import FOREIGN, UNMARKED, WORK
from tests.windows.samba import server as samba
from tests.windows.samba.smb_store import Client, SmbStore

from sidewall.nt.sddl import format as text
from sidewall.nt.sddl import parse
from sidewall.plan import world_format
from sidewall.plan.steps import Plan
from sidewall.plan.windows_steps import TokenRecipe
from sidewall.plan.world import World

ROWS = (
    directory("C:\\Users"), directory("C:\\Users\\u"), directory(WORK), directory(WORK + "\\.vscode"),
    file(WORK + "\\.vscode\\settings.json"), directory(WORK + "\\src"), file(WORK + "\\src\\main.py"),
    file(WORK + "\\src\\한국어 😀.py"), file(WORK + "\\moved", FOREIGN), directory(WORK + "\\old", UNMARKED),
    file(WORK + "\\old\\z", f"O:{USER}G:{USER}D:(A;;FA;;;{USER})"), directory("C:\\Users\\u\\private"),
    file("C:\\Users\\u\\private\\key"),
)  # fmt: skip


class Scene:
    """The server, its scene as a world, a plan for it, and the user's own view."""

    def __init__(self, server: samba.Server) -> None:
        self.server = server
        self.user = Client(server.port, samba.USER)
        self.store = SmbStore(self.user)
        sids = {USER: server.sids[samba.USER], OFFLINE: server.sids[samba.BOX]}
        for row in ROWS:
            self.user.create(row["path"], directory=row["kind"] == "directory")
        for row in ROWS:
            with self.store.open(row["path"], change=True) as made:
                made.write_dacl(parse(_named(row["sddl"], sids)))
        self.before = self.texts()
        rows = [proving.HEAD, {"volume": "C:\\"}, {**directory("C:\\"), "sddl": self.text("C:\\")},
                *[{**row, "sddl": self.before[row["path"]]} for row in ROWS]]
        self.world: World = world_format.parse(_named("\n".join(map(json.dumps, rows)), sids).encode())
        about = proving.policy_for(self.world, protected=(".vscode", ".envrc"))
        self.plan: Plan = proving.plan_for(self.world, "account", policy=about)
        recipe = next(step for step in self.plan.steps if isinstance(step, TokenRecipe))
        self.capability = next(sid for sid in recipe.restricting if len(sid.split("-")) == 8
                               and sid not in (*sids.values(), GROUP))
        server.map(GROUP, samba.BOX)
        server.map(self.capability, samba.CAP)

    def text(self, path: str) -> str:
        with self.store.open(path, change=False) as found:
            return text(found.descriptor())

    def texts(self) -> dict[str, str]:
        """The SDDL of all that is there."""
        found: dict[str, str] = {}
        waiting = ["C:\\Users"]
        while waiting:
            path = waiting.pop()
            with self.store.open(path, change=False) as here:
                found[path] = text(here.descriptor())
                if here.traits.directory:
                    waiting += [f"{path}\\{name}" for name in here.names()]
        return found


def _named(told: str, sids: dict[str, str]) -> str:
    for old, new in sids.items():
        told = told.replace(old, new)
    return told


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    reason = samba.why_not()
    if reason:
        pytest.skip(reason)
    base = Path(tempfile.mkdtemp(prefix="nt-acl-server-"))
    server = samba.Server(base)
    made: Scene | None = None
    try:
        server.start()
        made = Scene(server)
        yield made
    finally:
        if made is not None:
            made.user.close()
        server.stop()
        shutil.rmtree(base, ignore_errors=True)
