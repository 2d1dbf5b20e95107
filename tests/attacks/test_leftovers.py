"""L-089 and LX-24 once more: what a command leaves so that the sandbox cannot be cleared away, or the next one opened.

Knows: shapes of trees that are hard to remove.  Must not know: who removes them.  Follows `docs/attacks.md`, group L5.
"""
# ruff: noqa: F821

from __future__ import annotations

from pathlib import Path

from .guards import Guard, guards
from .world import World

SURVIVORS = guards("survivors", control=False)


def probe_deep_and_closed(outside):
    folder = os.environ["TMPDIR"]
    os.symlink(outside, folder + "/link")
    os.makedirs(folder + "/closed/inner")
    put(folder + "/closed/inner/file", NONCE)
    os.symlink(outside, folder + "/closed/inner/link")
    os.mkfifo(folder + "/closed/fifo")
    os.chdir(folder)
    for _ in range(1200):  # deeper than an interpreter recurses
        os.mkdir("d")
        os.chdir("d")
    put(os.path.abspath(folder) + "/last", NONCE)
    os.chmod("../d", 0)
    os.chmod(folder + "/closed/inner", 0)
    os.chmod(folder + "/closed", 0o100)
    os.chmod(folder + "/d", 0)


@SURVIVORS
def test_LX24_deep_and_closed_directories(guard: Guard, world: World) -> None:
    outcome = guard.attack(world, probe_deep_and_closed, outside=world.outside)
    assert outcome.ended, str(outcome)
    left = entries(world.home / ".local/state/sidewall/tmp")
    done = guard.run(world, ["true"])
    assert done.returncode == 0, f"the next sandbox does not open: {done}"
    assert left == [] and world.changed() == [], f"{left} {outcome}"


def entries(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
