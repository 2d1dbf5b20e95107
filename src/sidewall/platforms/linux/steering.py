"""Finds what git obeys although it lies in the workspace: hooks and programs kept there, configuration included.

Knows: ``core.hooksPath``, ``include.path``, ``includeIf.<condition>.path`` and the keys of git-config(1) that name
programs which git runs by itself, links in a git directory.  Must not know: what is done about it.

The configuration is the user's own, so it is read leniently: what is found here too much is only held.  A program is a
line for a shell: what is held is each file of the workspace that is a word of it.
"""

from __future__ import annotations

import os
import stat

from sidewall.plan import facts as fact
from sidewall.plan.facts import GitFact, PathFact
from sidewall.policy.protect import HOOKS

_LONGEST = 1 << 18
_DEEPEST = 4
_MOST_LINKS = 40
_HOOKS, _FILE, _PROGRAM = "hooks", "file", "program"
_PROGRAMS = frozenset((
    "core.fsmonitor", "core.sshcommand", "core.askpass", "core.editor", "core.pager", "sequence.editor", "gpg.program",
    "diff.external", "diff.textconv", "diff.command", "filter.clean", "filter.smudge", "filter.process",
    "merge.driver", "credential.helper", "interactive.difffilter", "hook.command",
))
_MARKS = (b"hookspath", b"[include", b"fsmonitor", b"sshcommand", b"askpass", b"editor", b"pager", b"program",
          b"external", b"textconv", b"command", b"filter", b"driver", b"helper")


def places(git: list[GitFact], home: str, roots: tuple[str, ...]) -> list[PathFact]:
    """What is to stay as it is below ``roots`` (real paths) besides protected names, present or absent."""
    found: dict[str, PathFact] = {}
    everywhere: list[tuple[str, str]] = []
    if git:
        settings = os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"
        for file in ("/etc/gitconfig", f"{settings}/git/config", f"{home}/.gitconfig"):
            everywhere += _configuration(file, home)
    for one in git:
        if one.common:
            _repository(one, everywhere, home, roots, found)
    return list(found.values())


def _repository(one: GitFact, everywhere: list[tuple[str, str]], home: str, roots: tuple[str, ...],
                found: dict[str, PathFact]) -> None:
    top = os.path.dirname(one.path)
    own = _directory(one)
    said = list(everywhere)
    for directory in dict.fromkeys((one.common, own)):
        for file in (f"{directory}/config", f"{directory}/config.worktree"):
            _target(file, roots, found)
            said += _configuration(file, home)
        _links(f"{directory}/hooks", roots, found)
    for kind, value in said:
        if kind == _PROGRAM:
            for word in value.replace("'", " ").replace('"', " ").split():
                place = os.path.join(top, word.lstrip("!"))
                if os.path.isfile(place):
                    _add(place, roots, found)
            continue
        place = os.path.join(top, value)
        real = _way(place)[1]
        if kind == _HOOKS and (real in roots or real in (one.common, own) or _is_within(os.path.realpath(top), real)):
            # Work goes on there: the directory itself cannot be held, so the hooks in it are.
            for name in sorted(HOOKS):
                _add(f"{place}/{name}", roots, found)
            continue
        if kind == _HOOKS:
            _links(place, roots, found)
        _add(place, roots, found)


def _is_within(path: str, above: str) -> bool:
    return path == above or path.startswith(above.rstrip("/") + "/")


def _directory(one: GitFact) -> str:
    """The git directory itself of a submodule or linked worktree: ``common`` may be the one around it."""
    if one.kind != fact.FILE:
        return one.common
    text = os.fsdecode(_read(one.path))
    return os.path.realpath(os.path.join(os.path.dirname(one.path), text.removeprefix("gitdir: ").rstrip("\r\n")))


def _links(directory: str, roots: tuple[str, ...], found: dict[str, PathFact]) -> None:
    """Where a hooks directory that is a link leads, and the hooks in it that are."""
    _target(directory, roots, found)
    try:
        names = os.listdir(directory)
    except OSError:
        return
    for name in names:
        _target(f"{directory}/{name}", roots, found)


def _target(path: str, roots: tuple[str, ...], found: dict[str, PathFact]) -> None:
    """Remembers where a link leads, if it is one."""
    try:
        target = os.readlink(path)
    except OSError:
        return
    _add(os.path.join(os.path.dirname(path), target), roots, found)


def _add(place: str, roots: tuple[str, ...], found: dict[str, PathFact]) -> None:
    """Remembers a place if it lies below a root, and each link on the way there: another could be put in its place."""
    links, real = _way(place)
    for path in (*links, real):
        if path not in found and any(path.startswith(root.rstrip("/") + "/") for root in roots):
            kind = (fact.SYMLINK if path != real else fact.DIRECTORY if os.path.isdir(real)
                    else fact.FILE if os.path.isfile(real) else fact.MISSING)
            found[path] = PathFact(path=path, real=os.path.realpath(path), kind=kind)


def _way(path: str) -> tuple[list[str], str]:
    """The links that the system follows on the way to ``path`` (absolute), and where it leads, whether that exists."""
    links: list[str] = []
    real = ""
    pending = path.split("/")[::-1]
    while pending and len(links) <= _MOST_LINKS:
        name = pending.pop()
        if name == "..":
            real = real.rpartition("/")[0]
        elif name not in ("", "."):
            here = f"{real}/{name}"
            try:
                target = os.readlink(here)
            except OSError:
                real = here
                continue
            links.append(here)
            real = "" if target.startswith("/") else real
            pending += target.split("/")[::-1]
    return links, real or "/"


def _configuration(file: str, home: str, depth: int = 0) -> list[tuple[str, str]]:
    """What a file and those that it includes, whatever their conditions, say: (_HOOKS, core.hooksPath),
    (_FILE, absolute path of an included file), (_PROGRAM, a line for a shell)."""
    data = _read(file)
    lower = data.lower()
    if not any(mark in lower for mark in _MARKS):
        return []
    found: list[tuple[str, str]] = []
    section = ""
    for line in os.fsdecode(data).replace("\\\n", "").splitlines():
        line = line.strip()
        if line.startswith("["):
            head, _, line = line[1:].partition("]")
            section = head.split('"')[0].strip().lower()
            line = line.strip()
        key, _, value = line.partition("=")
        key, value = key.strip().lower(), _plain(value, home)
        if not value:
            continue
        if section == "core" and key == "hookspath":
            found.append((_HOOKS, value))
        elif section in ("include", "includeif") and key == "path":
            inner = os.path.normpath(os.path.join(os.path.dirname(os.path.realpath(file)), value))
            found.append((_FILE, inner))
            if depth < _DEEPEST:
                found += _configuration(inner, home, depth + 1)
        elif f"{section}.{key}" in _PROGRAMS:
            found.append((_PROGRAM, value))
    return found


def _plain(value: str, home: str) -> str:
    """A value without quotes, escapes and comment, its ``~/`` replaced."""
    text, quoted, escaped = "", False, False
    for letter in value.strip():
        if escaped or letter not in '"\\#;':
            text, escaped = text + letter, False
        elif letter == "\\":
            escaped = True
        elif letter == '"':
            quoted = not quoted
        elif quoted:
            text += letter
        else:
            break
    text = text.strip()
    return home + text[1:] if text.startswith("~/") else text


def _read(path: str) -> bytes:
    """A small regular file's bytes, links followed; none for anything else."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, _LONGEST) if stat.S_ISREG(os.fstat(descriptor).st_mode) else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)
