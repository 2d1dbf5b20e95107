"""Which names below a git directory may be carried out of a cell, and what their text must look like.

Knows: the layout of a git directory (gitrepository-layout), the rules for reference names (git-check-ref-format) and
the line formats of references, reflogs and state files.  Must not know: any file system; it is given names and bytes.

An allow-list: a name that is not here is never carried.  It is narrower than git itself where a value that git takes
for data is known to be taken for a command by what people put around git: names that begin with a dash, names with
characters that a shell expands in a prompt.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

OID = rb"(?:[0-9a-f]{40}|[0-9a-f]{64})"
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_REF_BAD = re.compile(rb"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|\.lock(?:/|$)|(?:^|/)\.|\.$|/$|^/")
_SHELL = re.compile(rb"[$`\"'|;&<>()!]|(?:^|/)-")
_SYMREF = re.compile(rb"ref: (refs/[^\n]+)\n?")
_OID_LINE = re.compile(rb"(?!0*\n?\Z)" + OID + rb"\n?")
_OID_LINES = re.compile(rb"(?:(?!0*\n)" + OID + rb"\n)*")
_LOG_LINES = re.compile(
    rb"(?:" + OID + rb" " + OID + rb" [^\n\x00<>]*<[^\n\x00<>]*> [0-9]{1,20} [+-][0-9]{4}"
    rb"(?:\t[^\x00-\x08\x0a-\x1f\x7f]*)?\n)*")
_FETCH_LINES = re.compile(rb"(?:" + OID + rb"\t(?:not-for-merge)?\t[^\x00-\x08\x0a-\x1f\x7f]*\n)*")
_PACKED_REF = re.compile(rb"(?!0* )(" + OID + rb") ([^\n]+)")
_BISECT_LOG = re.compile(
    rb"(?:(?:#[^\x00-\x08\x0a-\x1f\x7f]*|git bisect (?:start|good|bad|old|new|skip|terms)[-A-Za-z0-9_./' ]*)\n)*")

TEXT_LIMIT = 1 << 20
"""Bytes of a message, a state file or a reference."""

FILES = {
    "HEAD": "head", "ORIG_HEAD": "oid", "FETCH_HEAD": "fetch", "MERGE_HEAD": "oids", "CHERRY_PICK_HEAD": "oid",
    "REVERT_HEAD": "oid", "REBASE_HEAD": "oid", "AUTO_MERGE": "oid", "MERGE_AUTOSTASH": "oid", "BISECT_HEAD": "oid",
    "BISECT_EXPECTED_REV": "oid", "MERGE_MSG": "text", "SQUASH_MSG": "text", "COMMIT_EDITMSG": "text",
    "TAG_EDITMSG": "text", "NOTES_EDITMSG": "text", "MERGE_MODE": "merge-mode", "BISECT_START": "bisect-start",
    "BISECT_LOG": "bisect-log", "BISECT_TERMS": "bisect-terms", "BISECT_NAMES": "bisect-names",
    "BISECT_ANCESTORS_OK": "empty", "BISECT_FIRST_PARENT": "empty", "index": "index",
}
"""Files directly in a git directory or in a linked working tree's part of it, and the grammar of each."""

SHARED_FILES = {"packed-refs": "packed-refs", "shallow": "oids"}
"""Files that only a whole git directory has."""

WORKTREE_FILES = {"locked": "text"}
"""Files that only a linked working tree's directory has; ``commondir`` and ``gitdir`` have rules of their own."""

UNDELETABLE = frozenset(("HEAD", "index", "packed-refs", "commondir", "gitdir", "locked"))
"""Git replaces these and never takes them away: a removal is not carried."""

SCRATCH = frozenset(("COMMIT_EDITMSG", "TAG_EDITMSG", "NOTES_EDITMSG", "FETCH_HEAD"))
"""Files that every command writes anew: nobody misses the other side's."""

GROUPS = frozenset(("rebase-merge", "rebase-apply", "sequencer"))
"""Directories of an interrupted operation: carried whole or not at all."""

