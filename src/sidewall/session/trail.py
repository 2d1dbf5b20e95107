"""A sandbox's entries in the audit log: its opening, each command's start and end, its close.

Knows: which event follows which.  Must not know: how a line is written (``audit`` does), how a command runs.
"""

from __future__ import annotations

import os
import threading

from sidewall.errors import MachineError, UsageError
from sidewall.policy.decide import decide
from sidewall.policy.model import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sidewall.audit.events import Event
    from sidewall.plan.steps import Plan
    from sidewall.policy.model import Policy
    from sidewall.session.denials import Denial


class Trail:
    """Writes to the log in directory ``where``.  Methods may be called from several threads.

    Raises:
        MachineError: the log cannot be written; every method.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._number = 0
        self._session = ""

    def opened(self, session: str, plan: Plan) -> None:
        """A cell was opened."""
        from sidewall.audit import events

        self._session = session
        self._write(events.session_open(session, plan))

    def started(self, words: Sequence[str | bytes]) -> int:
        """A command was started; its number in this session."""
        from sidewall.audit import events

        with self._lock:
            self._number += 1
            number = self._number
        self._write(events.command(self._session, words, number=number))
        return number

    def ended(self, number: int, returncode: int, seconds: float, *, timed_out: bool = False,
              denials: Sequence[Denial] = ()) -> None:
        """A command ended."""
        from sidewall.audit import events

        self._write(events.command_exit(self._session, number=number, returncode=returncode, seconds=seconds,
                                        timed_out=timed_out, denials=[denial.to_dict() for denial in denials]))

    def closed(self) -> None:
        """The cell was closed."""
        from sidewall.audit import events

        self._write(events.session_close(self._session))

    def _write(self, event: Event) -> None:
        from sidewall.audit import jsonl

        try:
            jsonl.append([event], self._where)
        except OSError as error:
            raise MachineError(f"cannot write the audit log in {self._where}: {error.strerror or error}",
                               hint="make room or give another directory with audit=") from error


def trail(audit: bool | str | os.PathLike[str], policy: Policy) -> Trail | None:
    """The trail that an ``audit`` argument asks for: True is the user's own log, a path is a log's directory.

    Raises:
        UsageError: the log would lie where commands may write.
    """
    if audit is False:
        return None
    from sidewall.audit import jsonl

    where = os.path.realpath(jsonl.directory(os.environ) if audit is True else os.fspath(audit))
    if decide(policy, Request(action="write", target=where)).allowed:
        raise UsageError(f"the audit log in {where} would lie where commands may write",
                         hint="give another directory with audit=")
    return Trail(where)
