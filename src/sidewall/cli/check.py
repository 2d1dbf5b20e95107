"""``sidewall check PATH|HOST``: would a command get at this, and which rule of which file says so.

Knows: what a word on the command line means, how an answer is printed.  Must not know: how a policy decides.
"""

from __future__ import annotations

import os
import stat

from sidewall.cli import paint
from sidewall.cli.choice import policy_for, workspace
from sidewall.cli.explain import chosen
from sidewall.errors import UsageError
from sidewall.policy.decide import decide, smallest_change
from sidewall.policy.model import Request
from sidewall.session.denials import rule_text, source_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any

    from sidewall.policy.model import Policy

DENIED = 1


def main(arguments: Namespace) -> int:
    """Prints the answers; exit code 1 when one of them is no.  Raises SidewallError."""
    options = {key: value for key, value in chosen(arguments).items() if key not in ("read", "write")}
    here = workspace()
    policy = policy_for(options, here)
    requests = questions(arguments.target, here, read=arguments.read, write=arguments.write,
                         sockets=policy.network.unix_sockets)
    found = [answer(policy, request) for request in requests]
    if arguments.json:
        paint.print_json({"schema": 1, "answers": found})
    elif paint.painted():
        _paint(found)
    else:
        paint.print_lines(line for each in found for line in lines(each))
    return 0 if all(each["allowed"] for each in found) else DENIED


def questions(target: str, here: str, *, read: bool, write: bool, sockets: tuple[str, ...] = ()) -> list[Request]:
    """What is asked.

    A word is a host when it has a scheme, or when it looks like ``name.tld``, ``host:port`` or an address and there is
    no such file; with ``--read`` or ``--write`` it is a path.  A path that is a unix socket, or is among ``sockets``,
    is asked whether it can be connected to, and so is ``@name``.  Raises UsageError.
    """
    if not target:
        raise UsageError("nothing to check: the target is empty", hint="sidewall check PATH, or check HOST[:PORT]")
    if "://" in target:
        host = target.split("://", 1)[1].split("/", 1)[0].rpartition("@")[2]
        return [Request(action="connect", target=host)]
    if target.startswith("@") and not (read or write or os.path.lexists(target)):
        return [Request(action="connect", target=target)]
    path = os.path.expanduser(target)
    if not (read or write or os.path.lexists(path)) and _like_a_host(target):
        return [Request(action="connect", target=target)]
    absolute = os.path.normpath(os.path.join(here, path))
    if not (read or write) and (absolute in sockets or _is_socket(absolute)):
        return [Request(action="connect", target=absolute)]
    both = read == write
    return [Request(action=action, target=absolute) for action, asked in (("read", read), ("write", write))
            if asked or both]


def _like_a_host(word: str) -> bool:
    if word.startswith((".", "~")) or os.sep in word.strip("[]"):
        return False
    return "." in word or ":" in word or word == "localhost"


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def answer(policy: Policy, request: Request) -> dict[str, Any]:
    """One decision as plain data.  A path is asked for as it is written and as its links lead; the stricter holds.  A
    socket that is not listed by one name is reached by another that is."""
    decision = decide(policy, request)
    real = os.path.realpath(request.target) if request.action != "connect" else request.target
    if not decision.allowed and request.action == "connect" and request.target.startswith("/"):
        behind = decide(policy, request.replace(target=os.path.realpath(request.target)))
        decision = behind if behind.source.key == "network.unix_sockets" else decision
    through = ""
    if decision.allowed and real != request.target:
        behind = decide(policy, request.replace(target=real))
        if not behind.allowed:
            decision, through, request = behind, real, request.replace(target=real)
    change = "" if decision.allowed else str(smallest_change(policy, request) or "")
    return {"action": request.action, "target": request.target, "allowed": decision.allowed,
            "through_link": bool(through), "kind": decision.kind, "rule": rule_text(decision),
            "source": source_text(decision.source), "reason": decision.reason, "change": change}


def lines(found: dict[str, Any]) -> list[str]:
    """One answer as plain lines."""
    source = f" ({found['source']})" if found["source"] not in found["reason"] else ""
    told = [f"{verdict(found)}: {found['action']} {found['target']}", f"  {found['reason']}",
            f"  rule: {found['rule']}{source}"]
    return told + ([f"  to allow it: {found['change']}"] if found["change"] else [])


def verdict(found: dict[str, Any]) -> str:
    """The answer in one word."""
    return "allowed" if found["allowed"] else "denied"


def _paint(found: list[dict[str, Any]]) -> None:
    console = paint.console()
    for each in found:
        first, *rest = lines(each)
        head = paint.styled(verdict(each), verdict(each))
        head.append_text(paint.styled(first.partition(":")[2]))
        console.print(head, soft_wrap=True)
        for line in rest:
            console.print(paint.styled(line, "dim"), soft_wrap=True)