_LAYOUT = frozenset((
    "objects", "refs", "logs", "hooks", "info", "config", "config.worktree", "modules", "worktrees", "branches",
    "remotes", "description", "commondir", "gitdir", "lfs", "reftable", "rr-cache", "svn", "common", "gitweb",
    *FILES, *SHARED_FILES, *GROUPS))
_CACHES = frozenset((
    "gc.log", "gc.pid", "info/refs", "objects/info/packs", "objects/info/commit-graph", "objects/info/commit-graphs",
    "objects/pack/multi-pack-index", "fsmonitor--daemon", "description", "gitk.cache"))

_REASONS = {
    "config": "git config made inside the sandbox stays inside",
    "config.worktree": "git config made inside the sandbox stays inside",
    "hooks": "a hook would run outside the sandbox",
    "info": "it steers later git commands outside",
    "commondir": "it would lead git to another repository",
    "gitdir": "it would lead git to another working tree",
    "reftable": "references kept in tables are not carried",
    "lfs": "large file storage stays inside",
    "rr-cache": "recorded conflict resolutions would be replayed outside",
}


def quiet(path: str) -> bool:
    """Is ``path`` (below a git directory) a lock, a temporary file or a cache that git makes again by itself?

    Such files stay in the cell and nobody needs to hear of it.
    """
    name = path.rpartition("/")[2]
    if name.endswith(".lock") or name.startswith(("tmp_", ".tmp-")):
        return True
    if path.startswith("hooks/"):
        return name.endswith(".sample")
    if path.startswith("objects/pack/"):
        return path.startswith("objects/pack/multi-pack-index") or name.endswith((".rev", ".bitmap", ".mtimes",
                                                                                  ".keep"))
    return path in _CACHES or path.startswith("objects/info/commit-graphs/")


def reason(path: str) -> str:
    """Why ``path`` (below a git directory), which is not on the list, stays inside; for people."""
    return _REASONS.get(path.partition("/")[0], "not among what may leave the sandbox")


def refname(name: bytes) -> str:
    """Why this full reference name is not carried; '' when it is.

    Everything that ``git check-ref-format`` refuses is refused, and besides it what a shell would read as an option
    or as an expansion, and ``refs/replace/``, which puts other objects in place of those that the user asks for.
    """
    if not name.startswith(b"refs/") or name.count(b"/") < 1 or _REF_BAD.search(name) or len(name) > 1024:
        return "not a valid reference name"
    if _SHELL.search(name):
        return "a reference name that a shell would interpret"
    if name.startswith(b"refs/replace/"):
        return "a replacement reference would change what other objects mean"
    return ""


def component(name: bytes) -> bool:
    """May this be one part of a submodule's or a working tree's directory name?"""
    return (re.fullmatch(rb"[A-Za-z0-9_][A-Za-z0-9_.+@ -]{0,200}", name) is not None
            and not name.endswith((b".lock", b".", b" ")) and b".." not in name
            and name.decode("ascii") not in _LAYOUT)


def symref_target(data: bytes) -> bytes | None:
    """The name that a symbolic reference points to, or None when ``data`` is not one."""
    match = _SYMREF.fullmatch(data)
    return match.group(1) if match else None


def _reference(data: bytes) -> bool:
    if _OID_LINE.fullmatch(data):
        return True
    target = symref_target(data)
    return target is not None and not refname(target)


def packed_refs(data: bytes) -> dict[bytes, bytes] | None:
    """name -> object id of a ``packed-refs`` file; None when a line is not of that format or out of order.

    The header's claim that the file is sorted makes git search by halves, so the order is checked as well.
    """
    lines = data.split(b"\n")
    if lines.pop():
        return None
    refs: dict[bytes, bytes] = {}
    last = b""
    for number, line in enumerate(lines):
        if line.startswith(b"#"):
            if number or not re.fullmatch(rb"# pack-refs with:(?: [a-z-]+)* ?", line):
                return None
        elif line.startswith(b"^"):
            if not refs or not re.fullmatch(OID, line[1:]):
                return None
        else:
            match = _PACKED_REF.fullmatch(line)
            if match is None or match.group(2) <= last or refname(match.group(2)):
                return None
            last = match.group(2)
            refs[last] = match.group(1)
    return refs


