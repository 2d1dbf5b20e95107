"""The built-in policies by name, and what each of them means as a bound on another policy.

Knows: what the profiles promise.  Must not know: files of configuration, this machine.
On the path of every start: imports nothing but values.
"""

from __future__ import annotations

from sidewall.errors import PolicyError
from sidewall.policy import paths, protect, secrets
from sidewall.policy.model import (
    BUILT_IN,
    DEFAULT_REQUIRE,
    GUARANTEES,
    NETWORK_ON,
    READ,
    WRITE,
    Environ,
    FileRule,
    Network,
    Policy,
    Source,
)
from sidewall.policy.roots import check_writable_root as check_writable_root

READ_ONLY, WORKSPACE, OFFLINE = ":read-only", ":workspace", ":offline"
FULL_READ, STRICT, UNCONFINED = ":full-read", ":strict", ":unconfined"
DEFAULT = WORKSPACE

_MEANING = {
    WORKSPACE: "read all but secrets, write the workspace and a private temporary directory, no network (the default)",
    READ_ONLY: "read all but secrets, write nothing but a private temporary directory, no network",
    OFFLINE: "as :workspace, with the network off whatever the configuration says",
    FULL_READ: "as :workspace, with secrets readable",
    STRICT: "as :workspace, and refuses to run unless every guarantee is enforced",
    UNCONFINED: "no confinement at all",
}

BOUNDS = (WORKSPACE, READ_ONLY, OFFLINE, STRICT)
"""The profiles to which a policy can be bound without being read as a permission."""

_PRIVATE = {paths.POSIX: ("/tmp", "/var/tmp", "/dev/shm"), paths.WINDOWS: ()}


def names() -> tuple[str, ...]:
    """The names of all profiles, the default first."""
    return tuple(_MEANING)


def meaning(name: str) -> str:
    """One line for people.  Raises PolicyError for a name that is none."""
    known(name)
    return _MEANING[name]


def known(name: str) -> str:
    """The name itself.  Raises PolicyError with the names there are."""
    if name not in _MEANING:
        hint = "Use one of " + ", ".join(_MEANING) + "."
        if ":" + name in _MEANING:
            hint = f"Write :{name}."
        raise PolicyError(f"there is no profile {name!r}", hint=hint)
    return name


def build(name: str, *, workspace: str, home: str, flavour: str = paths.POSIX) -> Policy:
    """The policy of a profile.  ``workspace`` and ``home`` are absolute and real, links resolved.

    Raises PolicyError for a name that is none, for a path that is none, and, in a profile that writes the workspace,
    for a workspace that must not be writable (``roots``) or in which secrets lie.
    """
    known(name)
    workspace = paths.validate(workspace, flavour, what="the workspace")
    home = paths.validate(home, flavour, what="the home directory")
    if name == UNCONFINED:
        return Policy(
            name=name, workspace=workspace, home=home, flavour=flavour, network=Network(mode=NETWORK_ON),
            environ=Environ(inherit="all", allow=("*",)), require=(), confined=False,
        )
    rules = secrets.own(home, flavour)
    if name != FULL_READ:
        rules += secrets.rules(home, flavour)
    if name != READ_ONLY:
        _check_writable(workspace, home, flavour)
    _check_secrets(workspace, flavour, rules)
    source = Source(layer=BUILT_IN, key=name)
    rules += (FileRule(path=workspace, access=READ if name == READ_ONLY else WRITE, source=source),)
    for place in _PRIVATE[flavour]:
        if home.startswith(place + "/"):
            # Below the cell's own empty directory nothing of the host is seen but what a rule is about.
            rules += (FileRule(path=home, access=READ, source=source),)
    return Policy(
        name=name, workspace=workspace, home=home, flavour=flavour, files=rules,
        protected=protect.DEFAULT if flavour == paths.POSIX else protect.names(flavour),
        require=GUARANTEES if name == STRICT else DEFAULT_REQUIRE, private=_PRIVATE[flavour],
    )


def constrain(policy: Policy, name: str) -> Policy:
    """The policy, kept within what the profile promises, whatever made it wider.

    ``:read-only`` makes every writable root readable only and takes the network away, ``:offline`` the network,
    ``:strict`` requires all guarantees; the others bound nothing.

    Raises PolicyError for a name that is none.
    """
    known(name)
    if not policy.confined:
        return policy
    if name == READ_ONLY:
        readable = tuple([rule.replace(access=READ) if rule.access == WRITE else rule for rule in policy.files])
        return policy.replace(name=name, files=readable, network=Network(), gitdirs=())
    if name == OFFLINE:
        return policy.replace(name=name, network=Network())
    if name == STRICT:
        return policy.replace(name=name, require=GUARANTEES)
    return policy


def _check_writable(workspace: str, home: str, flavour: str) -> None:
    try:
        check_writable_root(workspace, home, flavour)
    except PolicyError as error:
        raise PolicyError(f"the workspace {error.message}", hint=error.hint) from None


def _check_secrets(workspace: str, flavour: str, rules: tuple[FileRule, ...]) -> None:
    fold = paths.fold_all((workspace,), flavour, wide=True)
    for rule in rules:
        if rule.path == workspace or (flavour != paths.POSIX
                                      and paths.fold_all((rule.path,), flavour, wide=True) == fold):
            raise PolicyError(f"the workspace {workspace} is a place of {rule.source.key} and cannot be one",
                              hint="Change to the directory of one project, or name one.")
