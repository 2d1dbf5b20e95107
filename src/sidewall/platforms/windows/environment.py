"""A command's variables as Windows wants them: names without case, the plan's start-up floor, one sorted block.

Knows: that names compare without case, which of several wins.  Must not know: processes, where values come from.
"""

from __future__ import annotations

from sidewall.platforms.windows.startup import environment_block

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sidewall.plan.windows_steps import Environment


class Variables:
    """One command's: ``folded`` has upper-case names, ``block`` is what CreateProcess takes."""

    __slots__ = ("block", "folded")

    def __init__(self, named: Mapping[str, tuple[str, str]]) -> None:
        self.folded = {folded: value for folded, (_, value) in named.items()}
        self.block = environment_block(dict(named.values()))


def compose(given: Mapping[bytes, bytes], step: Environment | None, temporary: str) -> Variables:
    """What a command gets: what was given (UTF-8), the plan's floor where that has none, the forced ones over all.

    ``temporary`` is the private directory, for those names of the plan that were not given.

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
    return Variables(named)


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


__all__ = ["Variables", "compose", "own"]
