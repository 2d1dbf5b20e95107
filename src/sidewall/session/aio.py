"""``AsyncSandbox``: the host's handle on one cell, for asyncio.

Knows: an event loop's way to wait.  Must not know: any platform.  Only this file and ``flows`` import asyncio.
What blocks for longer than a short message (opening, settling, files) is done in the loop's own executor; waiting and
streaming are done by readiness callbacks, without a thread.
"""

from __future__ import annotations

import asyncio
import functools
import os
import time

from sidewall.platforms.contract import Exit
from sidewall.session import streams, terminal
from sidewall.session.calls import GRACE, Call
from sidewall.session.flows import AsyncPump, Inflow, Outflow
from sidewall.session.loops import readiness
from sidewall.session.sandbox import Sandbox
from sidewall.session.started import KILL, Started
from sidewall.session.streams import CHUNK, DRAIN, Sink

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Any, ParamSpec, Self, TypeVar

    from sidewall.plan.guarantees import Guarantee
    from sidewall.policy.model import Limits, Policy
    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.files import FileStatus
    from sidewall.session.opening import Opener, Opening
    from sidewall.session.streams import Stream
    from sidewall.session.types import Completed

    P = ParamSpec("P")
    T = TypeVar("T")


async def _aside(function: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(function, *args, **options))


