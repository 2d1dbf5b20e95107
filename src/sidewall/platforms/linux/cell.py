"""The owner's handle on a cell: start commands, settle, close.

Knows: the two sockets to the cell, init's reply to a start, the carry-over after a command.
Must not know: how the cell was built, what becomes of a command (``child``), or what a session makes of it.
Safe to use from several threads: each command has a status descriptor of its own, so no thread reads for another.
"""

from __future__ import annotations

import _socket
import _thread
import os
import time

from sidewall.errors import CellGone
from sidewall.platforms.contract import Attempt, Held
from sidewall.platforms.linux import spare as spares
from sidewall.platforms.linux import wire
from sidewall.platforms.linux.child import GONE, TERMINAL, LinuxChild, not_started, resize

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sidewall.plan.steps import Plan
    from sidewall.platforms.linux.gitcarry import GitCarry
    from sidewall.platforms.linux.watch import Watcher

_MOST_IDLE = 64
_AGAIN_SECONDS = 0.02
"""Not more often is it asked whether anything runs, unless the commands have ended that ran when it was asked."""


class LinuxCell:
    """See ``contract.Cell``."""

    def __init__(self, plan: Plan, spare: spares.Spare, carries: tuple[GitCarry, ...], watcher: Watcher | None,
                 environment: dict[bytes, bytes], *, root_fd: int) -> None:
        self.plan = plan
        self.environment: Mapping[bytes, bytes] = environment
        self._spare = spare
        self._control = spare.control
        self._administration = spare.administration
        self._carries = carries
        self._watcher = watcher
        self.root_fd = root_fd
        self._terminals = root_fd >= 0
        self._token = 0
        self.running: set[int] = set()
        self._idle: list[tuple[int, int]] = []
        self._sent: Mapping[bytes, bytes] | None = None
        self._sending = _thread.allocate_lock()
        self._closed = False
        self._workspace = os.fsencode(plan.policy.workspace)
        self._settling = _thread.allocate_lock()
        self._closing = _thread.allocate_lock()
        self._notes: list[Held] = []
        self._not_before, self._refused = 0.0, False

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes],
              stdin: int, stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> LinuxChild:
        """See ``contract.Cell.spawn``."""
        arguments = [os.fsencode(argument) for argument in argv]
        directory = self._workspace if cwd is None else os.path.join(self._workspace, os.fsencode(cwd))
        if not arguments:
            raise ValueError("argv is empty")
        if b"\0" in directory or b"\0" in b"".join(arguments):
            raise ValueError("embedded null byte")
        for carry in self._carries:
            if carry.stale():
                self._freshen()
                break
        if terminal is not None:
            return self._spawn_on_terminal(arguments, directory, env, terminal)
        try:
            channel, status = self._idle.pop()
            descriptors: tuple[int, ...] = (stdin, stdout, stderr)
            remote = -1
        except IndexError:
            status, remote = _pair()
            channel = status
            descriptors = (stdin, stdout, stderr, remote)
        try:
            token = self._start(channel, arguments, directory, env, None, confirm, descriptors)
        except BaseException:
            os.close(status)
            raise
        finally:
            if remote >= 0:
                os.close(remote)
        names = (arguments[0], directory)
        if not confirm:
            return LinuxChild(self, token, 0, channel, status, -1, names)
        pid = self._started(token, os.read(status, wire.REPLY.size), channel, status, names)
        return LinuxChild(self, token, pid, channel, status, -1, names)

    def _spawn_on_terminal(self, arguments: list[bytes], directory: bytes, env: Mapping[bytes, bytes],
                           size: tuple[int, int]) -> LinuxChild:
        """With a terminal of the cell's own; without mounts, where the cell has none, with one of the host's."""
        status, remote = _pair()
        descriptors: tuple[int, ...] = (remote,)
        master = slave = -1
        if not self._terminals:
            master, slave = os.openpty()
            resize(master, size)
            descriptors = (slave, slave, slave, remote)
        try:
            inside = size if self._terminals else None
            token = self._start(TERMINAL, arguments, directory, env, inside, True, descriptors)
        except BaseException:
            for descriptor in (status, master):
                if descriptor >= 0:
                    os.close(descriptor)
            raise
        finally:
            for descriptor in (remote, slave):
                if descriptor >= 0:
                    os.close(descriptor)
        names = (arguments[0], directory)
        answer, received = _receive_master(status)
        try:
            pid = self._started(token, answer, TERMINAL, status, names)
        except BaseException:
            if master >= 0:
                os.close(master)
            raise
        return LinuxChild(self, token, pid, TERMINAL, status, received if received >= 0 else master, names)

    def _start(self, channel: int, arguments: list[bytes], directory: bytes, env: Mapping[bytes, bytes],
               size: tuple[int, int] | None, confirm: bool, descriptors: tuple[int, ...]) -> int:
        with self._sending:
            self._token = token = self._token + 1
            # A session gives the same mapping again and again: init keeps the last one.
            known = None if env is self._sent else _checked(env)
            self.tell(("start", token, channel, arguments, known, directory, size, confirm), descriptors)
            self.running.add(token)
            self._sent = env
        return token

    def _started(self, token: int, answer: bytes, channel: int, status: int, names: tuple[bytes, bytes]) -> int:
        """The pid inside.  Raises what the start failed with, or CellGone."""
        if len(answer) != wire.REPLY.size:
            self.running.discard(token)
            os.close(status)
            raise CellGone(GONE, hint="open a new one")
        kind, value, which = wire.REPLY.unpack(answer)[:3]
        if kind != wire.STARTED:
            self.running.discard(token)
            self.release(channel if value != wire.EMFILE else TERMINAL, status)
            raise not_started(value, names[which])
        return int(value)

    def release(self, channel: int, status: int) -> None:
        """Takes back a status descriptor; one on which nothing more will be said serves the next command."""
        if channel == TERMINAL or len(self._idle) >= _MOST_IDLE or self._closed:
            os.close(status)
        else:
            self._idle.append((channel, status))

    def tell(self, request: tuple[Any, ...], descriptors: tuple[int, ...]) -> None:
        """One request to init.  Raises CellGone."""
        try:
            wire.send_request(self._control, request, descriptors)
        except OSError as error:
            if self._closed or error.errno in (32, 104, 107):
                raise CellGone(GONE, hint="open a new one") from None
            raise

    def _freshen(self) -> None:
        """Before a command: shows git inside what the user did in git directories meanwhile, unless something runs in
        the cell: its files would change under it.  Then that is for a later command."""
        ended = self._refused and not self.running
        if time.monotonic() < self._not_before and not ended:
            return
        with self._settling, self._sending:
            # Nobody can start anything until this is done.
            if self._token and not wire.is_calm(self._control):
                self._refused = bool(self.running)
                self._not_before = time.monotonic() + _AGAIN_SECONDS
                return
            for carry in self._carries:
                if carry.stale():
                    self._notes += carry.refresh(seen=self._token > 0)

    def settle(self) -> tuple[Held, ...]:
        """See ``contract.Cell.settle``."""
        if not self._carries and self._watcher is None:
            return ()
        with self._settling:
            found, self._notes = self._notes, []
            for carry in self._carries:
                if carry.dirty():
                    found += carry.settle()
            watcher = self._watcher
            if watcher is not None:
                if watcher.each:
                    found += watcher.compare()
                if watcher.due() and watcher.look():
                    with self._sending:
                        found += watcher.deal(calm=not self.running and wire.is_calm(self._control))
            return tuple(found)

    def attempts(self) -> tuple[Attempt, ...]:
        """See ``contract.Cell.attempts``."""
        found: list[Attempt] = []
        while len(found) < 1000:
            try:
                data = self._administration.recv(8192, _socket.MSG_DONTWAIT)
            except OSError:
                break
            if not data:
                break
            kind, attempt, target = data.decode("utf-8", "surrogateescape").partition("\0")
            if attempt:
                found.append(Attempt(kind=kind, target=target))
        return tuple(found)

    def close(self) -> None:
        """See ``contract.Cell.close``."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            if os.getpid() != self._spare.owner:
                # A forked copy of the owner: the cell is not its to end.
                self._control.close()
                self._administration.close()
                return
            # First every process ends, then what they left is looked at: nothing can change meanwhile.
            self._control.shutdown(_socket.SHUT_RDWR)
            self._control.close()
            self._say(b"end")
            for carry in self._carries:
                carry.let_go()
            if self._watcher is not None:
                self._watcher.get_ready()
            self._hear(b"dead")
            self.last_held = self._settle_finally()
            self._say(b"settled")
            self._hear(b"clean")
            self._administration.close()
            for _channel, status in self._idle:
                os.close(status)
            self._idle.clear()
            if self.root_fd >= 0:
                os.close(self.root_fd)
                self.root_fd = -1
            spares.reap(self._spare.pid)

    last_held: tuple[Held, ...] = ()
    """What ``close`` carried over, put back or kept back."""

    def _say(self, word: bytes) -> None:
        """Tells the keeper something; that it has ended meanwhile is no error."""
        try:
            self._administration.send(word)
        except OSError:
            return

    def _hear(self, word: bytes) -> None:
        """Waits for the keeper's word; its end is an answer too."""
        self._administration.settimeout(10.0)
        try:
            while self._administration.recv(8192) not in (word, b""):
                continue
        except OSError:
            return

    def _settle_finally(self) -> tuple[Held, ...]:
        found, self._notes = self._notes, []
        for carry in self._carries:
            found += carry.settle()
            carry.close()
        if self._watcher is not None:
            found += self._watcher.compare(final=True)
            self._watcher.close()
        return tuple(found)

    def __del__(self) -> None:
        if not self._closed:
            try:
                self.close()
            except Exception:
                return


def _checked(env: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    known = dict(env)
    if any(not name or b"=" in name for name in known):
        raise ValueError("illegal environment variable name")
    if b"\0" in b"".join(known) or b"\0" in b"".join(known.values()):
        raise ValueError("embedded null byte")
    return known


def _pair() -> tuple[int, int]:
    """The two ends of a command's status: messages keep their bounds, and can be looked at before they are taken."""
    mine, theirs = wire.pair()
    return mine.detach(), theirs.detach()


def _receive_master(status: int) -> tuple[bytes, int]:
    answer = _socket.socket(fileno=status)
    try:
        data, descriptors = wire.receive(answer, wire.REPLY.size)
    finally:
        answer.detach()
    return data, descriptors[0] if descriptors else -1
