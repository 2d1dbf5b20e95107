"""Patterns over whole paths: ``**`` directories, ``*`` and ``?`` within a name, ``[a-z]`` and ``[!a-z]`` a character.

Knows: how a pattern is read and matched, and which of two is more specific.  Must not know: files; what a match means.
The dialect is the one of gitignore(5) for anchored patterns, with two differences: a leading dot is nothing special
in either, and ``dir/**`` takes ``dir`` itself as well, since patterns here only deny.

A pattern is absolute.  On POSIX a backslash takes the meaning from ``*``, ``?``, ``[``, ``]`` and itself; on Windows it
separates names, and letters match without regard to case.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Token: TypeAlias = str | tuple[bool, tuple[tuple[str, str], ...]] | None
    """One step of a name's pattern: a character, a set (negated?, ranges), or None for ``*``; ``?`` is an empty,
    negated set."""
    Name: TypeAlias = tuple[Token, ...] | None
    """The pattern of one name; None for ``**``."""

ANY: Token = (True, ())
_SPECIAL = "*?[]\\"


def has_magic(text: str, flavour: str = paths.POSIX) -> bool:
    """Whether the text holds a ``*``, ``?`` or ``[`` that no backslash takes its meaning from."""
    skip = False
    for char in text:
        if skip:
            skip = False
        elif char == "\\" and flavour == paths.POSIX:
            skip = True
        elif char in "*?[":
            return True
    return False


def unescape(text: str, flavour: str = paths.POSIX) -> str:
    """The text that the pattern without magic stands for."""
    if "\\" not in text or flavour != paths.POSIX:
        return text
    plain = []
    index = 0
    while index < len(text):
        if text[index] == "\\" and text[index + 1 : index + 2] and text[index + 1] in _SPECIAL:
            index += 1
        plain.append(text[index])
        index += 1
    return "".join(plain)


def escape(text: str) -> str:
    """The POSIX pattern that matches exactly this text."""
    return "".join("\\" + char if char in _SPECIAL else char for char in text)


class Pattern:
    """A pattern, read once.

    ``text`` is the pattern, normalised; ``literal`` the key of the names before the first magic one.
    Raises PolicyError when it is not absolute, holds ``..`` or a NUL, or a ``[`` without its ``]``.
    """

    __slots__ = ("_flavour", "_names", "literal", "text")

    def __init__(self, text: str, flavour: str = paths.POSIX) -> None:
        root, rest = _root(text, flavour)
        separator = "/" if flavour == paths.POSIX else "\\"
        names = [name for name in paths.split_names(rest, flavour) if name != "."]
        if ".." in names:
            raise PolicyError(f"the pattern {text!r} holds '..'", hint="Write the directory that it leads to.")
        self.text = root + separator.join(names)
        self._flavour = flavour
        self._names: tuple[Name, ...] = tuple([_read(name, flavour, text) for name in names])
        before = []
        for name in names:
            if has_magic(name, flavour):
                break
            before.append(unescape(name, flavour))
        self.literal = paths.fold_all((root, *before), flavour, wide=True)

    def covers(self, path: str) -> bool:
        """Whether the pattern matches the path or a directory above it.  Raises PolicyError for a path that is none."""
        return self.covers_key(paths.key(path, self._flavour, wide=True))

    def covers_key(self, key: tuple[str, ...]) -> bool:
        """As ``covers``, of a path's wide key."""
        return key[: len(self.literal)] == self.literal and _covers(self._names, key[1:])

    def matches(self, path: str) -> bool:
        """Whether the pattern matches the path itself, not only a directory above it.  Raises PolicyError."""
        key = paths.key(path, self._flavour, wide=True)
        if key[: len(self.literal)] != self.literal:
            return False
        return len(key) - 1 in _ends(self._names, key[1:])

    def specificity(self) -> tuple[int, int, str]:
        """More is more specific: names before the first magic one, then plain characters, then the text itself."""
        plain = sum(isinstance(token, str) for name in self._names if name is not None for token in name)
        return (len(self.literal), plain, self.text)


def matches(pattern: str, path: str, flavour: str = paths.POSIX) -> bool:
    """Whether an absolute pattern matches an absolute path as a whole.  Raises PolicyError."""
    return Pattern(pattern, flavour).matches(path)


def covers(pattern: str, path: str, flavour: str = paths.POSIX) -> bool:
    """Whether an absolute pattern matches an absolute path or a directory above it.  Raises PolicyError."""
    return Pattern(pattern, flavour).covers(path)


def matches_name(pattern: str, name: str) -> bool:
    """Whether ``*``, ``?`` and ``[...]`` match this one word as a whole: of variables, not of files.

    Raises PolicyError for a ``[`` without its ``]``.
    """
    if pattern == "*":
        return True
    return _name_matches(_tokens(pattern, paths.POSIX, pattern), name)


def _root(text: str, flavour: str) -> tuple[str, str]:
    if "\0" in text:
        raise PolicyError(f"the pattern {text!r} holds a NUL character", hint="No file has such a name.")
    if flavour == paths.POSIX:
        if not text.startswith("/"):
            raise PolicyError(f"the pattern {text!r} is not absolute", hint="Start it with '/'.")
        return "/", text[1:]
    head = text.replace("/", "\\")
    depth = 4 if head.startswith("\\\\") else 1
    names = head.split("\\", depth)
    if has_magic("\\".join(names[:depth]), flavour):
        raise PolicyError(f"the pattern {text!r} is not absolute", hint="Start it with a drive: C:\\...")
    root = paths.parts("\\".join(names[:depth]) + "\\", flavour)[0]
    return root, names[depth] if len(names) > depth else ""


def _read(name: str, flavour: str, text: str) -> Name:
    if name == "**":
        return None
    if flavour == paths.WINDOWS:
        name = name if has_magic(name, flavour) else name.rstrip(" .") or name
        name = paths.fold_all((name,), flavour, wide=True)[0]
    return _tokens(name, flavour, text)


def _tokens(name: str, flavour: str, text: str) -> tuple[Token, ...]:
    tokens: list[Token] = []
    index = 0
    while index < len(name):
        char = name[index]
        index += 1
        if char == "*":
            if not tokens or tokens[-1] is not None:
                tokens.append(None)
        elif char == "?":
            tokens.append(ANY)
        elif char == "[":
            index, chosen = _set(name, index, flavour, text)
            tokens.append(chosen)
        elif char == "\\" and flavour == paths.POSIX and name[index : index + 1] and name[index] in _SPECIAL:
            tokens.append(name[index])
            index += 1
        else:
            tokens.append(char)
    return tuple(tokens)


def _set(name: str, index: int, flavour: str, text: str) -> tuple[int, Token]:
    """Reads a set from behind its ``[``; a ``]`` that comes first stands for itself."""
    negated = name.startswith(("!", "^"), index)
    if negated:
        index += 1
    ranges: list[tuple[str, str]] = []
    first = True
    while True:
        if name[index : index + 1] == "]" and not first:
            return index + 1, (negated, tuple(ranges))
        low, index = _member(name, index, flavour, text)
        first = False
        high = low
        if name[index : index + 1] == "-" and name[index + 1 : index + 2] not in ("", "]"):
            high, index = _member(name, index + 1, flavour, text)
        if low <= high:
            ranges.append((low, high))


def _member(name: str, index: int, flavour: str, text: str) -> tuple[str, int]:
    if index < len(name) and name[index] == "\\" and flavour == paths.POSIX:
        index += 1
    if index >= len(name):
        raise PolicyError(f"the pattern {text!r} opens a '[' and does not close it",
                          hint="Write \\[ for the character itself." if flavour == paths.POSIX else "Close it with ].")
    return name[index], index + 1


def _covers(names: tuple[Name, ...], words: tuple[str, ...]) -> bool:
    return bool(_ends(names, words))


def _ends(names: tuple[Name, ...], words: tuple[str, ...]) -> set[int]:
    """After how many words the whole pattern can have matched: a walk over all states at once, never exponential."""
    reached = {0}
    for name in names:
        if name is None:
            reached = set(range(min(reached), len(words) + 1))
        else:
            reached = {at + 1 for at in reached if at < len(words) and _name_matches(name, words[at])}
        if not reached:
            break
    return reached


def _name_matches(tokens: tuple[Token, ...], word: str) -> bool:
    """Greedy with one point of return: the last ``*`` is the only one that ever needs to take more."""
    token = char = 0
    star, after = -1, 0
    while char < len(word):
        if token < len(tokens) and tokens[token] is None:
            star, after = token, char
            token += 1
        elif token < len(tokens) and _takes(tokens[token], word[char]):
            token += 1
            char += 1
        elif star >= 0:
            after += 1
            token, char = star + 1, after
        else:
            return False
    while token < len(tokens) and tokens[token] is None:
        token += 1
    return token == len(tokens)


def _takes(token: Token, char: str) -> bool:
    if token is None:
        return False
    if isinstance(token, str):
        return token == char
    negated, ranges = token
    return any(low <= char <= high for low, high in ranges) != negated
