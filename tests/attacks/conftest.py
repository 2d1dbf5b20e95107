"""The attack suite's fixtures: the world, the guard, and the tidy-up after both.

Knows: what must be true before and after each attack.  Must not know: any single attack.
"""

from __future__ import annotations

import functools
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .guards import SIDEWALL, Guard
from .outside import Victim, sweep
from .world import World, build_template, places


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home all worlds are copied from."""
    return build_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(params=["home"])
def world(request: pytest.FixtureRequest, template: Path) -> Iterator[World]:
    """A world below the real home (param ``home``) or below the temporary directory (param ``tmp``)."""
    found = places()
    if request.param == "home" and not found:
        pytest.skip("no writable directory outside /tmp for the attack's world")
    made = World(found[0] if request.param == "home" else Path(tempfile.gettempdir()), template)
    try:
        yield made
    finally:
        sweep(made.nonce)
        made.remove()


@functools.cache
def refusal(tier: str) -> str:
    """Why this machine does not give the tier; empty when it does."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [*SIDEWALL, "run", "--tier", tier, "--", "true"],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=60,
            check=False,
        )
    said = done.stderr.decode(errors="replace").strip()
    # A breakdown of ours is no refusal: then the attacks run, and fail.
    return said if done.returncode == 125 and "internal error" not in said else ""


@pytest.fixture
def guard(request: pytest.FixtureRequest) -> Guard:
    """The control or a tier of the sandbox, by name."""
    made = Guard(request.param)
    if not made.is_control and (why := refusal(made.name)):
        pytest.skip(f"this machine does not give the {made.name} tier: {why}")
    return made


@pytest.fixture
def victim(world: World) -> Iterator[Victim]:
    """A process of the same user outside, holding a secret and two open files."""
    token = next(iter(world.tokens))
    made = Victim(world.canary, world.tokens[token], token)
    try:
        yield made
    finally:
        made.close()
