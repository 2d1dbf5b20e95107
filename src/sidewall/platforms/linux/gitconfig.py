"""Reads a git configuration that a cell wrote and writes a harmless one from it.

Knows: the syntax of git-config(1) files, and which keys a new repository needs that can neither run a program nor
lead git elsewhere.  Must not know: any file system; it is given text.

The text of the cell is never copied.  It is parsed (a strict part of the syntax), each key is looked up in an
allow-list, each value is checked, and new text is made from what is left: whatever this parser understands otherwise
than git does, git reads only values that were checked here.
"""

from __future__ import annotations

import re

from sidewall.platforms.linux import gitrules

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    Entry = tuple[bytes, bytes | None, bytes, bytes]

SIZE_LIMIT = 256 << 10

_SECTION = re.compile(rb"\[([A-Za-z0-9-]+)(?:[ \t]+\"((?:[^\"\\\n\x00]|\\[\"\\])*)\")?\]")
_KEY = re.compile(rb"[A-Za-z][A-Za-z0-9-]*")
_SPACE = b" \t"
_ESCAPES = {b"n": b"\n", b"t": b"\t", b"b": b"\b", b'"': b'"', b"\\": b"\\"}

_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.+@/ -]*")
_TRUTH = re.compile(rb"(?i)true|false|yes|no|on|off|0|1")
_PLAIN_URL = rb"[^\x00-\x20\x7f\"\\<>^`{|}]*"
_REMOTE_URL = re.compile(
    rb"(?:https?|git|ssh)://(?:[A-Za-z0-9_][A-Za-z0-9._~%!$&'()*+,;=:-]*@)?"
    rb"(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?:/" + _PLAIN_URL + rb")?")
_SCP_URL = re.compile(
    rb"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9][A-Za-z0-9._-]*:(?!//)[A-Za-z0-9_~./][^\x00-\x20\x7f\"\\<>^`{|}]*")
_REFSPEC = re.compile(rb"\+?(refs/[^:\s]+):(refs/remotes/[^:\s]+)")


class Rejected(Exception):
    """The text is not a configuration that this module reads; the message says where."""


def parse(text: bytes) -> list[Entry]:
    """All assignments in order: (section in lower case, subsection or None, key in lower case, value).

    A key without ``=`` has the value ``true``, as git reads it.  Raises Rejected.
    """
    if b"\0" in text:
        raise Rejected("a NUL byte")
    entries: list[Entry] = []
    section: tuple[bytes, bytes | None] | None = None
    position, end = 0, len(text)
    while position < end:
        char = text[position:position + 1]
        if char in b" \t\r\n":
            position += 1
        elif char in b"#;":
            position = _line_end(text, position)
        elif char == b"[":
            match = _SECTION.match(text, position)
            if match is None:
                raise Rejected(f"a section header in line {_line(text, position)}")
            sub = match.group(2)
            section = (match.group(1).lower(), None if sub is None else re.sub(rb"\\(.)", rb"\1", sub))
            position = match.end()
        else:
            match = _KEY.match(text, position)
            if match is None or section is None:
                raise Rejected(f"a key in line {_line(text, position)}")
            value, position = _assignment(text, match.end())
            entries.append((*section, match.group().lower(), value))
    return entries


def _line(text: bytes, position: int) -> int:
    return text.count(b"\n", 0, position) + 1


def _line_end(text: bytes, position: int) -> int:
    found = text.find(b"\n", position)
    return len(text) if found < 0 else found


def _assignment(text: bytes, position: int) -> tuple[bytes, int]:
    while text[position:position + 1] and text[position:position + 1] in _SPACE:
        position += 1
    char = text[position:position + 1]
    if char in (b"", b"\n"):
        return b"true", position
    if char != b"=":
        raise Rejected(f"a key in line {_line(text, position)}")
    return _value(text, position + 1)


def _value(text: bytes, position: int) -> tuple[bytes, int]:
    """A value up to the end of its line; blanks outside quotes count only between other characters."""
    value, kept, quoted = bytearray(), 0, False
    while True:
        char = text[position:position + 1]
        position += 1
        if char in (b"", b"\n"):
            if quoted:
                raise Rejected(f"an open quote in line {_line(text, position - 1)}")
            return bytes(value[:kept]), min(position, len(text))
        if char == b"\\":
            escaped = text[position:position + 1]
            position += 1
            kept = len(value)
            if escaped == b"\n":
                continue
            if escaped not in _ESCAPES:
                raise Rejected(f"an escape in line {_line(text, position - 1)}")
            value += _ESCAPES[escaped]
            kept = len(value)
        elif char == b'"':
            quoted = not quoted
            kept = len(value)
        elif not quoted and char in b"#;":
            return bytes(value[:kept]), _line_end(text, position)
        elif not quoted and char in b" \t\r":
            if value:
                value += char
        else:
            value += char
            kept = len(value)


