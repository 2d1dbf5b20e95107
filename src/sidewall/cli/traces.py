"""``sidewall status``: everything of Sidewall that is on this machine outside of its own program files.

Knows: how it is printed.  Must not know: where anything lies.  (``cli.status`` is the file that ``run`` writes.)
"""

from __future__ import annotations

import sys

from sidewall.cli import paint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from sidewall.platforms.traces import Status

SCHEMA = 1
UNFIT = 1


def look() -> Status:
    """What is there.  Raises MachineError on a platform without a backend, and when nothing can be looked at."""
    if sys.platform == "win32":
        from sidewall.platforms.windows import machine, own_files, status

        here = machine.native()
        return status.look(here, own_files.native(here))
    from sidewall.platforms import detect

    detect.backend()
    from sidewall.platforms.linux import traces

    return traces.status()


def main(arguments: Namespace) -> int:
    """Prints it; 1 when what was set up is not fit for use.  Raises SidewallError."""
    found = look()
    if arguments.json:
        paint.print_json({"schema": SCHEMA, **found.to_dict()})
    else:
        paint.print_lines(lines(found))
    return UNFIT if found.lacking else 0


def lines(found: Status) -> list[str]:
    """For people."""
    width = max([len(one.kind) for one in found.traces], default=0)
    told = [f"{one.kind:{width}}  {one.name}" + (f"  (of {one.owner})" if one.owner else "") for one in found.traces]
    told = told or ["nothing of Sidewall is on this machine beyond the program itself"]
    told += [f"not fit for use: {line} (run `sidewall setup`)" for line in found.lacking]
    return [*told, *[f"not looked at: {line}" for line in found.unseen]]


__all__ = ["lines", "look", "main"]
