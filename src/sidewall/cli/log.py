"""``sidewall log``: the audit log, filtered or verified.

Knows: how events and the chain's state are printed.  Must not know: how they are stored.
"""

from __future__ import annotations

import json
import os
import sys

from sidewall.audit import events, jsonl, reader
from sidewall.cli import paint
from sidewall.errors import MachineError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

BROKEN = 1


def main(arguments: Namespace) -> int:
    """Prints events, or the verdict on the chain: exit code 1 when that is broken.  Raises SidewallError."""
    where = jsonl.directory(os.environ)
    try:
        if arguments.verify:
            return _verify(where, as_json=arguments.json)
        return _show(where, arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MachineError(f"cannot read the audit log in {where}: {error.strerror}") from None


def count(text: str | None) -> int:
    """How many events; 0 is all.  Raises UsageError."""
    if text is None:
        return 0
    if not text.isdigit() or not 0 < int(text) < 10**9:
        raise UsageError(f"--tail {text}: not a number above 0")
    return int(text)


def _show(where: str, arguments: Namespace) -> int:
    chosen = reader.events(where, session=arguments.session or "", denied=arguments.denied, tail=count(arguments.tail))
    if arguments.json:
        for event in chosen:
            sys.stdout.write(json.dumps(event, separators=(",", ":")) + "\n")
    elif paint.painted():
        console = paint.console()
        for event in chosen:
            when, session, kind, what = row(event)
            line = paint.styled(when + "  ", "dim")
            line.append_text(paint.styled(session + "  ", "cyan"))
            line.append_text(paint.styled(f"{kind:13} "))
            line.append_text(paint.styled(what, "denied" if event.get("denials") else ""))
            console.print(line, soft_wrap=True)
    else:
        paint.print_lines("  ".join(row(event)) for event in chosen)
    return 0


def row(event: dict[str, Any]) -> tuple[str, str, str, str]:
    """Time, session, kind and the event in words."""
    kind = str(event.get("event", ""))
    return str(event.get("ts", ""))[:23], str(event.get("session", ""))[:8], kind, _words(kind, event)


def _words(kind: str, event: dict[str, Any]) -> str:
    if kind == events.SESSION_OPEN:
        report = event.get("guarantees") or {}
        weak = ", ".join(f"{name} {level}" for name, level in report.items() if level != "enforced")
        return (f"{event.get('policy')} in {event.get('workspace')}, tier {event.get('tier')}, "
                f"plan {str(event.get('plan'))[:12]}" + (f"; {weak}" if weak else ""))
    if kind == events.COMMAND:
        if event.get("argv"):
            return " ".join(map(str, event["argv"]))
        number = event.get("arguments")
        return f"{event.get('program')} with {number} argument{'' if number == 1 else 's'}"
    if kind == events.EXIT:
        return _exit(event)
    return str(event.get("error", ""))


def _exit(event: dict[str, Any]) -> str:
    code = event.get("returncode")
    ended = f"signal {-code}" if isinstance(code, int) and code < 0 else f"code {code}"
    seconds = event.get("seconds")
    told = f"{ended} after {seconds:.3f} s" if isinstance(seconds, (int, float)) else ended
    told += ", timed out" if event.get("timed_out") else ""
    denials = event.get("denials") or []
    if denials and isinstance(denials[0], dict):
        more = f" and {len(denials) - 1} more" if len(denials) > 1 else ""
        told += f"; denied: {denials[0].get('action', '')} {denials[0].get('target', '')}{more}"
    return told


def _verify(where: str, *, as_json: bool) -> int:
    found = reader.verify(where)
    if as_json:
        paint.print_json({"directory": where, "holds": found.holds, **found.to_dict()})
        return 0 if found.holds else BROKEN
    for problem in found.problems:
        paint.print_lines([f"{'broken' if problem.serious else 'note'}: {problem.file}:{problem.row}: {problem.what}"])
    if found.holds:
        files = "1 file" if found.files == 1 else f"{found.files} files"
        told = f"the chain holds: {found.lines} events in {files}, numbers {found.first} to {found.last}"
        paint.print_lines([told, f"head {found.head}"] if found.lines else [f"the log in {where} is empty"])
        return 0
    paint.print_lines(["the chain is broken: what follows the first broken line may have been written by anybody"])
    return BROKEN
