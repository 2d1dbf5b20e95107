"""One call of ``run``: from its arguments to a started command, and from its end to its result.

Knows: the rules for combining arguments, as ``subprocess.run`` has them.  Must not know: how waiting is done; the
synchronous and the asynchronous sandbox both start from here and differ only in that.
"""

from __future__ import annotations

import time

from sidewall.platforms.contract import Exit
from sidewall.session import changes, command, outcome
from sidewall.session.started import KILL
from sidewall.session.streams import PIPE, Feed, Sink, Stdio
from sidewall.session.types import CalledProcessError, Completed, TimeoutExpired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.opening import Opening
    from sidewall.session.streams import Stream
UNKNOWN = Exit(returncode=0)
GRACE = 10.0
"""Seconds that killed processes get to be gone, before the call returns without having seen their end."""


class Call:
    """A command that is about to run, runs, or has run.  Made by ``run``; then ``start``, wait, ``finish``.

    ``deadline`` is monotonic, from the call's time-out or the policy's wall time, whichever is first; ``expired`` is
    set by whoever waits when the deadline came first.  What need not be ready before the command starts is made while
    it runs, on the other processor, and next to nothing is left for after its end.
    """

    __slots__ = ("_before", "_cell", "_number", "_opening", "_result", "_stdio", "_text", "_timeout", "child", "cwd",
                 "deadline", "err", "expired", "feed", "out", "sinks")

    def __init__(self, opening: Opening, args: Arguments, *, cwd: PathLike | None,
                 env: Mapping[str, str] | Mapping[bytes, bytes] | None, input: Any, stdin: Stream, stdout: Stream,
                 stderr: Stream, capture_output: bool, text: bool | None, encoding: str | None, errors: str | None,
                 timeout: float | None, output_limit: int | None, shell: bool, track_changes: bool,
                 confirm: bool = True) -> None:
        """Checks the arguments and starts the command.  Without ``confirm`` a start that fails shows at the first
        ``child.wait``: nobody is woken for one that succeeds.

        Raises:
            ValueError, TypeError: the arguments do not go together.
            FileNotFoundError, PermissionError, NotADirectoryError, OSError, CellGone: as ``Cell.spawn`` does.
        """
        if input is not None:
            if stdin is not None:
                raise ValueError("stdin and input arguments may not both be used.")
            stdin = PIPE
        if capture_output:
            if stdout is not None or stderr is not None:
                raise ValueError("stdout and stderr arguments may not be used with capture_output.")
            stdout = stderr = PIPE
        self._text = outcome.text_mode(text, encoding, errors)
        data = b"" if input is None else outcome.encode(input, self._text)
        words = command.vector(args, shell=shell)
        self._cell = cell = opening.ready()
        self._opening = opening
        policy = opening.policy
        self.cwd = None if cwd is None else command.directory(cwd, policy.workspace)
        environ = opening.environment if env is None else command.environment(env)
        self._before = changes.scan(policy.workspace) if track_changes else None
        self._stdio = stdio = Stdio(stdin, stdout, stderr, opening.null)
        self.feed: Feed | None = None
        started = time.monotonic()
        try:
            if stdio.stdin >= 0:
                feed = Feed(stdio.stdin, data)
                stdio.stdin = -1
                if feed.write():
                    self.feed = feed
            first, second, third = stdio.child
            # The audit trail says of a command that it started, so it must know.
            self.child = cell.spawn(words, cwd=self.cwd, env=environ, stdin=first, stdout=second, stderr=third,
                                    confirm=confirm or opening.trail is not None)
        except BaseException:
            if self.feed is not None:
                self.feed.close()
            stdio.close()
            raise
        stdio.spawned()
        limits = policy.limits
        self._timeout = timeout
        self.expired = False
        self.deadline: float | None = None
        if timeout is not None or limits.wall_seconds:
            wall = limits.wall_seconds or timeout or 0.0
            self.deadline = started + (wall if timeout is None else min(timeout, wall))
            if timeout is not None and timeout > wall:
                self._timeout = None  # the policy's bound comes first, and gives a result
        self.out = self.err = None
        self.sinks: list[Sink] = []
        if stdio.stdout >= 0:
            self.out = Sink(stdio.stdout, limit(limits.output_bytes, output_limit))
            self.sinks.append(self.out)
        if stdio.stderr >= 0:
            self.err = Sink(stdio.stderr, limit(limits.output_bytes, output_limit))
            self.sinks.append(self.err)
        self._result = Completed(args, 0, guarantees=opening.guarantees, duration=started, usage=UNKNOWN,
                                 session_id=opening.session_id)
        self._number = 0
        if opening.trail is not None:
            try:
                self._number = opening.trail.started(words)
            except BaseException:
                self.kill()
                self.reap(GRACE)
                self.release()
                raise

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

    def finish(self, end: Exit | None, *, check: bool) -> Completed:
        """The result of a command that has ended (None: it was killed, and its end was not seen).

        Raises:
            TimeoutExpired: the call's own ``timeout`` passed.
            CalledProcessError: ``check`` was asked for and the return code is not 0.
            MachineError: the trusted side could not settle, or the audit log not be written; ``completed`` of the
                error is the result all the same.
        """
        try:
            if end is None:
                # It holds out against its end, or keeps init from seeing to it: the cell's end is out of its reach.
                self._opening.kill()
            result = self._finished(end or Exit(returncode=-KILL))
        except Exception as error:
            error.completed = self._result  # type: ignore[attr-defined]  # so that no output is lost
            raise
        if self.expired and self._timeout is not None:
            raise TimeoutExpired(result.args, self._timeout, result.stdout, result.stderr, completed=result)
        if check and result.returncode:
            raise CalledProcessError(result)
        return result

    def _finished(self, end: Exit) -> Completed:
        result, out, err = self._result, self.out, self.err
        result.duration = time.monotonic() - result.duration
        result.returncode = end.returncode
        result.usage = end
        result.timed_out = self.expired
        if out is not None:
            result.stdout = outcome.decode(out.value(), self._text)
            result.truncated = out.truncated
        if err is not None:
            result.stderr = outcome.decode(err.value(), self._text)
            result.truncated |= err.truncated
        result.changes, attempts = outcome.settle(self._cell)
        if self._before is not None:
            after = changes.scan(self._opening.policy.workspace)
            result.changes = changes.difference(self._before, after) + result.changes
        if end.returncode:
            streams = [None if sink is None else sink.value() for sink in (out, err)]
            result.denials = outcome.explain(self._opening, end.returncode, attempts, self.cwd, *streams)
        if self._opening.trail is not None:
            self._opening.trail.ended(self._number, end.returncode, result.duration, timed_out=self.expired,
                                      denials=result.denials)
        return result


def limit(policy: int, call: int | None) -> int:
    """The smaller of two limits, where 0 and None mean no limit."""
    return min(policy, call) if policy and call else policy or call or 0
