"""The quick parser for ``run`` and ``shell``: options up to the command, then the command as it is.

Knows: the shape of options.  Must not know: what they do.  ``argparse`` takes longer to import than the sandbox takes
to open, so the verbs that start a command are parsed here, from the same table.
"""

from __future__ import annotations

from sidewall.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from sidewall.cli.options import Option

HELP = "help"


def scan(options: Sequence[Option], words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Options in front of the command, and the command.

    Options end at ``--`` or at the first word that is no option.  ``--name VALUE`` and ``--name=VALUE`` are the same;
    names are never abbreviated.  The result holds only what was given: a string, a list of strings for an option that
    may be repeated, True for a switch; ``help`` is True for ``-h`` and ``--help``.
    Raises UsageError.
    """
    by_word: dict[str, Option] = {}
    for option in options:
        by_word["--" + option.name] = option
        if option.short:
            by_word["-" + option.short] = option
    found: dict[str, Any] = {}
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        if word == "--":
            break
        if not word.startswith("-") or word == "-":
            at -= 1
            break
        if word in ("-h", "--help"):
            found[HELP] = True
            break
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        known = by_word.get(name)
        if known is None:
            raise UsageError(f"unknown option {name}", hint=_nearest(name, by_word))
        if not known.metavar:
            if equals:
                raise UsageError(f"{name} takes no value")
            found[known.key] = True
            continue
        if not equals:
            if at == len(words):
                raise UsageError(f"{name} needs a value: {name} {known.metavar}")
            value = words[at]
            at += 1
        _put(found, known, value, name)
    return found, list(words[at:])


def _put(found: dict[str, Any], option: Option, value: str, name: str) -> None:
    if not value:
        raise UsageError(f"{name} needs a value: {name} {option.metavar}")
    if option.choices and value not in option.choices:
        raise UsageError(f"{name}: {value!r} is not one of {', '.join(option.choices)}")
    if option.many:
        found.setdefault(option.key, []).append(value)
    else:
        found[option.key] = value


def _nearest(name: str, known: Mapping[str, Option]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, known, 1)
    return f"did you mean {close[0]}?" if close else "put -- in front of the command; options: " + " ".join(known)


def environment(options: Sequence[Option], environ: Mapping[str, str], separator: str) -> dict[str, Any]:
    """The same options out of ``SIDEWALL_*`` variables, in the same shape.  An empty variable counts as absent.

    A switch is on for any value but ``0``, ``no``, ``off`` and ``false``.  Raises UsageError.
    """
    found: dict[str, Any] = {}
    for option in options:
        value = environ.get(option.env, "") if option.env else ""
        if not value:
            continue
        if not option.metavar:
            if value.lower() not in ("0", "no", "off", "false"):
                found[option.key] = True
            continue
        for part in value.split(separator) if option.many else (value,):
            if part:
                _put(found, option, part, option.env)
    return found


def together(environment_values: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Both sources: the command line replaces a single value and adds to a list."""
    merged = dict(environment_values)
    for key, value in given.items():
        before = merged.get(key)
        merged[key] = [*before, *value] if isinstance(value, list) and isinstance(before, list) else value
    return merged
