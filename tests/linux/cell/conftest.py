"""A place for each test, and which tiers this machine gives.

Knows: the backend.  Must not know: what is tested.
"""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.errors import SidewallError

from .place import TIERS, Place
from .servers import Services


@functools.cache
def refusal(tier: str) -> str:
    """Why this machine does not give the tier; '' when it does."""
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory))
        try:
            place.open(tier).close()
        except SidewallError as error:
            return str(error)
    return ""


def skip_without(tier: str) -> None:
    if why := refusal(tier):
        pytest.skip(f"this machine does not give the {tier} tier: {why}")


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """State and temporary files of the product below the test's directory."""
    monkeypatch.setenv("XDG_STATE_HOME", os.fspath(tmp_path / "state"))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    try:
        yield made
    finally:
        made.close()


def far_directory() -> Path:
    """A writable directory that a cell does not cover with one of its own, as it does with the temporary ones."""
    for directory in (Path.home(), Path(__file__).parents[3], Path("/dev/shm")):
        real = directory.resolve()
        if os.access(real, os.W_OK | os.X_OK) and not real.is_relative_to("/tmp") and real != Path("/"):
            return real
    pytest.skip("no writable directory outside /tmp")


@pytest.fixture
def far() -> Iterator[Place]:
    """A place that does not lie below a temporary directory."""
    base = Path(tempfile.mkdtemp(prefix="sidewall-cell-", dir=far_directory()))
    made = Place(base)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(base)


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> str:
    """Each tier that this machine gives."""
    skip_without(request.param)
    return str(request.param)


@pytest.fixture
def namespace() -> str:
    """For tests of what only the namespace tier has."""
    skip_without("namespace")
    return "namespace"


@pytest.fixture
def landlock() -> str:
    """For tests of what only the landlock tier has."""
    skip_without("landlock")
    return "landlock"


@pytest.fixture
def services() -> Iterator[Services]:
    made = Services()
    yield made
    for service in made.made:
        service.close()
