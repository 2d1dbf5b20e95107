"""Which state of an interrupted rebase, am, cherry-pick or revert may leave a cell.

Knows: the files in ``rebase-merge``, ``rebase-apply`` and ``sequencer`` and their line formats.  Must not know: any
file system; it is given names and bytes.

``git rebase --continue`` obeys this state: ``exec`` lines are programs, the strategy is the name of one, some files
are options for other commands.  So each file has a grammar of what cannot do harm, and every other file is refused;
the caller then keeps the whole directory back.
"""

from __future__ import annotations

import re

from sidewall.platforms.linux import gitconfig, gitrules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_ABBREVIATED = rb"[0-9a-f]{4,64}"
_REST = rb"[^\x00-\x08\x0a-\x1f\x7f]*"
_LABEL = rb"[A-Za-z0-9_][A-Za-z0-9_./+@-]*"
_TODO_LINE = re.compile(
    rb"[ \t]*(?:#" + _REST
    + rb"|(?:pick|p|reword|r|edit|e|squash|s|drop|d) " + _ABBREVIATED + rb"(?: " + _REST + rb")?"
    + rb"|(?:fixup|f)(?: -[Cc])? " + _ABBREVIATED + rb"(?: " + _REST + rb")?"
    + rb"|(?:label|l) " + _LABEL + rb"(?: #" + _REST + rb")?"
    + rb"|(?:reset|t) (?:" + _LABEL + rb"|\[new root\])(?: #" + _REST + rb")?"
    + rb"|(?:merge|m)(?: -[Cc] " + _ABBREVIATED + rb")?(?: " + _LABEL + rb")+(?: # " + _REST + rb")?"
    + rb"|update-ref (?P<ref>refs/heads/[^ \t\n]+)"
    + rb"|noop|break|b|)[ \t]*")
_REVERT_LINE = re.compile(
    rb"(?:#" + _REST + rb"|(?:pick|p|revert) " + _ABBREVIATED + rb"(?: " + _REST + rb")?|)")
_QUOTED = rb"'(?:[^'\n\x00]|'\\'')*'"


def todo(data: bytes, pattern: re.Pattern[bytes] = _TODO_LINE) -> bool:
    """Does every line of this instruction list do no more than move commits?"""
    for line in data.split(b"\n"):
        match = pattern.fullmatch(line)
        if match is None:
            return False
        name = match.groupdict().get("ref")
        if name is not None and gitrules.refname(name):
            return False
    return True


def _head_name(data: bytes) -> bool:
    name = data.rstrip(b"\n")
    return name == b"detached HEAD" or not gitrules.refname(name)


def _refs_to_delete(data: bytes) -> bool:
    return all(line.startswith(b"refs/rewritten/") and not gitrules.refname(line) for line in data.splitlines())


def _update_refs(data: bytes) -> bool:
    lines = data.split(b"\n")
    if lines.pop() or len(lines) % 3:
        return False
    oid = re.compile(gitrules.OID)
    return all(lines[i].startswith(b"refs/heads/") and not gitrules.refname(lines[i]) and oid.fullmatch(lines[i + 1])
               and oid.fullmatch(lines[i + 2]) for i in range(0, len(lines), 3))


def _no_nul(data: bytes) -> bool:
    return b"\0" not in data


_OID = re.compile(gitrules.OID + rb"\n?")
_OID_OR_NOTHING = re.compile(rb"(?:" + gitrules.OID + rb")?\n?")
_SHORT = re.compile(_ABBREVIATED + rb"\n?")
_NUMBER = re.compile(rb"[0-9]{1,9}\n?")
_FLAG = re.compile(rb"(?:[a-z]{1,5}|--signoff)?\n?")
_PAIRS = re.compile(rb"(?:" + gitrules.OID + rb"(?: " + gitrules.OID + rb")?\n)*")
_FIXUPS = re.compile(rb"(?:(?:fixup|squash)(?: -[Cc])? " + gitrules.OID + rb"\n?)*")
_AUTHOR = re.compile(
    rb"GIT_AUTHOR_NAME=" + _QUOTED + rb"\nGIT_AUTHOR_EMAIL=" + _QUOTED + rb"\nGIT_AUTHOR_DATE='[-+@0-9A-Za-z:, ]*'\n?")
_MESSAGE: Callable[[bytes], object] = lambda data: not gitrules.check("text", data)

_REBASE: dict[str, Callable[[bytes], object]] = {
    "head-name": _head_name, "onto": _OID.fullmatch, "orig-head": _OID.fullmatch, "author-script": _AUTHOR.fullmatch,
    "quiet": _FLAG.fullmatch, "signoff": _FLAG.fullmatch, "autostash": _OID.fullmatch, "patch": _no_nul,
}
_FILES: dict[str, dict[str, Callable[[bytes], object]]] = {
    "rebase-merge": {
        **_REBASE, "git-rebase-todo": todo, "git-rebase-todo.backup": todo, "done": todo,
        "squash-onto": _OID.fullmatch, "msgnum": _NUMBER.fullmatch, "end": _NUMBER.fullmatch,
        "message": _MESSAGE, "message-squash": _MESSAGE, "message-fixup": _MESSAGE, "stopped-sha": _SHORT.fullmatch,
        "amend": _OID.fullmatch, "rewritten-list": _PAIRS.fullmatch, "rewritten-pending": _PAIRS.fullmatch,
        "current-fixups": _FIXUPS.fullmatch, "refs-to-delete": _refs_to_delete, "update-refs": _update_refs,
        # The two strategies that are built in; any other name is that of a program, git-merge-<name>.
        "strategy": re.compile(rb"(?:ort|recursive)\n?").fullmatch,
        **dict.fromkeys((
            "interactive", "verbose", "drop_redundant_commits", "keep_redundant_commits", "no-reschedule-failed-exec",
            "cdate_is_adate", "ignore_date", "committer_date_is_author_date"), _FLAG.fullmatch),
    },
    "rebase-apply": {
        **_REBASE, "next": _NUMBER.fullmatch, "last": _NUMBER.fullmatch, "abort-safety": _OID_OR_NOTHING.fullmatch,
        "final-commit": _MESSAGE, "info": _MESSAGE, "original-commit": _OID.fullmatch, "rewritten": _PAIRS.fullmatch,
        # Options for `git apply`, which would let a patch write anywhere.
        "apply-opt": re.compile(rb"\n?").fullmatch,
        **dict.fromkeys(("applying", "rebasing", "sign", "utf8", "keep", "messageid", "scissors", "quoted-cr",
                         "threeway", "dirtyindex"), _FLAG.fullmatch),
    },
    "sequencer": {
        "todo": lambda data: todo(data, _REVERT_LINE), "head": _OID.fullmatch,
        "abort-safety": _OID_OR_NOTHING.fullmatch, "opts": gitconfig.sequencer_options,
    },
}


def check(group: str, name: str, data: bytes) -> str:
    """Why the file ``name`` of the directory ``group`` (one of ``gitrules.GROUPS``) is refused; '' when it is not."""
    test = _FILES[group].get(name)
    if test is None and group == "rebase-apply" and re.fullmatch(r"[0-9]{4,9}", name):
        test = _no_nul
    if test is None:
        return f"{name} can make a later git command run something"
    if not test(data):
        return f"{name} holds more than commits to move"
    return ""