def emit(entries: list[Entry]) -> bytes:
    """Configuration text that git reads as exactly these entries."""
    lines: list[bytes] = []
    last: tuple[bytes, bytes | None] | None = None
    for section, sub, key, value in entries:
        if (section, sub) != last:
            name = b"" if sub is None else b' "' + sub.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
            lines.append(b"[" + section + name + b"]")
            last = (section, sub)
        safe = value.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\n", b"\\n").replace(b"\t", b"\\t")
        lines.append(b"\t" + key + b' = "' + safe.replace(b"\b", b"\\b") + b'"')
    return b"".join(line + b"\n" for line in lines)


def url(value: bytes, roots: tuple[bytes, ...]) -> bool:
    """Does this address name a repository by a transport that git itself speaks, outside the writable ``roots``?

    A repository below a root is the cell's own work: a push to it would run its hooks.
    """
    if len(value) > 4096 or value.startswith(b"-") or b".." in value.split(b"/")[1:-1]:
        return False
    if value.startswith(b"file:///"):
        value = value[7:]
    if value.startswith(b"/"):
        return (re.fullmatch(_PLAIN_URL, value) is not None and gitrules.inside(value.rstrip(b"/"), (b"/",))
                and not gitrules.inside(value.rstrip(b"/"), roots))
    return _REMOTE_URL.fullmatch(value) is not None or _SCP_URL.fullmatch(value) is not None


def _refspec(value: bytes) -> bool:
    match = _REFSPEC.fullmatch(value)
    return match is not None and all(
        side.count(b"*") <= 1 and not gitrules.refname(side.replace(b"*", b"x")) for side in match.groups())


def sanitize(text: bytes, *, directory: bytes, roots: tuple[bytes, ...]) -> tuple[bytes, tuple[str, ...]]:
    """A configuration for the new git directory ``directory`` (absolute), and the keys that were left out.

    Raises Rejected when the text is not read, or when leaving a key out would make another repository of it: an
    unknown format or extension, a working tree outside ``roots``.
    """
    checks: dict[tuple[bytes, bytes], Callable[[bytes], object]] = {
        **{(b"core", key): _TRUTH.fullmatch for key in (
            b"filemode", b"bare", b"logallrefupdates", b"ignorecase", b"symlinks", b"precomposeunicode")},
        (b"core", b"repositoryformatversion"): re.compile(rb"[01]").fullmatch,
        (b"core", b"worktree"): lambda value: gitrules.module_worktree(value, directory, roots),
        (b"extensions", b"objectformat"): re.compile(rb"sha1|sha256").fullmatch,
        (b"remote", b"url"): lambda value: url(value, roots),
        (b"remote", b"fetch"): _refspec,
        (b"branch", b"remote"): lambda value: value == b"." or _NAME.fullmatch(value),
        (b"branch", b"merge"): lambda value: not gitrules.refname(value),
        (b"submodule", b"url"): lambda value: url(value, roots),
        (b"submodule", b"active"): _TRUTH.fullmatch,
    }
    kept: list[Entry] = []
    left: list[str] = []
    for entry in parse(text):
        section, sub, key, value = entry
        check = checks.get((section, key))
        named = section in (b"remote", b"branch", b"submodule")
        if check is not None and (sub is not None) == named and check(value) and _subsection(section, sub):
            kept.append(entry)
            continue
        words = (section, key) if sub is None else (section, sub, key)
        name = b".".join(words).decode("ascii", "backslashreplace")
        if section == b"extensions" or words in ((b"core", b"repositoryformatversion"), (b"core", b"worktree")):
            raise Rejected(f"{name} is not allowed there")
        left.append(name)
    return emit(kept), tuple(left)


def _subsection(section: bytes, sub: bytes | None) -> bool:
    if sub is None:
        return True
    if section == b"branch":
        return not gitrules.refname(b"refs/heads/" + sub)
    return _NAME.fullmatch(sub) is not None and b".." not in sub


_SEQUENCER_TRUTHS = frozenset((
    b"no-commit", b"edit", b"allow-empty", b"allow-empty-message", b"keep-redundant-commits", b"drop-redundant-commits",
    b"signoff", b"record-origin", b"allow-ff"))


def sequencer_options(text: bytes) -> bool:
    """Are these the options of an interrupted cherry-pick or revert, without strategies, keys or programs?"""
    try:
        entries = parse(text)
    except Rejected:
        return False
    return all(
        section == b"options" and sub is None
        and ((key in _SEQUENCER_TRUTHS and _TRUTH.fullmatch(value)) or (key == b"mainline" and value.isdigit()))
        for section, sub, key, value in entries)
