"""What a command leaves behind: its result, and the errors that carry one.

Knows: the shapes of ``subprocess``'s results and how ours extend them.  Must not know: cells, descriptors, platforms.
Follows: the documentation of ``subprocess.CompletedProcess``, ``CalledProcessError`` and ``TimeoutExpired``.
"""

from __future__ import annotations

import errno as errno_numbers
import subprocess

from sidewall.errors import SidewallError
from sidewall.platforms.contract import Exit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.plan.guarantees import Guarantee
    from sidewall.policy.model import Decision
    from sidewall.session.changes import Change
    from sidewall.session.denials import Denial

    CompletedProcess = subprocess.CompletedProcess[Any]
else:
    CompletedProcess = subprocess.CompletedProcess

TIMED_OUT, DENIED, SIGNALLED = 124, 126, 128


class Completed(CompletedProcess):
    """A command that has ended; also a ``subprocess.CompletedProcess``.

    Attributes beyond ``args``, ``returncode`` (negative: a signal), ``stdout`` and ``stderr``:

    * ``timed_out``: the policy's wall time passed and the command was killed with all that it had started.
    * ``truncated``: output went over the limit; the first bytes are here, the rest was read and dropped.
    * ``denials``: tuple of ``Denial``, why it failed, as far as the policy is the reason.
    * ``changes``: tuple of ``Change`` to the workspace, when asked for, and what Sidewall put back or carried over.
    * ``guarantees``: tuple of ``Guarantee``, what the sandbox promised.
    * ``duration``: wall seconds.  ``usage``: ``Exit``, with processor seconds and the peak of resident memory in bytes.
    * ``session_id``: the sandbox's identity, as in the audit log.
    """

    def __init__(self, args: Any, returncode: int, stdout: Any = None, stderr: Any = None, *, timed_out: bool = False,
                 truncated: bool = False, denials: tuple[Denial, ...] = (), changes: tuple[Change, ...] = (),
                 guarantees: tuple[Guarantee, ...] = (), duration: float = 0.0, usage: Exit | None = None,
                 session_id: str = "") -> None:
        self.args = args
        self.returncode = returncode
        self.stdout = stdout
        self.stderr = stderr
        self.timed_out = timed_out
        self.truncated = truncated
        self.denials = denials
        self.changes = changes
        self.guarantees = guarantees
        self.duration = duration
        self.usage = usage if usage is not None else Exit(returncode=returncode)
        self.session_id = session_id

    @property
    def exit_code(self) -> int:
        """The code a shell would show: 124 for a time-out, 128 plus the number for a signal, else the command's own."""
        if self.timed_out:
            return TIMED_OUT
        return SIGNALLED - self.returncode if self.returncode < 0 else self.returncode

    def check_returncode(self) -> None:
        """Raises CalledProcessError unless the return code is 0."""
        if self.returncode:
            raise CalledProcessError(self)

    def __repr__(self) -> str:
        extra = "".join(f", {name}=True" for name in ("timed_out", "truncated") if getattr(self, name))
        extra += f", denials={self.denials!r}" if self.denials else ""
        return f"{super().__repr__()[:-1]}{extra})"


class CalledProcessError(SidewallError, subprocess.CalledProcessError):
    """A command that was to succeed did not; also a ``subprocess.CalledProcessError``.

    ``completed`` is the whole result; ``returncode``, ``cmd``, ``output`` (= ``stdout``) and ``stderr`` are its own.
    """

    def __init__(self, completed: Completed) -> None:
        self.completed = completed
        self.returncode = completed.returncode
        self.cmd = completed.args
        self.output = completed.stdout
        self.stderr = completed.stderr
        first = completed.denials[0] if completed.denials else None
        message = subprocess.CalledProcessError.__str__(self)
        _say(self, f"{message} {first.sentence()}." if first else message, first.suggestion if first else "")

    def __str__(self) -> str:
        return self.message

    @property
    def exit_code(self) -> int:  # type: ignore[override]  # a constant of the class elsewhere, the command's own here
        """The command's own exit code, as a shell shows it."""
        return self.completed.exit_code


class TimeoutExpired(SidewallError, subprocess.TimeoutExpired):
    """A command did not end within the seconds that the call gave it; also a ``subprocess.TimeoutExpired``.

    The command and all that it had started have been killed.  ``output`` (= ``stdout``) and ``stderr`` hold what it had
    written by then, in the form (text or bytes) that the call asked for.  ``completed`` is the whole result, or None
    where the command is still there (``Process.wait``, ``Process.communicate``).
    """

    exit_code = TIMED_OUT

    def __init__(self, cmd: Any, timeout: float, output: Any = None, stderr: Any = None, *,
                 completed: Completed | None = None) -> None:
        self.cmd = cmd
        self.timeout = timeout
        self.output = output
        self.stderr = stderr
        self.completed = completed
        _say(self, subprocess.TimeoutExpired.__str__(self), "")

    def __str__(self) -> str:
        return self.message


class AccessDenied(SidewallError, PermissionError):
    """The policy does not allow a file operation; also a ``PermissionError`` (``EACCES``, ``filename`` set).

    ``decision`` is the policy's answer with the rule that decided, None where no rule was asked; ``reason`` its words.
    """

    exit_code = DENIED

    def __init__(self, action: str, path: str, decision: Decision | None, reason: str, *, hint: str = "") -> None:
        _say(self, reason, hint)
        self.action = action
        self.decision = decision
        self.reason = reason
        self.errno = errno_numbers.EACCES
        self.strerror = reason
        self.filename = path

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild_denied, (self.action, self.filename, self.decision, self.reason, self.hint))


def _say(error: SidewallError, message: str, hint: str) -> None:
    """Initialises past the other parent, whose constructor wants other arguments."""
    Exception.__init__(error, message)
    error.message = message
    error.hint = hint


def _rebuild_denied(action: str, path: str, decision: Decision | None, reason: str, hint: str) -> AccessDenied:
    return AccessDenied(action, path, decision, reason, hint=hint)


for _public in (Completed, CalledProcessError, TimeoutExpired, AccessDenied):
    _public.__module__ = "sidewall"
