"""Every error that Sidewall raises, split by whose fault it is.

    SidewallError
     +-- PolicyError            the policy's author: what was asked for is wrong (exit 2)
     |    +-- ConfigError       ... in a configuration file: names file and key
     |    +-- UsageError        ... on the command line or in a call
     +-- MachineError           the machine: it cannot or did not do what was asked (exit 125)
     |    +-- GuaranteeError    a required guarantee cannot be enforced here; nothing was run
     |    +-- SystemCallError   a system call failed: call, object, errno name
     |    +-- CellGone          the cell ended while it was needed
     +-- InternalError          ourselves: a broken invariant (exit 125)

Knows: the shape of an error.  Must not know: any platform.  Each carries ``hint``, one remedy.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class SidewallError(Exception):
    """Base of all.  ``str(e)`` is one line for people; ``e.hint`` one remedy or ''."""

    exit_code = 125
    hint = ""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))


class PolicyError(SidewallError):
    """What was asked for is wrong; nothing was changed."""

    exit_code = 2


class ConfigError(PolicyError):
    """A configuration file is wrong.

    ``file`` is the path as given, ``key`` the dotted key ('' when the whole file is meant).
    """

    def __init__(self, message: str, *, file: str = "", key: str = "", hint: str = "") -> None:
        where = f"{file}: {key}: " if file and key else f"{file}: " if file else f"{key}: " if key else ""
        super().__init__(where + message, hint=hint)
        self.file = file
        self.key = key


class UsageError(PolicyError):
    """An argument of a call or of the command line is wrong."""


class MachineError(SidewallError):
    """The machine cannot do, or did not do, what was asked."""


class GuaranteeError(MachineError):
    """A required guarantee cannot be enforced in full on this machine; nothing was run.

    ``guarantees`` names them.
    """

    def __init__(self, message: str, *, guarantees: tuple[str, ...] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.guarantees = guarantees


class SystemCallError(MachineError):
    """A system call failed: ``step`` of the plan, ``call``, ``target`` (path or object), ``errno`` and its name."""

    def __init__(self, message: str, *, step: str = "", call: str = "", target: str = "", errno: int = 0,
                 hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.step = step
        self.call = call
        self.target = target
        self.errno = errno


class CellGone(MachineError):
    """The cell ended (closed, killed, or its owner died) while a command was to be run or was running."""


class InternalError(SidewallError):
    """A broken invariant of Sidewall itself; please report it."""


def _rebuild(cls: type[SidewallError], message: str, state: dict[str, Any]) -> SidewallError:
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error
