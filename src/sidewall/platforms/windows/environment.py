"""A command's variables as Windows wants them: names without case, the plan's start-up floor, one sorted block.

Knows: that names compare without case, which of several wins.  Must not know: processes, where values come from.
"""

from __future__ import annotations

from sidewall.platforms.windows.startup import environment_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.plan.windows_steps import Environment

SAFE, COUNT = "safe.directory", "GIT_CONFIG_COUNT"


class Variables:
    """One command's: ``folded`` has upper-case names, ``block`` is what CreateProcess takes."""

    __slots__ = ("block", "folded")

    def __init__(self, named: Mapping[str, tuple[str, str]]) -> None:
        self.folded = {folded: value for folded, (_, value) in named.items()}
        self.block = environment_block(dict(named.values()))


def compose(given: Mapping[bytes, bytes], step: Environment | None, temporary: str,
            account: Mapping[str, str] | None = None) -> Variables:
    """What a command gets: what was given (UTF-8), the plan's floor where that has none, the forced ones over all.

    ``temporary`` is the private directory, for those names of the plan that were not given.  ``account`` are the
    variables of whom the command runs as, from which the plan's own names come, whatever was given.

    Of names that differ in case the last one given counts.  Raises ValueError for a name or a value that Windows cannot
    hold.
    """
    named: dict[str, tuple[str, str]] = {}
    for raw, value in given.items():
        name = _text(raw)
        if not name or "=" in name or "\0" in name:
            raise ValueError("illegal environment variable name")
        named[name.upper()] = (name, _checked(_text(value)))
    if step is not None:
        if temporary:
            for name in step.temporary:
                named.setdefault(name.upper(), (name, temporary))
        for name, text in step.floor:
            named.setdefault(name.upper(), (name, text))
        for name, text in step.forced:
            named[name.upper()] = (name, text)
        if account is not None:
            folded = {name.upper(): value for name, value in account.items()}
            for name in step.own:
                named.pop(name.upper(), None)  # the caller's own is not the account's
                if name.upper() in folded:
                    named[name.upper()] = (name, folded[name.upper()])
        _safe(named, step.safe)
    return Variables(named)


def _safe(named: dict[str, tuple[str, str]], directories: tuple[str, ...]) -> None:
    """Tells git, after what the command tells it itself, that these directories are safe though others own them."""
    pairs = [(SAFE, form) for path in directories for form in _forms(path)]
    told = named.get(COUNT, ("", "0"))[1]
    if not pairs or not told.isascii() or not told.isdigit():
        return  # git refuses a count that is none, and says so
    before = int(told)
    for place, pair in enumerate(pairs, before):
        for word, value in zip(("KEY", "VALUE"), pair, strict=True):
            named[f"GIT_CONFIG_{word}_{place}"] = (f"GIT_CONFIG_{word}_{place}", value)
    named[COUNT] = (COUNT, str(before + len(pairs)))


def _forms(path: str) -> tuple[str, str]:
    slashed = path.replace("\\", "/").rstrip("/")
    return slashed, slashed + "/*"


def packed(given: Mapping[bytes, bytes]) -> bytes:
    """Variables as bytes that ``unpacked`` reads.  Raises ValueError for what Windows cannot hold."""
    for name, value in given.items():
        if not name or b"=" in name or b"\0" in name:
            raise ValueError("illegal environment variable name")
        _checked(_text(value))
    return b"\0".join([name + b"=" + value for name, value in given.items()])


def unpacked(data: bytes) -> dict[bytes, bytes]:
    """The variables again.  Raises ValueError for bytes that ``packed`` does not give."""
    found: dict[bytes, bytes] = {}
    for entry in data.split(b"\0") if data else ():
        name, sign, value = entry.partition(b"=")
        if not sign or not name:
            raise ValueError("a variable without a name or a value")
        _text(name)
        _text(value)
        found[name] = value
    return found


def own(step: Environment | None, temporary: str) -> dict[bytes, bytes]:
    """The variables of a cell that its caller may set otherwise."""
    names = step.temporary if step is not None and temporary else ()
    return {b"SIDEWALL": b"1", **{name.encode(): temporary.encode("utf-8", "surrogatepass") for name in names}}


def _text(raw: bytes) -> str:
    # What os.fsencode makes of a text on Windows, lone surrogates too.
    return raw.decode("utf-8", "surrogatepass")


def _checked(value: str) -> str:
    if "\0" in value:
        raise ValueError("embedded null byte")
    return value


__all__ = ["Variables", "compose", "own", "packed", "unpacked"]
