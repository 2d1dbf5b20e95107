"""The user's terminal in front of the command's pseudo terminal: raw while it lasts, as it was afterwards.

Knows: termios, window sizes, who is in the foreground.  Must not know: the command.  POSIX only.
"""

from __future__ import annotations

import os
import sys
import termios

from sidewall.cli.flow import Flow

assert sys.platform != "win32"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_END = 4  # control-D, what a line discipline takes for the end of its input
_NEWLINE = 10
_DEFAULT_SIZE = (24, 80)


class Terminal:
    """The host's side.  Standard input need not be a terminal (``--tty``): then its bytes are typed, and its end is
    typed as control-D."""

    def __init__(self) -> None:
        self._master = -1
        self._saved: list[Any] | None = None
        self._input: Flow | None = None
        self._ended = False
        self._typed = os.isatty(0)

    def size(self) -> tuple[int, int]:
        """(rows, columns) of the first standard stream that is a terminal, else 24 by 80."""
        for descriptor in (0, 1, 2):
            try:
                columns, rows = os.get_terminal_size(descriptor)
            except OSError:
                continue
            if rows and columns:
                return rows, columns
        return _DEFAULT_SIZE

    def attach(self, master: int, *, kept: int) -> tuple[Flow, Flow]:
        """Takes the terminal over and returns the two directions; ``kept`` bytes of output stay in the tail."""
        self._master = master
        os.set_blocking(master, False)
        self._input = Flow(0, master, owned_target=True)
        self.claim()
        return self._input, Flow(master, 1, kept=kept, discards=True)

    def claim(self) -> None:
        """Makes the terminal raw if this process is in its foreground, else leaves it alone and reads nothing."""
        if self._input is None or not self._typed:
            return
        self._input.held = not _in_foreground()
        if self._input.held:
            return
        try:
            if self._saved is None:
                self._saved = termios.tcgetattr(0)
            termios.tcsetattr(0, termios.TCSADRAIN, raw(self._saved))
        except termios.error:  # the terminal has been hung up
            return
        self.resize()

    @property
    def behind(self) -> bool:
        """Whether this process is in the background: a shell's ``fg`` tells nothing to a job that runs already, so
        the owner has to ``claim`` again from time to time."""
        return self._input is not None and self._input.held

    def resize(self) -> None:
        """Gives the pseudo terminal the size of the host's."""
        try:
            termios.tcsetwinsize(self._master, self.size())
        except (termios.error, OSError):  # its other side is gone: the command is ending
            pass

    def pass_end(self) -> None:
        """Types the end of standard input, once; twice if the last line has no newline, since the first ends that."""
        flow = self._input
        if flow is None or not flow.ended or self._ended:
            return
        self._ended = True
        if not self._typed and not flow.broken:
            flow.pending += bytes([_END] if flow.last in (-1, _NEWLINE) else [_END, _END])

    def restore(self) -> None:
        """The terminal as it was.  Idempotent; never raises."""
        saved, self._saved = self._saved, None
        if saved is None:
            return
        try:
            termios.tcsetattr(0, termios.TCSADRAIN, saved)
        except termios.error:
            pass


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(0) == os.getpgrp()
    except OSError:  # not our controlling terminal: nobody stops us
        return True


def raw(attributes: list[Any]) -> list[Any]:
    """Attributes for passing every byte as it is in both directions (``cfmakeraw``)."""
    flags_in, flags_out, control, local, speed_in, speed_out, characters = attributes
    flags_in &= ~(termios.IGNBRK | termios.BRKINT | termios.PARMRK | termios.ISTRIP | termios.INLCR | termios.IGNCR
                  | termios.ICRNL | termios.IXON)
    flags_out &= ~termios.OPOST
    local &= ~(termios.ECHO | termios.ECHONL | termios.ICANON | termios.ISIG | termios.IEXTEN)
    control = control & ~(termios.CSIZE | termios.PARENB) | termios.CS8
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    return [flags_in, flags_out, control, local, speed_in, speed_out, characters]
