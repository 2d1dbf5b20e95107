"""``sidewall setup``: makes this machine ready for the strongest tier, once; on Linux nothing has to be made.

Knows: what is printed, the exit codes.  Must not know: how anything is set up.
"""

from __future__ import annotations

import sys

from sidewall.cli import paint
from sidewall.errors import MachineError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from sidewall.nt.sid import Sid
    from sidewall.platforms.windows.setup import Outcome

SCHEMA = 1
DECLINED = 1
NOTHING = "nothing has to be set up on this machine: sandboxes need no account and no administrator"


def main(arguments: Namespace) -> int:
    """Sets up; the exit code.  Raises SidewallError."""
    if sys.platform != "win32":
        if arguments.for_user:
            raise UsageError("--for-user is for Windows: here nothing has to be set up", hint="leave it out")
        if arguments.json:
            paint.print_json({"schema": SCHEMA, "state": "ready", "user": "", "accounts": [], "done": []})
        else:
            paint.print_lines([NOTHING])
        return 0
    return on_windows(arguments)


def on_windows(arguments: Namespace) -> int:
    """The same on Windows."""
    from sidewall.platforms.windows import machine, setup, setup_finish

    here = machine.native()
    try:
        if arguments.for_user:
            outcome = setup.for_user(here, user_of(arguments.for_user))
        else:
            outcome = setup.run(here, setup.elevation(here, warned), setup_finish.finish)
    except setup.Declined as error:
        return declined(error)
    tell(outcome, as_json=arguments.json)
    return 0


def warned(text: str) -> None:
    """Says what the user is to know before the prompt."""
    from sidewall.cli import failure

    failure.say("warning", text)


def declined(error: MachineError) -> int:
    """Says that the person said no; the exit code."""
    from sidewall.cli import failure

    failure.report(error)
    return DECLINED


def user_of(text: str) -> Sid:
    """The SID that ``--for-user`` gives.  Raises UsageError."""
    from sidewall.nt.errors import NtError
    from sidewall.nt.sid import Sid

    try:
        return Sid(text)
    except NtError as error:
        raise UsageError(f"--for-user {text}: {error}", hint="give the SID that `whoami /user` prints") from None


def tell(outcome: Outcome, *, as_json: bool) -> None:
    """Prints how it ended."""
    if as_json:
        paint.print_json({"schema": SCHEMA, **outcome.to_dict()})
        return
    lines = list(outcome.done)
    if outcome.state == "waiting":
        lines.append(f"set up for {outcome.user}: the passwords wait for that user's first use")
    elif outcome.done:
        lines.append("set up: `sidewall doctor` says what can be enforced now")
    else:
        lines.append("already set up; nothing was changed")
    paint.print_lines(lines)


__all__ = ["main"]
