"""Directories that a cell closed: the carrier reports them, goes on, and comes back when they are open again.

Knows: modes.  Must not know: how the layer is read.  Root is stopped by no mode; then only the last part is looked at.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.linux.git.conftest import World


@pytest.mark.parametrize("path", [".", "refs", "refs/heads", "objects", "objects/*", "logs", "logs/refs", "HEAD",
                                  "index"])
def test_closed_directories_and_files(world: World, path: str) -> None:
    head = world.shell("git rev-parse HEAD")
    world.inside(f"echo 1 > n; git add n; git commit -qm n; chmod 000 .git/{path}")
    told = world.settle()
    if os.geteuid():
        assert [one for one in told if one.action == "held"]
        assert path != "objects" or world.shell("git rev-parse HEAD") == head
    world.whole()
    world.inside(f"chmod 755 .git/{path}")
    for _ in range(2):
        world.settle()
    world.agree()
    world.everyday()
