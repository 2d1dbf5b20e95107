"""Sandboxes for the tests of the session: each test runs on a cell that confines nothing, and on this machine's own.

Knows: how to make both.  Must not know: what the tests do with them.
"""

from __future__ import annotations

import functools
import gc
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from sidewall import AsyncSandbox, GuaranteeError, Sandbox

HERE = Path(__file__).resolve().parent


def neighbour(name: str) -> ModuleType:
    """A module that lies beside this one."""
    full = f"sidewall_session_tests_{name}"
    if full not in sys.modules:
        spec = importlib.util.spec_from_file_location(full, HERE / f"{name}.py")
        assert spec is not None and spec.loader is not None
        module = sys.modules[full] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules[full]


@functools.cache
def refusal(tier: str) -> str:
    """Why this machine makes no cell of this tier; '' when it does.  A cell that breaks is no reason."""
    try:
        with Sandbox(workspace=HERE, require=(), tier=tier) as sandbox:
            sandbox.guarantees  # noqa: B018 - opens it
    except GuaranteeError as error:
        return str(error)
    return ""


def options(kind: str) -> dict[str, Any]:
    """Arguments that make a sandbox of this kind."""
    if kind == "bare":
        return {"opener": neighbour("bare_cell").opener}
    tier = "landlock" if kind == "landlock" else "auto"
    if refusal(tier):
        pytest.skip(f"this machine makes no cell: {refusal(tier)}")
    return {"require": (), "tier": tier}


@pytest.fixture(params=["bare", "machine"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def how(kind: str) -> dict[str, Any]:
    """The arguments of ``Sandbox`` that make it of this kind."""
    return options(kind)


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that is no temporary one: of those a cell has its own."""
    home = Path.home()
    if not os.access(home, os.W_OK):
        pytest.skip("the home directory is not writable, and a place outside /tmp is wanted")
    made = Path(tempfile.mkdtemp(prefix=".sidewall-test-", dir=home)).resolve()
    yield made
    subprocess.run(["chmod", "-R", "u+rwx", made], check=True, timeout=60)
    shutil.rmtree(made)


@pytest.fixture
def workspace(place: Path) -> Path:
    made = place / "workspace"
    made.mkdir()
    return made


@pytest.fixture
def make(how: dict[str, Any], workspace: Path) -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes with these arguments; all are closed at the end."""
    made: list[Sandbox] = []

    def one(*args: Any, **given: Any) -> Sandbox:
        where = {} if args else {"workspace": workspace}
        made.append(Sandbox(*args, **{**where, **how, **given}))
        return made[-1]

    yield one
    for sandbox in made:
        sandbox.close()


@pytest.fixture
def sandbox(make: Callable[..., Sandbox]) -> Sandbox:
    return make()


@pytest.fixture
def make_async(how: dict[str, Any], workspace: Path) -> Callable[..., AsyncSandbox]:
    """Makes asynchronous sandboxes with these arguments; who makes one closes it."""

    def one(**given: Any) -> AsyncSandbox:
        return AsyncSandbox(**{"workspace": workspace, **how, **given})

    return one


@pytest.fixture
def descriptors() -> Iterator[None]:
    """Fails the test when it leaves a descriptor open."""
    gc.collect()  # what earlier tests left to be collected is not this one's to close
    before = open_descriptors()
    yield
    left = {fd: name for fd, name in open_descriptors().items() if before.get(fd) != name}
    assert not left


def open_descriptors() -> dict[str, str]:
    found = {}
    for fd in os.listdir("/proc/self/fd"):
        try:
            found[fd] = os.readlink(f"/proc/self/fd/{fd}")
        except FileNotFoundError:
            continue
    return found
