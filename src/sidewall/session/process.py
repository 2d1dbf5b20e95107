"""A command that runs while the caller does other things, for code that blocks.

Knows: the methods of ``subprocess.Popen``.  Must not know: any platform's way to start or wait.
"""

from __future__ import annotations

import io
import os
import threading
import time

from sidewall.session import outcome, streams, terminal
from sidewall.session.started import Started
from sidewall.session.streams import Feed, Sink
from sidewall.session.types import TimeoutExpired

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, Self

    from sidewall.session.command import Arguments, PathLike
    from sidewall.session.opening import Opening
    from sidewall.session.streams import Stream


class Process(Started):
    """A started command, with the attributes and methods of ``subprocess.Popen``; made by ``Sandbox.start``.

    ``args``, ``pid`` (inside the cell), ``returncode`` (None while it runs; negative: a signal), ``stdin``, ``stdout``,
    ``stderr`` (file objects, or None).  After its end: ``usage`` (``Exit``), ``changes``, ``denials``.
    Methods may be called from several threads; two threads must not read one stream.
    """

    def __init__(self, opening: Opening, args: Arguments, *, cwd: PathLike | None,
                 env: Mapping[str, str] | Mapping[bytes, bytes] | None, stdin: Stream, stdout: Stream, stderr: Stream,
                 text: bool | None, encoding: str | None, errors: str | None, bufsize: int, shell: bool,
                 tty: bool | tuple[int, int]) -> None:
        self._text = outcome.text_mode(text, encoding, errors)
        self._sinks: tuple[Sink | None, Sink | None] | None = None
        self._feed: Feed | None = None
        self._drained = False
        super().__init__(opening, args, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr, shell=shell,
                         tty=tty)
        first, second, third = self._ends
        self.stdin = self._file(first, "wb", 0 if self._on_terminal else bufsize)
        self.stdout = self._file(second, "rb", bufsize)
        self.stderr = self._file(third, "rb", bufsize)
        wall = opening.policy.limits.wall_seconds
        self._timer = threading.Timer(wall, self.kill) if wall else None
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def _file(self, fd: int, mode: str, bufsize: int) -> Any:
        if fd < 0:
            return None
        file: Any = terminal.PipeOrTerminal(fd, mode)
        if bufsize != 0 or (mode == "rb" and self._text is not None):
            size = bufsize if bufsize > 1 else io.DEFAULT_BUFFER_SIZE
            file = io.BufferedWriter(file, size) if mode == "wb" else io.BufferedReader(file, size)
        if self._text is None:
            return file
        encoding, errors = self._text
        if mode == "wb":
            errors = "strict" if errors == "replace" else errors
        return io.TextIOWrapper(file, encoding, errors, line_buffering=bufsize == 1, write_through=bufsize == 0)

    def poll(self) -> int | None:
        """The return code, or None while it runs.  Raises CellGone."""
        return self._await(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end; the command goes on after a time-out, as with ``subprocess``.

        Raises:
            TimeoutExpired: ``timeout`` seconds passed.
            CellGone: the sandbox was closed meanwhile.
        """
        code = self._await(timeout)
        if code is None:
            raise TimeoutExpired(self.args, timeout or 0.0)
        return code

    def _await(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            end = self._child.wait(timeout)
            if end is not None:
                if self._timer is not None:
                    self._timer.cancel()
                self._finish(end)
        return self.returncode

    def communicate(self, input: Any = None, timeout: float | None = None) -> tuple[Any, Any]:
        """Sends ``input``, reads both outputs to the end, waits; each output is capped by the policy's limit.

        After TimeoutExpired nothing is lost: call it again, or kill the process and call it again.  On a terminal the
        input is followed by the end-of-file character, and all output is in the first of the pair.

        Raises:
            TimeoutExpired: ``timeout`` seconds passed; its ``output`` and ``stderr`` are what was read by then.
            CellGone: the sandbox was closed meanwhile.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        if self._sinks is None:
            self._begin(input)
        elif input:
            raise ValueError("Cannot send input after starting communication")
        out, err = self._sinks or (None, None)
        if not self._drained:
            pending = [sink for sink in (out, err) if sink is not None and not sink.ended]
            if not streams.pump(self._child, pending, self._feed, deadline):
                raise TimeoutExpired(self.args, timeout or 0.0, self._value(out), self._value(err))
            self._drained = True
            for sink in pending:
                self._opening.leftovers.adopt(os.dup(sink.fd))
            self._close_files()
            self.wait()
            self._explain(*[None if sink is None else sink.value() for sink in (out, err)])
        return self._value(out), self._value(err)

    def _begin(self, input: Any) -> None:
        limit = self._opening.policy.limits.output_bytes
        data = b"" if input is None else bytes(outcome.encode(input, self._text))
        if self._on_terminal and input is not None:
            data += terminal.END_OF_FILE
        self._sinks = (None if self.stdout is None else Sink(self.stdout.fileno(), limit),
                       None if self.stderr is None else Sink(self.stderr.fileno(), limit))
        if self.stdin is not None and not self.stdin.closed:
            terminal.flush_quietly(self.stdin)
            if data:
                feed = Feed(os.dup(self.stdin.fileno()), data)
                self._feed = feed if feed.write() else None
            if not self._on_terminal:
                terminal.close_quietly(self.stdin)

    def _value(self, sink: Sink | None) -> Any:
        return None if sink is None else outcome.decode(sink.value(), self._text)

    def _close_files(self) -> None:
        if self._feed is not None:
            self._feed.close()
        for file in (self.stdout, self.stderr, self.stdin):
            if file is not None:
                terminal.close_quietly(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        """Closes the streams and waits, as ``subprocess.Popen`` does; after an exception kills it first."""
        if kind is not None:
            self.kill()
        self._close_files()
        self.wait()


class Popen(Process):
    """A started command where ``subprocess.Popen`` is expected; made by ``Sandbox.popen``."""

    @property
    def universal_newlines(self) -> bool:
        """Whether the streams are text."""
        return self._text is not None

    @property
    def text_mode(self) -> bool:
        """Whether the streams are text."""
        return self._text is not None

    @property
    def encoding(self) -> str | None:
        """The streams' encoding, None for bytes."""
        return None if self._text is None else self._text[0]

    @property
    def errors(self) -> str | None:
        """The streams' error handler, None for bytes."""
        return None if self._text is None else self._text[1]


for _public in (Process, Popen):
    _public.__module__ = "sidewall"
