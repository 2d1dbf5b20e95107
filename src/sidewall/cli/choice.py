"""What was chosen on the command line, as the values that the inner rooms take.

Knows: how words become a policy, a time-out, a list of guarantees.  Must not know: how they are used.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError, UsageError
from sidewall.policy.model import GUARANTEES
from sidewall.session import layers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from sidewall.policy.model import Policy


def workspace() -> str:
    """The current directory.  Raises MachineError when it is gone."""
    try:
        return os.getcwd()
    except OSError as error:
        raise MachineError(f"the current directory, which would be the workspace, is gone: {error.strerror}",
                           hint="change to a directory that exists") from None


def seconds(text: str) -> float:
    """A time-out.  Raises UsageError."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value < 1e9:
        raise UsageError(f"--timeout {text}: not a number of seconds above 0")
    return value


def names(text: str) -> tuple[str, ...]:
    """Guarantees out of a list with commas; ``all`` and ``none`` are lists too.  Raises UsageError."""
    if text == "none":
        return ()
    if text == "all":
        return GUARANTEES
    found = tuple(part for part in text.split(",") if part)
    for part in found:
        if part not in GUARANTEES:
            raise UsageError(f"--require: there is no guarantee {part!r}",
                             hint="all, none, or some of: " + ", ".join(GUARANTEES))
    return found


def policy_for(chosen: Mapping[str, Any], workspace: str) -> Policy:
    """The policy of all layers and of the options that shape it.  Raises PolicyError."""
    require = chosen.get("require")
    policy = layers.load(workspace=workspace, profile=chosen.get("profile"), write=chosen.get("write", ()),
                         read=chosen.get("read", ()), deny=chosen.get("deny", ()),
                         require=None if require is None else names(require), network=chosen.get("network"))
    passed = chosen.get("env", ())
    if not passed:
        return policy
    allow = tuple(word for word in passed if "=" not in word)
    values = tuple((word.partition("=")[0], word.partition("=")[2]) for word in passed if "=" in word)
    environ = policy.environ
    return policy.replace(environ=environ.replace(allow=(*environ.allow, *allow), set=(*environ.set, *values)))
