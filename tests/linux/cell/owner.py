"""A program that owns cells and is killed at some point: opens one, runs commands, closes it, again and again.

Knows: what a place is.  Must not know: when it dies.  Arguments: a directory, a tier, a nonce for the commands'
environment, ``loop`` or ``wait`` (one cell with one long command, whose keeper and init are told on standard output).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

sys.path.insert(0, os.fspath(Path(__file__).parents[3]))

from tests.linux.cell.place import Place


def main(base: str, tier: str, nonce: str, way: str) -> None:
    """Never returns of itself."""
    place = Place(Path(base))
    print("ready", flush=True)
    if way == "wait":
        cell = place.open(tier)
        cell.start("sleep 600 & touch running; sleep 601", env=cell.environment({b"NONCE": nonce.encode()}))
        while not (place.work / "running").exists():
            time.sleep(0.005)
        print(cell.keeper, cell.init, flush=True)
        time.sleep(600)
    while True:
        cell = place.open(tier)
        env = cell.environment({b"NONCE": nonce.encode()})
        for turn in range(6):
            cell.run(["sleep", "0.002"] if turn % 2 else "sleep 60 & true", env=env)
        cell.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
