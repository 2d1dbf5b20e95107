"""Lexical paths in two flavours: what a path says, without asking a file system.

Knows: how POSIX (the Open Group's "Pathname Resolution") and Win32 ("Naming Files, Paths, and Namespaces") read a
path: dot segments, doubled separators, case, trailing dots and spaces, alternate streams, short (8.3) names, UNC,
``\\\\?\\`` and device names.  Must not know: links, mounts, what exists.

A lexical answer is only as good as the path is plain.  What can mean another place than it says (``a/../b`` when
``a`` is a link, ``GIT~1``, a device namespace) has a *doubt*: rules with a doubt are refused, requests denied.

Two foldings of case make Windows comparisons pessimistic both ways: ``narrow`` joins only what the file system's own
upper-case table surely joins (used where a match allows), ``wide`` joins all that any table could (where it denies).
"""

from __future__ import annotations

from sidewall.errors import PolicyError

POSIX, WINDOWS = "posix", "windows"
FLAVOURS = (POSIX, WINDOWS)

_DEVICES = frozenset(
    ("CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$", "CLOCK$")
    + tuple(f"{name}{digit}" for name in ("COM", "LPT") for digit in "0123456789¹²³")
)
_FORBIDDEN = frozenset('<>"|?*')


def normalise(path: str, flavour: str = POSIX) -> str:
    """The path without dot segments, doubled separators, streams, trailing dots and spaces; ``..`` is folded lexically.

    Idempotent.  Case is kept; a drive letter becomes upper case.
    Raises PolicyError for an empty or relative path, a NUL, and a Windows device or namespace path.
    """
    root, names, _ = _parse(path, flavour)
    return root + ("/" if flavour == POSIX else "\\").join(names)


def validate(path: str, flavour: str = POSIX, *, what: str = "the path") -> str:
    """The normalised path of a rule, which must have one meaning only.

    Raises PolicyError that names ``what`` when the path is empty, relative or holds a NUL or a doubt.
    """
    try:
        root, names, doubt = _parse(path, flavour)
    except PolicyError as error:
        raise PolicyError(f"{what} {path!r}: {error.message}", hint=error.hint) from None
    if doubt:
        raise PolicyError(f"{what} {path!r}: {doubt}", hint="Give the full path, as the system itself would print it.")
    return root + ("/" if flavour == POSIX else "\\").join(names)


def doubt(path: str, flavour: str = POSIX) -> str:
    """Why this path may mean another place than it says, as a phrase; '' when it is plain."""
    try:
        return _parse(path, flavour)[2]
    except PolicyError as error:
        return error.message


def parts(path: str, flavour: str = POSIX) -> tuple[str, ...]:
    """The root (``/``, ``C:\\``, ``\\\\server\\share\\``) and then each name.  Raises PolicyError as ``normalise``."""
    root, names, _ = _parse(path, flavour)
    return (root, *names)


def depth(path: str, flavour: str = POSIX) -> int:
    """How many names stand below the root.  Raises PolicyError as ``normalise``."""
    return len(_parse(path, flavour)[1])


def key(path: str, flavour: str = POSIX, *, wide: bool = False) -> tuple[str, ...]:
    """``parts`` in a form whose equality is identity of the place.  Raises PolicyError as ``normalise``."""
    return fold_all(parts(path, flavour), flavour, wide=wide)


def fold_all(names: tuple[str, ...], flavour: str, *, wide: bool = False) -> tuple[str, ...]:
    """Each name with its case folded as the flavour compares it."""
    if flavour == POSIX:
        return names
    fold = _wide if wide else _narrow
    return tuple([fold(name) for name in names])


def is_within(path: str, root: str, flavour: str = POSIX, *, wide: bool = False) -> bool:
    """Whether ``path`` is ``root`` or lies below it, lexically.  Raises PolicyError as ``normalise``."""
    inner, outer = key(path, flavour, wide=wide), key(root, flavour, wide=wide)
    return inner[: len(outer)] == outer


def join(base: str, relative: str, flavour: str = POSIX) -> str:
    """``relative`` seen from the directory ``base``, normalised; an absolute path stays itself.

    Leading ``..`` climb from ``base``; a ``..`` after a name is refused, since the name may be a link.
    Raises PolicyError.
    """
    if is_absolute(relative, flavour):
        return validate(relative, flavour)
    if not relative or "\0" in relative:
        return validate(relative, flavour)
    if flavour == WINDOWS and (relative[:1] in "\\/" or relative[1:2] == ":"):
        raise PolicyError(
            f"{relative!r} depends on the current drive or directory", hint="Write the drive and all directories."
        )
    above = list(parts(base, flavour))
    below = split_names(relative, flavour)
    while below and below[0] in ("..", "."):
        if below.pop(0) == ".." and len(above) > 1:
            above.pop()
    separator = "/" if flavour == POSIX else "\\"
    return validate(above[0] + separator.join(above[1:] + below), flavour)


def is_absolute(path: str, flavour: str = POSIX) -> bool:
    """Whether the path starts at a root, in any spelling (a namespace path counts)."""
    if flavour == POSIX:
        return path.startswith("/")
    head = path.replace("/", "\\")
    return head.startswith(("\\\\", "\\??\\")) or (head[1:3] == ":\\" and head[0].isalpha())


