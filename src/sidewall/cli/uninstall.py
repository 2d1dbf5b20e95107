"""``sidewall uninstall``: removes every trace of Sidewall but the program itself, and says what it could not.

Knows: what is printed, the exit codes.  Must not know: where anything lies or how it goes.
"""

from __future__ import annotations

import sys

from sidewall.cli import paint
from sidewall.cli.setup import declined, user_of, warned
from sidewall.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from sidewall.platforms.traces import Removed

SCHEMA = 1
LEFT = 1


def main(arguments: Namespace) -> int:
    """Removes; 1 when something is left or the person said no.  Raises SidewallError."""
    if sys.platform == "win32":
        from sidewall.platforms.windows import machine, own_files, setup, uninstall

        here = machine.native()
        try:
            if arguments.for_user:
                result = uninstall.for_user(here, user_of(arguments.for_user))
            else:
                result = uninstall.run(here, setup.elevation(here, warned),
                                       own_files.native(here, keep_log=arguments.keep_log))
        except setup.Declined as error:
            return declined(error)
        return tell(result, as_json=arguments.json)
    if arguments.for_user:
        raise UsageError("--for-user is for Windows: here each user removes what is theirs", hint="leave it out")
    from sidewall.platforms import detect

    detect.backend()
    from sidewall.platforms.linux import traces

    return tell(traces.remove(keep_log=arguments.keep_log), as_json=arguments.json)


def tell(result: Removed, *, as_json: bool) -> int:
    """Prints what went and what did not; the exit code."""
    if as_json:
        paint.print_json({"schema": SCHEMA, **result.to_dict()})
    else:
        told = [*result.done, *[f"left: {line}" for line in result.left]]
        paint.print_lines(told or ["there was nothing to remove"])
    return LEFT if result.left else 0


__all__ = ["main"]
