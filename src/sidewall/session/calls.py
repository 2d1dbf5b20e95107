"""One call of ``run``: its arguments checked and made ready, before any process is there.

Knows: the rules for combining arguments, as ``subprocess.run`` has them.  Must not know: how waiting is done; the
synchronous and the asynchronous sandbox both start from here and differ only in that.
"""

from __future__ import annotations

import time

from sidewall.session import changes, command, outcome
from sidewall.session.started import KILL
from sidewall.session.streams import PIPE, Feed, Sink, Stdio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.platforms.contract import Child, Exit
    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.opening import Opening
    from sidewall.session.streams import Stream
    from sidewall.session.types import Completed

GRACE = 10.0
"""Seconds that killed processes get to be gone, before the call returns without having seen their end."""


class Call:
    """A command that is about to run, runs, or has run.  Made by ``run``; then ``start``, wait, ``finish``.

    ``deadline`` is monotonic, from the call's time-out or the policy's wall time, whichever is first; ``expired`` is
    set by whoever waits when the deadline came first.
    """

    __slots__ = ("_before", "_cell", "_opening", "_stdio", "_timeout", "args", "child", "cwd", "deadline", "environ",
                 "err", "expired", "feed", "out", "sinks", "started", "text", "words")

    def __init__(self, opening: Opening, args: Arguments, *, cwd: PathLike | None,
                 env: Mapping[str, str] | Mapping[bytes, bytes] | None, input: Any, stdin: Stream, stdout: Stream,
                 stderr: Stream, capture_output: bool, text: bool | None, encoding: str | None, errors: str | None,
                 timeout: float | None, output_limit: int | None, shell: bool, track_changes: bool) -> None:
        if input is not None:
            if stdin is not None:
                raise ValueError("stdin and input arguments may not both be used.")
            stdin = PIPE
        if capture_output:
            if stdout is not None or stderr is not None:
                raise ValueError("stdout and stderr arguments may not be used with capture_output.")
            stdout = stderr = PIPE
        self.args = args
        self.text = outcome.text_mode(text, encoding, errors)
        data = b"" if input is None else outcome.encode(input, self.text)
        self.words = command.vector(args, shell=shell)
        self._cell = opening.ready()
        policy = opening.policy
        self.cwd = command.directory(cwd, policy.workspace)
        self.environ = opening.environment if env is None else command.environment(env)
        self._opening = opening
        self._timeout = timeout
        self._before = changes.scan(policy.workspace) if track_changes else None
        self.expired = False
        self.child: Child
        self.feed: Feed | None = None
        self.out: Sink | None = None
        self.err: Sink | None = None
        self.sinks: list[Sink] = []
        self._stdio = Stdio(stdin, stdout, stderr, opening.null)
        if self._stdio.stdout >= 0:
            self.out = Sink(self._stdio.stdout, limit(policy.limits.output_bytes, output_limit))
            self.sinks.append(self.out)
        if self._stdio.stderr >= 0:
            self.err = Sink(self._stdio.stderr, limit(policy.limits.output_bytes, output_limit))
            self.sinks.append(self.err)
        if self._stdio.stdin >= 0:
            feed = Feed(self._stdio.stdin, data)
            self._stdio.stdin = -1
            if feed.write():
                self.feed = feed
        self.started = time.monotonic()
        wall = policy.limits.wall_seconds or None
        bounds = [bound for bound in (timeout, wall) if bound is not None]
        self.deadline = self.started + min(bounds) if bounds else None

    def start(self) -> Child:
        """Starts the command.  Raises FileNotFoundError, PermissionError, NotADirectoryError, OSError, CellGone."""
        first, second, third = self._stdio.child
        try:
            self.child = self._cell.spawn(self.words, cwd=self.cwd, env=self.environ, stdin=first, stdout=second,
                                          stderr=third)
        except BaseException:
            if self.feed is not None:
                self.feed.close()
            self._stdio.close()
            raise
        self._stdio.spawned()
        return self.child

    def kill(self) -> None:
        """Ends the command and all that it has started; no error if the cell is gone."""
        try:
            self.child.signal(KILL, tree=True)
        except Exception:  # the cell's end is the command's end
            pass

    def reap(self, timeout: float) -> None:
        """Sees the end of a killed command, whose result nobody wants; no error if the cell is gone."""
        try:
            self.child.wait(timeout)
        except Exception:  # as above
            pass

    def release(self) -> None:
        """Gives back descriptors; a pipe that a background process still holds is read on elsewhere."""
        if self.feed is not None:
            self.feed.close()
        for sink in self.sinks:
            self._opening.leftovers.adopt(sink.fd)
            self._stdio.forget(sink.fd)
        self._stdio.close()
        self.child.close()

    def finish(self, end: Exit, *, check: bool) -> Completed:
        """The result.  Raises TimeoutExpired, CalledProcessError, MachineError."""
        out, err = self.out, self.err
        truncated = (out is not None and out.truncated) or (err is not None and err.truncated)
        result = outcome.completed(
            self._opening, self._cell, self.args, end, cwd=self.cwd,
            out=None if out is None else out.value(), err=None if err is None else err.value(), text=self.text,
            timed_out=self.expired, truncated=truncated, started=self.started, before=self._before)
        mine = self._timeout is not None and self.deadline == self.started + self._timeout
        return outcome.delivered(result, check=check, timeout=self._timeout, expired=self.expired and mine)


def limit(policy: int, call: int | None) -> int:
    """The smaller of two limits, where 0 and None mean no limit."""
    return min(policy, call) if policy and call else policy or call or 0