class AsyncSandbox:
    """``Sandbox`` for asyncio: the same arguments, the same methods awaited, the same errors.

    Cancelling a task that is in ``run`` ends the command and all that it has started.  One sandbox may be used by many
    tasks, and by tasks of several event loops.
    """

    def __init__(self, policy: Policy | str | os.PathLike[str] | None = None, *,
                 workspace: str | os.PathLike[str] | None = None, profile: str | None = None,
                 write: Iterable[str | os.PathLike[str]] = (), read: Iterable[str | os.PathLike[str]] = (),
                 deny: Iterable[str | os.PathLike[str]] = (), require: str | Iterable[str] | None = None,
                 network: str | None = None, environ: Mapping[str, str] | None = None, limits: Limits | None = None,
                 tier: str = "auto", audit: bool | str | os.PathLike[str] = False,
                 opener: Opener | None = None) -> None:
        self._sandbox = Sandbox(policy, workspace=workspace, profile=profile, write=write, read=read, deny=deny,
                                require=require, network=network, environ=environ, limits=limits, tier=tier,
                                audit=audit, opener=opener)
        self._opening: Opening = self._sandbox._opening

    @property
    def policy(self) -> Policy:
        """The policy in force; reads configuration files when first asked.  Raises PolicyError."""
        return self._sandbox.policy

    async def open(self) -> tuple[Guarantee, ...]:
        """Opens it, if it is not open, and says what it promises on this machine."""
        if self._opening.cell is None:
            await _aside(self._opening.ready)
        return self._opening.guarantees

    async def environment(self) -> dict[str, str]:
        """A copy of the variables that a command without ``env`` gets."""
        await self.open()
        return self._sandbox.environment

    async def describe(self) -> dict[str, Any]:
        """See ``Sandbox.describe``."""
        await self.open()
        return self._sandbox.describe()

    async def run(self, args: Arguments, *, cwd: PathLike | None = None,
                  env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, input: Any = None,
                  stdin: Stream = None, stdout: Stream = None, stderr: Stream = None, capture_output: bool = False,
                  text: bool | None = None, encoding: str | None = None, errors: str | None = None,
                  timeout: float | None = None, check: bool = False, output_limit: int | None = None,
                  shell: bool = False, track_changes: bool = False) -> Completed:
        """Runs a command to its end; see ``Sandbox.run``."""
        await self.open()
        make = functools.partial(
            Call, self._opening, args, cwd=cwd, env=env, input=input, stdin=stdin, stdout=stdout, stderr=stderr,
            capture_output=capture_output, text=text, encoding=encoding, errors=errors, timeout=timeout,
            output_limit=output_limit, shell=shell, track_changes=track_changes)
        call = await _aside(make) if track_changes else make()
        child = call.child
        loop = asyncio.get_running_loop()
        try:
            left = None if call.deadline is None else call.deadline - time.monotonic()
            if not await self._pumped(loop, call, left):
                call.expired = True
                call.kill()
                await self._pumped(loop, call, GRACE)
            end = child.wait(0.0)
        except BaseException:
            call.kill()
            await _see_end(loop, call)
            call.reap(0.0)
            raise
        finally:
            call.release()
        return await _aside(call.finish, end, check=check)

    async def _pumped(self, loop: asyncio.AbstractEventLoop, call: Call, seconds: float | None) -> bool:
        pump = AsyncPump(loop, call.child, call.sinks, None if call.expired else call.feed, seconds)
        try:
            return await pump.done
        finally:
            pump.stop()

    async def start(self, args: Arguments, *, cwd: PathLike | None = None,
                    env: Mapping[str, str] | Mapping[bytes, bytes] | None = None, stdin: Stream = None,
                    stdout: Stream = streams.PIPE, stderr: Stream = streams.PIPE, shell: bool = False,
                    tty: bool | tuple[int, int] = False) -> AsyncProcess:
        """Starts a command and returns while it runs; see ``Sandbox.start``.  Its streams carry bytes."""
        await self.open()
        return AsyncProcess(asyncio.get_running_loop(), self._opening, args, cwd=cwd, env=env, stdin=stdin,
                            stdout=stdout, stderr=stderr, shell=shell, tty=tty)

    async def read_bytes(self, path: PathLike) -> bytes:
        """See ``Sandbox.read_bytes``."""
        return await _aside(self._sandbox.read_bytes, path)

    async def write_bytes(self, path: PathLike, data: bytes) -> None:
        """See ``Sandbox.write_bytes``."""
        await _aside(self._sandbox.write_bytes, path, data)

    async def stat(self, path: PathLike, *, follow: bool = True) -> FileStatus:
        """See ``Sandbox.stat``."""
        return await _aside(self._sandbox.stat, path, follow=follow)

    async def list(self, path: PathLike = ".") -> tuple[FileStatus, ...]:
        """See ``Sandbox.list``."""
        return await _aside(self._sandbox.list, path)

    async def exists(self, path: PathLike) -> bool:
        """See ``Sandbox.exists``."""
        return await _aside(self._sandbox.exists, path)

    async def mkdir(self, path: PathLike, *, parents: bool = True, exist_ok: bool = True) -> None:
        """See ``Sandbox.mkdir``."""
        await _aside(self._sandbox.mkdir, path, parents=parents, exist_ok=exist_ok)

    async def remove(self, path: PathLike) -> None:
        """See ``Sandbox.remove``."""
        await _aside(self._sandbox.remove, path)

    async def realpath(self, path: PathLike) -> str:
        """See ``Sandbox.realpath``."""
        return await _aside(self._sandbox.realpath, path)

    async def kill(self) -> None:
        """See ``Sandbox.kill``."""
        await _aside(self._opening.kill)

    async def close(self) -> None:
        """See ``Sandbox.close``."""
        await _aside(self._opening.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None,
                        trace: TracebackType | None) -> None:
        await asyncio.shield(self.close())


