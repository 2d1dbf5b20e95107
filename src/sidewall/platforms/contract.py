"""What every backend fills.  The session knows these names and no platform.

Knows: shapes of calls between ``session`` and a backend.  Must not know: namespaces, tokens, or any system call.
"""

from __future__ import annotations

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Protocol

    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy
else:
    Protocol = object


class Exit(Record):
    """How a command ended.  ``returncode`` follows subprocess: negative is a signal.

    ``user_seconds``, ``system_seconds`` and ``max_rss_bytes`` are of the direct child and its waited-for children.
    """

    returncode: int
    user_seconds: float = 0.0
    system_seconds: float = 0.0
    max_rss_bytes: int = 0


class Child(Protocol):
    """One started command.  Its methods may be called from any thread."""

    pid: int
    """Process id inside the cell."""
    status_fd: int
    """Readable when the command has ended (or the cell is gone): poll it, then call ``wait``."""
    master_fd: int
    """What a command with a terminal shows is read here (the master side of its pseudo terminal), else -1.  Owned by
    the child object."""
    keys_fd: int
    """What is typed at that terminal is written here: ``master_fd`` itself, where a terminal has one descriptor for
    both; else -1.  Owned by the child object."""

    def wait(self, timeout: float | None = None) -> Exit | None:
        """Blocks until the end; None when ``timeout`` seconds pass first.  Raises CellGone."""

    def signal(self, number: int, *, tree: bool = False) -> None:
        """Sends a signal to the process, or to it, its session and all its descendants.  No error if it has ended.

        Windows has no signals: an interrupt (SIGINT, CTRL_C_EVENT, CTRL_BREAK_EVENT) is typed where there is a
        terminal, everything else ends the process or the tree.
        """

    def resize(self, rows: int, columns: int) -> None:
        """Tells the terminal, and by it the command, its new size.  Nothing where it is gone, or never was."""

    def close(self) -> None:
        """Releases descriptors; the command goes on."""


class Held(Record):
    """Something that the trusted side did to the workspace after a command: put back, carried over, kept back."""

    action: str
    path: str
    reason: str = ""


class Attempt(Record):
    """A refused act that the enforcement itself saw: ``kind`` is ``connect``, ``unix``, ``write``, or
    ``loopback`` (nobody listens there inside, but somebody does outside); target; reason."""

    kind: str
    target: str
    reason: str = ""


class Cell(Protocol):
    """An open sandbox.  All methods may be called from several threads."""

    plan: Plan
    environment: Mapping[bytes, bytes]
    """Variables that a command gets unless the caller sets them: where its private temporary directory is."""

    root_fd: int
    """An O_PATH descriptor of the cell's root directory, or -1 where a cell sees the host's file system."""

    def spawn(self, argv: Sequence[str | bytes], *, cwd: str | bytes | None, env: Mapping[bytes, bytes],
              stdin: int, stdout: int, stderr: int, terminal: tuple[int, int] | None = None,
              confirm: bool = True) -> Child:
        """Starts ``argv`` (literal; argv[0] is looked up in the PATH of ``env``) with these three descriptors.

        ``terminal`` = (rows, columns): a new pseudo terminal is the command's stdio and controlling terminal, and
        the three descriptors are ignored.  ``cwd`` None means the workspace.  ``env`` is not changed while the cell
        is open: giving the same object again is cheap.  With ``confirm`` False the call does
        not wait for the start: the child's ``pid`` is 0 and ``wait`` raises what would have been raised here.
        Raises FileNotFoundError, PermissionError, NotADirectoryError, OSError as ``subprocess.Popen`` does (its
        ``filename`` set), CellGone when the cell has ended.
        """

    def settle(self) -> tuple[Held, ...]:
        """After a command: carries over and puts back what the plan says; cheap when nothing changed."""

    def attempts(self) -> tuple[Attempt, ...]:
        """Refused acts seen since the last call."""

    def close(self) -> None:
        """Kills every process of the cell, waits for its end, undoes the lease.  Idempotent."""

    last_held: tuple[Held, ...]
    """What ``close`` carried over, put back or kept back, once nothing could change any more."""


class Backend(Protocol):
    """One platform."""

    def prepare(self) -> None:
        """Starts one spare cell process, so that the next ``apply`` finds it ready.  Returns at once."""

    def facts(self, policy: Policy, *, tier: str = "auto") -> Any:
        """Host facts that ``plan.compile`` wants; reads the machine, changes nothing."""

    def apply(self, plan: Plan) -> Cell:
        """Makes a cell.  Raises MachineError; on an error nothing is left behind."""

    def recover(self) -> tuple[str, ...]:
        """Undoes what crashed owners left; returns what was undone, one line each."""