def reflog(data: bytes) -> bool:
    """Is every line a reflog entry?"""
    return _LOG_LINES.fullmatch(data) is not None


def pointed_to(kind: str, data: bytes) -> list[str]:
    """The objects (hexadecimal) that a checked file of the kind ``ref``, ``head``, ``oid``, ``oids`` or ``log`` needs.

    Of a log that is what each entry leads to; no object at all stands for a removed reference.
    """
    words = [line.split(b" ", 2)[1] for line in data.splitlines()] if kind == "log" else data.split()
    return [word.decode("ascii") for word in dict.fromkeys(words) if word.strip(b"0")]


def _text(data: bytes) -> bool:
    return _CONTROL.search(data) is None


_CHECKS: dict[str, Callable[[bytes], object]] = {
    "head": _reference,
    "ref": _reference,
    "oid": _OID_LINE.fullmatch,
    "oids": _OID_LINES.fullmatch,
    "fetch": _FETCH_LINES.fullmatch,
    "log": reflog,
    "packed-refs": lambda data: packed_refs(data) is not None,
    "text": _text,
    "empty": re.compile(rb"\n?").fullmatch,
    "merge-mode": re.compile(rb"(?:no-ff)?\n?").fullmatch,
    "bisect-start": lambda data: _OID_LINE.fullmatch(data) or not refname(b"refs/heads/" + data.rstrip(b"\n")),
    "bisect-log": _BISECT_LOG.fullmatch,
    "bisect-terms": re.compile(rb"[a-z][a-z-]*\n[a-z][a-z-]*\n").fullmatch,
    # Older versions of git give this file to the shell's eval: only plain single-quoted words.
    "bisect-names": re.compile(rb"(?: ?'[-A-Za-z0-9_./]*')*\n?").fullmatch,
}


def check(kind: str, data: bytes) -> str:
    """Why a file of this kind (a value of ``FILES``, ``ref`` or ``log``) may not be carried; '' when it may."""
    return "" if _CHECKS[kind](data) else f"its content is not what git writes there ({kind})"


def worktree_gitdir(data: bytes, roots: tuple[bytes, ...]) -> str:
    """Why this ``gitdir`` file of a new linked working tree is refused; '' when it points to ``.git`` below a root."""
    path = data.rstrip(b"\n")
    if data != path + b"\n" or _CONTROL.search(data) or b"\n" in path:
        return "its gitdir file is not one line"
    if not inside(path, roots) or not path.endswith(b"/.git") or dot_git(path[:-5]):
        return "its gitdir file does not point to a .git below a writable root"
    return ""


def inside(path: bytes, roots: tuple[bytes, ...]) -> bool:
    """Is ``path`` absolute, in its shortest spelling, and below one of ``roots``?  By letters only."""
    if not path.startswith(b"/") or any(part in (b"", b".", b"..") for part in path[1:].split(b"/")):
        return False
    return any(path == root or path.startswith(root.rstrip(b"/") + b"/") for root in roots)


def dot_git(path: bytes) -> bool:
    """Is a component of ``path`` one that some file system takes for ``.git``?"""
    return re.search(rb"(?i)(?:^|[/\\])(?:\.git|git~[0-9]+)[ .]*(?:[/\\:]|$)", path) is not None


def module_worktree(value: bytes, module: bytes, roots: tuple[bytes, ...]) -> bool:
    """May ``core.worktree`` = ``value`` of the new git directory ``module`` (absolute) be carried?

    It must lead, by letters, into a writable root and not into a git directory: git checks files out there.
    """
    if _CONTROL.search(value) or not value:
        return False
    parts: list[bytes] = [] if value.startswith(b"/") else module.strip(b"/").split(b"/")
    for part in value.split(b"/"):
        if part == b"..":
            if not parts:
                return False
            parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    path = b"/" + b"/".join(parts)
    for root in roots:
        below = root.rstrip(b"/")
        if path.startswith(below + b"/") and not dot_git(path[len(below):]):
            return True
    return False
