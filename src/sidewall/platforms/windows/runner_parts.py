"""The parts of a plan that the runner carries out, as what a frame's head can hold, and back again.

Knows: the fields of ``TokenRecipe``, ``Job``, ``Desktop`` and ``Environment``, and which values each may have.  Must
not know: how a part is carried out, where the frame came from.

Reading is strict: a part with a field too many, of another type, or with a SID or a descriptor that does not read, is
refused as a whole.  What is read is equal to what was written.
"""

from __future__ import annotations

from sidewall.nt.errors import NtError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan.windows_steps import Desktop, Environment, Job, TokenRecipe
from sidewall.platforms.frames import FrameError
from sidewall.platforms.windows.runner_messages import CODE, exactly, number, several, text
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.platforms.windows.runner_messages import Check

BASES = ("user", "account")
MOST = 4096
"""Entries of one list."""
_SIDS = several(text(200), MOST)
_PAIRS = several(exactly(text(), text()), MOST)
_NAMES = several(text(1000), MOST)
_BYTES = number(0, 2**63 - 1)

SHAPES: dict[type[Record], dict[str, Check]] = {
    TokenRecipe: {
        "base": lambda value: value in BASES, "user": text(200), "groups": several(exactly(text(200), CODE), MOST),
        "flags": CODE, "disable": _SIDS, "restricting": _SIDS, "default_dacl": text(), "integrity": CODE,
        "privileges": _NAMES,
    },
    Job: {"flags": CODE, "processes": CODE, "memory_bytes": _BYTES},
    Desktop: {"station": text(), "desktop": text()},
    Environment: {"floor": _PAIRS, "forced": _PAIRS, "own": _NAMES, "temporary": _NAMES, "safe": several(text(), MOST)},
}


class Parts(Record):
    """What the runner is told of a plan.  ``desktop`` is None where the owner knows that there can be none."""

    recipe: TokenRecipe
    job: Job
    desktop: Desktop | None
    environment: Environment


def told(parts: Parts) -> dict[str, Any]:
    """The parts as fields of a head."""
    desktop = parts.desktop.to_dict() if parts.desktop is not None else None
    return {"recipe": parts.recipe.to_dict(), "job": parts.job.to_dict(), "desktop": desktop,
            "environment": parts.environment.to_dict()}


def read(head: dict[str, Any]) -> Parts:
    """The parts that a head holds.  Raises FrameError."""
    try:
        return Parts(recipe=_recipe(_fields(TokenRecipe, head["recipe"])), job=Job(**_fields(Job, head["job"])),
                     desktop=_desktop(head["desktop"]), environment=_environment(head["environment"]))
    except NtError as error:
        raise FrameError(f"a part of the plan does not read: {error.message}") from None


def _fields(kind: type[Record], value: dict[str, Any]) -> dict[str, Any]:
    shape = SHAPES[kind]
    if value.keys() != shape.keys():
        raise FrameError(f"a {kind.__name__} has not the fields that it must have")
    for name, check in shape.items():
        if not check(value[name]):
            raise FrameError(f"a {kind.__name__} has a {name!r} that cannot be")
    return value


def _recipe(value: dict[str, Any]) -> TokenRecipe:
    parse(value["default_dacl"])
    return TokenRecipe(
        base=value["base"], user=Sid(value["user"]), groups=tuple([(Sid(sid), bits) for sid, bits in value["groups"]]),
        flags=value["flags"], disable=tuple(map(Sid, value["disable"])),
        restricting=tuple(map(Sid, value["restricting"])), default_dacl=value["default_dacl"],
        integrity=value["integrity"], privileges=tuple(value["privileges"]),
    )  # fmt: skip


def _desktop(value: dict[str, Any] | None) -> Desktop | None:
    if value is None:
        return None
    fields = _fields(Desktop, value)
    for descriptor in fields.values():
        parse(descriptor)
    return Desktop(**fields)


def _environment(value: dict[str, Any]) -> Environment:
    fields = _fields(Environment, value)

    def pairs(name: str) -> tuple[tuple[str, str], ...]:
        return tuple([(one, other) for one, other in fields[name]])

    return Environment(floor=pairs("floor"), forced=pairs("forced"), own=tuple(fields["own"]),
                       temporary=tuple(fields["temporary"]), safe=tuple(fields["safe"]))


__all__ = ["Parts", "read", "told"]