class AsyncProcess(Started):
    """A started command, as ``asyncio.subprocess.Process``; made by ``AsyncSandbox.start``.

    ``stdin`` (a writer), ``stdout`` and ``stderr`` (``asyncio.StreamReader``) or None; ``pid`` inside the cell;
    ``returncode``, which follows by itself; after the end ``usage``, ``changes``, ``denials``.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, opening: Opening, args: Arguments, *, cwd: PathLike | None,
                 env: Mapping[str, str] | Mapping[bytes, bytes] | None, stdin: Stream, stdout: Stream, stderr: Stream,
                 shell: bool, tty: bool | tuple[int, int]) -> None:
        super().__init__(opening, args, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, shell=shell,
                         tty=tty)
        first, second, third = self._ends
        self.stdin = Outflow(loop, first) if first >= 0 else None
        self.stdout = asyncio.StreamReader(loop=loop) if second >= 0 else None
        self.stderr = asyncio.StreamReader(loop=loop) if third >= 0 else None
        self._inflows = [Inflow(loop, fd, reader) for fd, reader in ((second, self.stdout), (third, self.stderr))
                         if reader is not None]
        self._loop = loop
        self._exit: asyncio.Future[int] = loop.create_future()
        wall = opening.policy.limits.wall_seconds
        self._timer = loop.call_later(wall, self.kill) if wall else None
        self._status = os.dup(self._child.status_fd)
        readiness(loop).add_reader(self._status, self._has_ended)

    def _has_ended(self) -> None:
        readiness(self._loop).remove_reader(self._status)
        os.close(self._status)
        if self._timer is not None:
            self._timer.cancel()
        settled = self._loop.run_in_executor(None, self._see_end)
        settled.add_done_callback(self._tell)

    def _see_end(self) -> int:
        try:
            end = self._child.wait(0.0) or Exit(returncode=-KILL)
        finally:
            self._child.close()
        self._finish(end)
        return end.returncode

    def _tell(self, settled: asyncio.Future[int]) -> None:
        if not self._exit.done():
            error = None if settled.cancelled() else settled.exception()
            if error is not None:
                self._exit.set_exception(error)
                self._exit.exception()  # who does not wait need not hear of it
            elif not settled.cancelled():
                self._exit.set_result(settled.result())

    async def wait(self) -> int:
        """Waits for the end; the return code.  Raises CellGone when the sandbox was closed meanwhile."""
        return await asyncio.shield(self._exit)

    async def communicate(self, input: bytes | None = None) -> tuple[bytes | None, bytes | None]:
        """Sends ``input``, reads both outputs to the end, waits; each output is capped by the policy's limit."""
        limit = self._opening.policy.limits.output_bytes
        sinks = [None if reader is None else Sink(-1, limit) for reader in (self.stdout, self.stderr)]
        reading = [asyncio.ensure_future(_collect(reader, sink))
                   for reader, sink in zip((self.stdout, self.stderr), sinks, strict=True)
                   if reader is not None and sink is not None]
        try:
            if self.stdin is not None:
                if input:
                    self.stdin.write(input)
                if not self._on_terminal:
                    self.stdin.close()
                elif input is not None:
                    self.stdin.write(terminal.END_OF_FILE)
            await self.wait()
            if reading:
                await asyncio.wait(reading, timeout=DRAIN)
        finally:
            for task in reading:
                task.cancel()
        for inflow in self._inflows:
            fd = inflow.detach()
            if fd >= 0:
                self._opening.leftovers.adopt(fd)
        if self.stdin is not None:
            self.stdin.abandon()
        values = [None if sink is None else sink.value() for sink in sinks]
        self._explain(*values)
        return values[0], values[1]

    def close(self) -> None:
        """Gives back the streams; the command goes on.  Idempotent."""
        for inflow in self._inflows:
            inflow.close()
        if self.stdin is not None:
            self.stdin.abandon()


async def _collect(reader: asyncio.StreamReader, sink: Sink) -> None:
    while data := await reader.read(CHUNK):
        sink.add(data)


async def _see_end(loop: asyncio.AbstractEventLoop, call: Call) -> None:
    """Waits, whoever cancels meanwhile, until a killed command is gone; ``GRACE`` seconds at most."""
    pump = AsyncPump(loop, call.child, [], None, GRACE)
    try:
        while not pump.done.done():
            try:
                await asyncio.shield(pump.done)
            except asyncio.CancelledError:
                continue
    finally:
        pump.stop()


for _public in (AsyncSandbox, AsyncProcess):
    _public.__module__ = "sidewall"
