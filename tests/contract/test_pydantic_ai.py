"""The conformance suite that pydantic-ai ships for workspace backends, run against a thin adapter of ours.

Knows: pydantic-ai's workspace protocols.  Must not know: how a sandbox is made.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sidewall import AsyncSandbox, CellGone, TimeoutExpired

pytest.importorskip("pydantic_ai.workspaces.conformance", reason="pydantic-ai-slim is not installed")

from pydantic_ai.workspaces.conformance import WorkspaceBackendSuite
from pydantic_ai.workspaces.protocol import (
    CommandResult,
    FileEntry,
    WorkspaceBackend,
    WorkspaceOutputLimitError,
    WorkspaceRef,
    WorkspaceTimeoutError,
    WorkspaceUnavailableError,
)

OPEN: dict[str, AsyncSandbox] = {}


class Adapter:
    """A sandbox as a workspace backend.  ``ref`` names the sandbox while it is open in this process."""

    def __init__(self, options: dict[str, Any], ref: WorkspaceRef | None = None) -> None:
        self.ref = ref
        self._options = options

    async def sandbox(self) -> AsyncSandbox:
        if self.ref is None:
            identity = uuid.uuid4().hex
            OPEN[identity] = AsyncSandbox(**self._options)
            self.ref = WorkspaceRef(provider="sidewall", id=identity)
        try:
            found = OPEN[self.ref.id]
            await found.open()
        except (KeyError, CellGone) as error:
            raise WorkspaceUnavailableError(str(error)) from error
        return found

    async def working_dir(self) -> str:
        return (await self.sandbox()).policy.workspace

    async def run(self, command: str | Sequence[str], *, shell: bool = False, env: Mapping[str, str] | None = None,
                  timeout: float | None = None) -> CommandResult:
        if isinstance(command, str) is not shell:
            raise TypeError("a string needs shell=True, an argument vector needs shell=False")
        sandbox = await self.sandbox()
        environ = {**await sandbox.environment(), **env} if env else None
        try:
            done = await sandbox.run(command, shell=shell, env=environ, timeout=timeout, capture_output=True,
                                     text=True)
        except TimeoutExpired as error:
            raise WorkspaceTimeoutError(str(error), stdout=error.output, stderr=error.stderr) from error
        except FileNotFoundError as error:
            return CommandResult(exit_code=127, stdout="", stderr=str(error))
        except PermissionError as error:
            return CommandResult(exit_code=126, stdout="", stderr=str(error))
        except CellGone as error:
            raise WorkspaceUnavailableError(str(error)) from error
        if done.truncated:
            raise WorkspaceOutputLimitError("too much output", limit=sandbox.policy.limits.output_bytes)
        return CommandResult(exit_code=done.exit_code, stdout=done.stdout, stderr=done.stderr)

    async def read_bytes(self, path: str) -> bytes:
        return await (await self.sandbox()).read_bytes(path)

    async def write_bytes(self, path: str, data: bytes) -> None:
        await (await self.sandbox()).write_bytes(path, data)

    async def stat(self, path: str) -> FileEntry:
        found = await (await self.sandbox()).stat(path)
        return FileEntry(name=found.name, path=found.path, is_dir=found.is_dir, size=found.size)

    async def list_dir(self, path: str) -> list[FileEntry]:
        sandbox = await self.sandbox()
        entries = []
        for found in await sandbox.list(path):
            if found.kind == "link":
                try:
                    found = (await sandbox.stat(found.path)).replace(name=found.name)
                except OSError:
                    found = found.replace(kind="other")
            entries.append(FileEntry(name=found.name, path=found.path, is_dir=found.is_dir, size=None))
        return entries

    async def make_dir(self, path: str) -> None:
        await (await self.sandbox()).mkdir(path)

    async def remove(self, path: str) -> None:
        await (await self.sandbox()).remove(path)

    async def exists(self, path: str) -> bool:
        return await (await self.sandbox()).exists(path)

    async def realpath(self, path: str) -> str:
        return await (await self.sandbox()).realpath(path)


class TestPydanticAi(WorkspaceBackendSuite):
    """Every rule of the contract, the ones about attaching and destroying too."""

    @pytest.fixture
    def anyio_backend(self) -> str:
        return "asyncio"

    @pytest.fixture
    async def fresh_backend(self, how: dict[str, Any],
                            workspace: Path) -> AsyncIterator[Callable[[], WorkspaceBackend]]:
        yield lambda: Adapter({"workspace": workspace, **how})
        while OPEN:
            await OPEN.popitem()[1].close()

    @pytest.fixture
    def backend(self, fresh_backend: Callable[[], WorkspaceBackend]) -> WorkspaceBackend:
        return fresh_backend()

    @pytest.fixture
    def attach_backend(self) -> Callable[[WorkspaceRef], WorkspaceBackend]:
        return lambda ref: Adapter({}, ref)

    @pytest.fixture
    def destroy_environment(self) -> Callable[[WorkspaceBackend], Awaitable[None]]:
        async def destroy(backend: WorkspaceBackend) -> None:
            assert backend.ref is not None
            await OPEN[backend.ref.id].close()

        return destroy
