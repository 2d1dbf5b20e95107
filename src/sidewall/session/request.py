"""From a sandbox's arguments to its policy: what was passed, and the layers where nothing complete was.

Knows: which arguments go together.  Must not know: how a configuration file is read (``session.layers`` does).
Nothing is read before the policy is asked for: making a sandbox costs nothing and cannot fail on the machine's state.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError, UsageError
from sidewall.policy.model import GUARANTEES, Policy

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from sidewall.policy.model import Limits

    Path = str | os.PathLike[str]


def policy_resolver(policy: Policy | Path | None, *, workspace: Path | None, profile: str | None,
                    write: Iterable[Path], read: Iterable[Path], deny: Iterable[Path],
                    require: str | Iterable[str] | None,
                    network: str | None, environ: Mapping[str, str] | None,
                    limits: Limits | None) -> Callable[[], Policy]:
    """What gives the policy of these arguments when it is called; relative paths count from the present directory.

    Raises:
        UsageError: a complete policy together with arguments that would make one, or a profile named twice.
    """
    here = _here()
    writes, reads, denials = _paths(write, here), _paths(read, here), _paths(deny, here)
    if isinstance(require, str):
        require = {"all": GUARANTEES, "none": ()}.get(require, (require,))
    demanded = None if require is None else tuple(require)
    if isinstance(policy, Policy):
        given = [name for name, value in (("workspace", workspace), ("profile", profile), ("write", writes),
                                          ("read", reads), ("deny", denials), ("network", network)) if value]
        if given:
            raise UsageError(f"a complete policy was given, and {', '.join(given)} beside it",
                             hint="change the policy itself with policy.replace(...)")
        ready = policy
        return lambda: _with(ready, demanded, environ, limits)
    name, file = profile, ""
    if policy is not None:
        text = os.fspath(policy)
        if text.startswith(":"):
            if profile is not None:
                raise UsageError(f"two profiles were given: {text} and {profile}", hint="give one of them")
            name = text
        else:
            file = os.path.join(here, text)
    place = os.path.join(here, os.fspath(workspace)) if workspace is not None else here

    def resolve() -> Policy:
        if not place:
            raise MachineError("the current directory, which would be the workspace, is gone",
                               hint="change to a directory that exists, or pass workspace=")
        from sidewall.session import layers

        found = layers.load(place, profile=name, write=writes, read=reads, deny=denials, require=demanded,
                            network=network, file=file)
        return _with(found, None, environ, limits)

    return resolve


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""


def _paths(paths: Iterable[Path], here: str) -> tuple[str, ...]:
    if isinstance(paths, (str, os.PathLike)):
        paths = (paths,)
    return tuple([os.path.join(here, os.path.expanduser(os.fspath(path))) for path in paths])


def _with(policy: Policy, require: tuple[str, ...] | None, environ: Mapping[str, str] | None,
          limits: Limits | None) -> Policy:
    """The policy with what is set on top of it."""
    if require is not None:
        policy = policy.replace(require=require)
    if environ:
        kept = tuple([pair for pair in policy.environ.set if pair[0] not in environ])
        policy = policy.replace(environ=policy.environ.replace(set=kept + tuple(environ.items())))
    return policy if limits is None else policy.replace(limits=limits)
