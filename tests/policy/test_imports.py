"""What is on the path of every start imports next to nothing.

Knows: module names.  Must not know: how long anything takes.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import sidewall.policy

ROOM = Path(sidewall.policy.__file__).parent
SOURCE = ROOM.parents[1]
HEAVY = ("typing", "re", "enum", "dataclasses", "json", "msgspec", "tomllib", "collections", "functools", "subprocess",
         "argparse", "pathlib", "logging", "asyncio", "rich", "socket", "sidewall.config")
PURE = ("os", "ctypes", "posix", "nt")
MODULES = sorted(f"sidewall.policy.{path.stem}" for path in ROOM.glob("*.py") if path.stem != "__init__")


def loaded(code: str) -> set[str]:
    """The modules that are there after this code, in a bare interpreter."""
    program = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{code}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, timeout=60,
                          check=True)
    return set(done.stdout.split())


def test_the_policy_room_imports_values_only() -> None:
    bare = loaded("")
    found = loaded("\n".join(f"import {name}" for name in MODULES))
    assert {name for name in HEAVY if name in found} == set()
    assert {name for name in PURE if name in found - bare} == set()
    assert {name for name in found - bare if not name.startswith("sidewall")} <= {"__future__"}


def test_without_a_file_of_configuration_nothing_is_parsed(tmp_path: Path) -> None:
    work, home = tmp_path / "w", tmp_path / "h"
    work.mkdir()
    home.mkdir()
    found = loaded(
        "from sidewall.session import layers\n"
        f"layers.load({str(work)!r}, environ={{}}, home={str(home)!r}, system='')\n"
        f"layers.load({str(work)!r}, environ={{}}, home={str(home)!r}, system='', profile=':strict', network='on',"
        f" write=[{str(work / 'a')!r}], deny=['*.key'], require='none')"
    )
    assert {name for name in HEAVY if name in found} == set()
    assert "sidewall.session.layers" in found