def split_names(text: str, flavour: str = POSIX) -> list[str]:
    """The text between separators, empty pieces left out; nothing is folded."""
    if flavour == WINDOWS:
        text = text.replace("/", "\\")
    return [name for name in text.split("/" if flavour == POSIX else "\\") if name]


def parent(path: str, flavour: str = POSIX) -> str:
    """The directory that holds the path; a root is its own parent.  Raises PolicyError as ``normalise``."""
    root, names, _ = _parse(path, flavour)
    return root + ("/" if flavour == POSIX else "\\").join(names[:-1])


def _parse(path: str, flavour: str) -> tuple[str, list[str], str]:
    """Root, names, doubt."""
    if flavour == POSIX:
        return _parse_posix(path)
    if flavour == WINDOWS:
        return _parse_windows(path)
    raise PolicyError(f"{flavour!r} is not a flavour of paths", hint="Use 'posix' or 'windows'.")


def _parse_posix(path: str) -> tuple[str, list[str], str]:
    _refuse_plainly_wrong(path)
    if path[0] != "/":
        raise PolicyError("is not an absolute path", hint="Start it with '/'.")
    names: list[str] = []
    unsure = ""
    for name in path.split("/"):
        if name == "" or name == ".":
            continue
        if name == "..":
            if names:
                unsure = f"'..' after {names.pop()!r} leads elsewhere when that is a link"
            continue
        names.append(name)
    return "/", names, unsure


def _parse_windows(path: str) -> tuple[str, list[str], str]:
    _refuse_plainly_wrong(path)
    root, rest, verbatim = _windows_root(path)
    names: list[str] = []
    unsure = ""
    for name in rest.split("\\"):
        if name == "" or (name == "." and not verbatim):
            continue
        if name == ".." and not verbatim:
            if names:
                unsure = unsure or f"'..' after {names.pop()!r} leads elsewhere when that is a link"
            continue
        plain, why = _plain_name(name)
        if verbatim and plain != name:
            raise PolicyError(f"the name {name!r} after \\\\?\\ means itself, which other programs cannot name")
        unsure = unsure or why
        names.append(plain)
    return root, names, unsure


def _refuse_plainly_wrong(path: str) -> None:
    if not path:
        raise PolicyError("is empty", hint="Name a directory or a file.")
    if "\0" in path:
        raise PolicyError("holds a NUL character", hint="No file has such a name.")


def _windows_root(path: str) -> tuple[str, str, bool]:
    """The root, what follows it, and whether the path is verbatim (``\\\\?\\``)."""
    text = path.replace("/", "\\")
    verbatim = False
    if text.startswith(("\\\\?\\", "\\\\.\\", "\\??\\")):
        if path.startswith("\\\\?\\UNC\\") and "/" not in path:
            text, verbatim = "\\\\" + path[8:], True
        elif path.startswith("\\\\?\\") and path[5:7] == ":\\" and "/" not in path:
            text, verbatim = path[4:], True
        else:
            raise PolicyError("is a device or namespace path", hint="Write it from its drive letter: C:\\...")
    if text.startswith("\\\\"):
        server, _, rest = text[2:].partition("\\")
        share, _, rest = rest.partition("\\")
        if not server or not share or server in (".", "?", "..") or share in (".", ".."):
            raise PolicyError("is not a complete network path", hint="Write \\\\server\\share\\directory.")
        return f"\\\\{server}\\{share}\\", rest, verbatim
    if text[1:3] == ":\\" and text[0].isascii() and text[0].isalpha():
        return f"{text[0].upper()}:\\", text[3:], verbatim
    raise PolicyError("is not an absolute path", hint="Start it with a drive: C:\\...")


def _plain_name(name: str) -> tuple[str, str]:
    """The directory entry that Win32 opens for ``name`` (no stream, no trailing dots or spaces), and a doubt."""
    plain = name.partition(":")[0].rstrip(" .")
    if not plain:
        raise PolicyError(f"{name!r} names nothing", hint="Leave it out.")
    stem = plain.partition(".")[0].rstrip(" ").upper()
    if stem in _DEVICES:
        raise PolicyError(f"{name!r} is the name of a device", hint="Use another name.")
    if any(char in _FORBIDDEN or char < " " for char in plain):
        return plain, f"{name!r} holds a character that no Windows name has"
    if _may_be_short(plain):
        return plain, f"{name!r} may be the short (8.3) name of something else"
    return plain, ""


def _may_be_short(name: str) -> bool:
    """Whether the file system may have made this name for another: ``ABCDEF~1.EXT``."""
    stem, _, extension = name.partition(".")
    head, tilde, number = stem.rpartition("~")
    return (
        bool(tilde) and len(stem) <= 8 and len(extension) <= 3 and bool(head)
        and "." not in extension and number.isascii() and number.isdigit()
    )


def _narrow(name: str) -> str:
    if name.isascii():
        return name.upper()
    folded = []
    for char in name:
        upper = char.upper()
        folded.append(upper if len(upper) == 1 and upper.lower() == char else char)
    return "".join(folded)


def _wide(name: str) -> str:
    if name.isascii():
        return name.upper()
    folded = []
    for char in name:
        upper = char.casefold().upper()
        folded.append(upper if len(upper) == 1 else char)
    return "".join(folded)
