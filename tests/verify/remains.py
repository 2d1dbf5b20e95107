"""What one process's scenes have left on this machine, wherever a scene may have had something.

Knows: how everything of a scene is called after its owner, where scenes put things.  Must not know: how it goes away.

Others may verify at the same moment: what is theirs has another number in its name, and does not count.
"""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from sidewall.verify.leftovers import owned

HERE = Path(__file__).resolve().parents[2]
PLACES = (Path(tempfile.gettempdir()), Path("/dev/shm"), Path("/var/tmp"), Path("/tmp"), HERE, HERE.parent, Path.home())


def remains(process: int, *places: Path) -> list[str]:
    """Directories, files, keys, sockets and processes of this process's scenes, in ``places`` and the usual ones."""
    mark = owned(process)
    found = {os.fspath(path) for place in {*PLACES, *places} if os.access(place, os.R_OK) for path in place.iterdir()
             if mark in path.name}
    sockets = Path("/proc/net/unix").read_text(errors="replace")
    found |= {f"socket {each}" for each in re.findall(rf"\S*{mark}\w+", sockets)}
    found |= {f"key {each}" for each in _keys() if mark in each}
    for other in Path("/proc").glob("[0-9]*"):
        # The two files are empty as soon as a process has ended, collected or not.
        for said in ("cmdline", "environ"):
            try:
                if mark.encode() in (other / said).read_bytes():
                    found.add(f"process {other.name}")
            except OSError:
                continue
    return sorted(found)


def _keys() -> list[str]:
    """Descriptions of the keys that this user may see, without those that are revoked, dead or invalid already."""
    try:
        lines = Path("/proc/keys").read_text(errors="replace").splitlines()
    except OSError:
        return []
    return [line.split(None, 7)[-1] for line in lines if not {"R", "D", "i"} & set(line.split()[1])]
