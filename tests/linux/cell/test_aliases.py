"""The other names that mounts give to what is denied.

Knows: mountinfo.  Must not know: how such a name is hidden.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.platforms.linux.aliases import other_names

ASK = """
import sys
from sidewall.platforms.linux.aliases import other_names
print(*other_names(sys.argv[1:]), sep="\\n")
"""


def test_on_a_machine_without_second_mounts_of_a_place_there_are_none(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    found = other_names([f"{tmp_path}/keys", f"{tmp_path}/absent", f"{tmp_path}/no/such/place"])
    assert all(os.path.realpath(path) != f"{tmp_path}/keys" and path.startswith("/") for path in found)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can bind directories")
def test_names_by_mounts_of_all_and_of_parts(tmp_path: Path) -> None:
    home, second, part, other = (tmp_path / name for name in ("home", "a second\tplace", "part", "other"))
    for folder in (home / "keys/inner", second, part, other):
        folder.mkdir(parents=True)
    (tmp_path / "link").symlink_to(home)
    script = f"mount --bind '{home}' '{second}'; mount --bind '{home}/keys/inner' '{part}'; exec \"$@\""
    asked = [f"{tmp_path}/link/keys", f"{home}/absent", f"{home}/keys/inner/deep"]
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", sys.executable, "-c", ASK, *asked],
        capture_output=True, timeout=30, check=True,
    )  # fmt: skip
    found = set(done.stdout.decode().splitlines())
    assert {f"{second}/keys", str(part), f"{second}/absent", f"{second}/keys/inner/deep", f"{part}/deep"} <= found
    assert not any(path.startswith((str(home), str(other))) for path in found)
