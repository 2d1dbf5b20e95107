"""From this machine's configuration to the policy in force: which files are read, in which order, and who is trusted.

Knows: where configuration and trust lie, and how such files are opened safely.  Must not know: what a clause means
(``config``, ``policy.merge``) or how a policy is enforced.

Layers, each over the one before: the built-in profile, the machine (``/etc/sidewall/config.toml``), the user
(``~/.config/sidewall/config.toml``), the project (``sidewall.toml`` in the workspace itself), the command line.  The
project's file may only narrow unless the user trusted exactly this content.  A file that is there and cannot be read,
or is wrong, stops everything: nothing runs under a policy that nobody wrote.

On the path of every start: where no file exists, neither a parser nor ``config`` is imported.
"""

from __future__ import annotations

import os
import stat

from sidewall.errors import ConfigError, PolicyError, UsageError
from sidewall.policy import paths, profiles, secrets
from sidewall.policy.model import (
    COMMAND_LINE,
    DENY,
    GUARANTEES,
    MACHINE,
    PROJECT,
    READ,
    USER,
    WRITE,
    FileRule,
    Policy,
    Request,
    Source,
)
from sidewall.session import configfiles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from sidewall.policy.merge import Overlay

PROJECT_FILE = "sidewall.toml"
CONFIG_VARIABLE = "SIDEWALL_CONFIG"
"""Names a file to read instead of the user's; empty for none."""


def load(workspace: str | None = None, *, profile: str | None = None, write: Iterable[str] = (),
         read: Iterable[str] = (), deny: Iterable[str] = (), require: str | Iterable[str] | None = None,
         network: str | None = None, file: str = "", environ: Mapping[str, str] | None = None,
         home: str | None = None, system: str | None = None) -> Policy:
    """The policy of all layers for this workspace (default: the current directory).

    ``profile`` chooses the base and keeps the files below the command line within it.  ``write``, ``read`` and
    ``deny`` are paths, relative ones from the current directory; ``deny`` may hold patterns.  ``require`` is ``all``,
    ``none`` or names; ``network`` a mode.  ``file`` is a policy file that takes the place of the user's and the
    project's.  ``system`` is the machine's file ('' for none).  Links are resolved: the policy holds real paths.

    Raises:
        ConfigError: a file is wrong, unreadable, no regular file, or widens without being trusted.
        UsageError: an argument is wrong, or the workspace is no directory.
        PolicyError: the profile cannot be had in this workspace.
    """
    flavour = paths.WINDOWS if os.name == "nt" else paths.POSIX
    variables = os.environ if environ is None else environ
    here = _directory(workspace)
    base = os.path.realpath(home or configfiles.home(variables))
    if profile is not None:
        profiles.known(profile)
    options = _options(profile, write, read, deny, require, network, here, base, flavour)
    if profile == profiles.UNCONFINED:
        if options is not None and (options.files or options.mode or options.require):
            raise UsageError(f"{profile} confines nothing, and other rules were given beside it",
                             hint="Leave the profile out, or the rules.")
        return profiles.build(profile, workspace=here, home=base, flavour=flavour)
    overlays: list[Overlay] = []
    machine = configfiles.machine_file() if system is None else system
    chosen = variables.get(CONFIG_VARIABLE)
    settings = configfiles.config_home(variables, base)
    user = os.path.join(settings, configfiles.CONFIG_FILE) if chosen is None else chosen
    if file:
        places = [(MACHINE, machine, False), (COMMAND_LINE, os.path.abspath(file), True)]
    else:
        places = [(MACHINE, machine, False), (USER, user, chosen is not None),
                  (PROJECT, os.path.join(here, PROJECT_FILE), False)]
    for layer, name, must in places:
        if layer == MACHINE and system is None:
            text = configfiles.read_machine(name)
        else:
            text = configfiles.read(name, must=must, anyone=layer == PROJECT) if name else None
        if text is not None:
            overlays.append(_parse(text, name, layer, here, base, flavour, variables))
    named, overlays = _base(profile, overlays)
    policy = profiles.build(named, workspace=here, home=base, flavour=flavour)
    policy = _with_places(policy, (settings, configfiles.state_home(variables, base)))
    if overlays:
        from sidewall.policy.merge import merge

        policy = merge(policy, [_resolved(each, here) for each in overlays])
    if profile is not None:
        policy = profiles.constrain(policy, profile)
    if options is not None:
        from sidewall.policy.merge import apply

        policy = apply(policy, _resolved(options, here))
    return _with_git(policy)


def state_directory(environ: Mapping[str, str] | None = None, home: str | None = None) -> str:
    """Where Sidewall keeps its state for this user; the directory need not exist."""
    variables = os.environ if environ is None else environ
    return configfiles.state_home(variables, os.path.realpath(home or configfiles.home(variables)))


def _base(profile: str | None, overlays: list[Overlay]) -> tuple[str, list[Overlay]]:
    """The profile to start from, and the layers without the profiles that a higher authority replaced."""
    if profile is not None:
        return profile, [each.replace(extends="") if each.trusted else each for each in overlays]
    choosing = [at for at, each in enumerate(overlays) if each.trusted and each.extends]
    if not choosing:
        return profiles.DEFAULT, overlays
    last = choosing[-1]
    return overlays[last].extends, [
        each.replace(extends="") if at < last and each.trusted else each for at, each in enumerate(overlays)
    ]


def _parse(text: bytes, name: str, layer: str, workspace: str, home: str, flavour: str,
           variables: Mapping[str, str]) -> Overlay:
    from sidewall.config import native

    known = True
    if layer == PROJECT:
        from sidewall.session import trust

        known = trust.is_trusted(name, text, state=configfiles.state_home(variables, home))
    place = native.Place(base=os.path.dirname(os.path.realpath(name)), workspace=workspace, home=home, flavour=flavour)
    return native.parse(text, place, file=name, layer=layer, trusted=known)


def _directory(workspace: str | None) -> str:
    """The workspace's real path.  Raises UsageError when it is not a directory."""
    if workspace is None:
        try:
            return os.getcwd()
        except OSError as error:
            raise UsageError(f"the current directory is gone ({error.strerror})",
                             hint="Change to a directory that exists.") from None
    if not workspace or "\0" in workspace:
        raise UsageError(f"the workspace {workspace!r} is not a path", hint="Name a directory.")
    real = os.path.realpath(workspace)
    try:
        mode = os.stat(real).st_mode
    except OSError as error:
        raise UsageError(f"the workspace {workspace} cannot be opened: {error.strerror}",
                         hint="Name a directory that exists.") from None
    if not stat.S_ISDIR(mode):
        raise UsageError(f"the workspace {workspace} is not a directory", hint="Name the directory that holds it.")
    return real


def _options(profile: str | None, write: Iterable[str], read: Iterable[str], deny: Iterable[str],
             require: str | Iterable[str] | None, network: str | None, workspace: str, home: str,
             flavour: str) -> Overlay | None:
    """The command line as a layer; None when it says nothing.  Raises UsageError."""
    rules: list[FileRule] = []
    for access, entries in ((WRITE, write), (READ, read), (DENY, deny)):
        for entry in (entries,) if isinstance(entries, str) else entries:
            rules += _rules(os.fspath(entry), access, flavour)
    required: tuple[str, ...] | None = None
    if require is not None:
        listed = {"all": GUARANTEES, "none": ()}
        if isinstance(require, str):
            required = listed[require] if require in listed else tuple(filter(None, require.split(",")))
        else:
            required = tuple(require)
    if not rules and required is None and network is None:
        return None
    from sidewall.policy.merge import Overlay

    return Overlay(source=Source(layer=COMMAND_LINE), files=tuple(rules), mode=network or "", require=required)


def _rules(text: str, access: str, flavour: str) -> list[FileRule]:
    """An option's path as rules: a denied pattern also stands for the path of just these characters."""
    source = Source(layer=COMMAND_LINE, key=f"--{access}")
    if not text or "\0" in text:
        raise UsageError(f"--{access} {text!r}: not a path", hint="Name a directory or a file.")
    here = "" if os.path.isabs(text) else _directory(None)
    full = os.path.join(here, text)
    if access == DENY:
        from sidewall.policy import globs

        if globs.has_magic(text, flavour):
            escaped = globs.escape(here) if flavour == paths.POSIX else here
            try:
                pattern = globs.Pattern(os.path.join(escaped, text), flavour)
            except PolicyError as error:
                raise UsageError(f"--deny: {error.message}", hint=error.hint) from None
            found = [FileRule(path=pattern.text, access=DENY, source=source, glob=True)]
            if os.path.lexists(full):
                found.append(FileRule(path=os.path.normpath(full), access=DENY, source=source))
            return found
        if not os.path.lexists(full):
            full = globs.unescape(full, flavour)
    plain = os.path.normpath(full)
    if os.path.realpath(full) != os.path.realpath(plain):
        raise UsageError(f"--{access} {text}: '..' follows a link and leads elsewhere than it seems",
                         hint=f"Write {os.path.realpath(full)} if you mean that.")
    return [FileRule(path=plain, access=access, source=source)]


def _resolved(overlay: Overlay, workspace: str) -> Overlay:
    """The layer with links followed: what is denied is denied under both names, what is given is given where it lies.

    A link inside the workspace may have been made by an earlier command: it gives nothing outside the workspace.
    Raises ConfigError or UsageError.
    """
    found: list[FileRule] = []
    for rule in overlay.files:
        real = rule.path if rule.glob else os.path.realpath(rule.path)
        if real != rule.path:
            if rule.access == DENY:
                found.append(rule)
            elif _inside(rule.path, workspace) and not _inside(real, workspace):
                message = f"{rule.path} is reached by a link, which leads out of the workspace to {real}"
                hint = "Name that place itself if you mean it, or remove the link."
                if overlay.source.file:
                    raise ConfigError(message, file=overlay.source.file, key=rule.source.key, hint=hint)
                raise UsageError(f"{rule.source.key}: {message}", hint=hint)
        found.append(rule.replace(path=real) if real != rule.path else rule)
    return overlay.replace(files=tuple(found))


def _inside(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip(os.sep) + os.sep)


def _with_places(policy: Policy, own: tuple[str, str]) -> Policy:
    """The built-in rules where this machine really has them: secrets that are links to another place, settings and
    state that the environment puts elsewhere (``own``)."""
    home = policy.home
    try:
        present = frozenset(os.listdir(home))
    except OSError:
        present = frozenset()
    base = home.rstrip(os.sep) + os.sep
    parents = {home: home}
    links: list[tuple[str, str]] = []
    for place in secrets.below_home(policy.flavour) if policy.name != profiles.FULL_READ else ():
        if place.partition(os.sep)[0] in present:
            real = _real(base + place, parents)
            # A link to a directory around the home would take everything away; it holds no one's credentials.
            if real != base + place and not _inside(home, real):
                links.append((base + place, real))
    more: list[FileRule] = []
    for path, real in links:
        if real == policy.workspace:
            raise PolicyError(f"the workspace {real} is where {path} leads: a place of {secrets.SECRETS_KEY}",
                              hint="Change to the directory of one project, or name one.")
        more.append(FileRule(path=real, access=DENY, source=secrets.SOURCE))
    state = own[1] if policy.flavour == paths.POSIX else os.path.dirname(own[1])
    for rule, place in zip(secrets.own(home, policy.flavour)[:2], (state, own[0]), strict=True):
        real = os.path.realpath(place)
        if real != rule.path:
            more.append(rule.replace(path=real))
    return policy.replace(files=policy.files + tuple(more)) if more else policy


def _real(path: str, parents: dict[str, str]) -> str:
    """The real path, with what is known of directories kept for the next one; what does not exist stays itself."""
    parent, _, name = path.rpartition(os.sep)
    real = parents.get(parent)
    if real is None:
        real = parents[parent] = os.path.realpath(parent) if os.path.isdir(parent) else ""
    if not real:
        return path
    place = real + os.sep + name
    try:
        linked = stat.S_ISLNK(os.lstat(place).st_mode)
    except OSError:
        return place
    return os.path.realpath(place) if linked else place


def _with_git(policy: Policy) -> Policy:
    """The policy with the git directory of a workspace that is a linked worktree or a submodule.

    The ``.git`` file names it, and it must name the workspace in turn: a file that came with the sources could name
    any repository of the user.
    """
    link = os.path.join(policy.workspace, ".git")
    try:
        info = os.lstat(link)
    except OSError:
        return policy
    if not stat.S_ISREG(info.st_mode) or not policy.confined or info.st_size > 4096:
        return policy
    from sidewall.session import gitlink

    place = gitlink.directory(link)
    if not place or any(_inside(place, each.path) for each in policy.files if each.access == WRITE):
        return policy
    from sidewall.policy.decide import decide

    writes = decide(policy, Request(action=WRITE, target=policy.workspace)).allowed
    if not writes or not decide(policy, Request(action=READ, target=place)).allowed:
        return policy
    return policy.replace(gitdirs=(place,))


def trust(directory: str, *, environ: Mapping[str, str] | None = None, home: str | None = None) -> str:
    """Trusts the project's file in this directory as it is now; gives its real path.

    Raises UsageError when there is none, ConfigError when it cannot be read, MachineError when the list cannot be
    written.
    """
    from sidewall.session import trust as listing

    return listing.add(directory, file=PROJECT_FILE, state=state_directory(environ, home))


def untrust(directory: str, *, environ: Mapping[str, str] | None = None, home: str | None = None) -> bool:
    """Trusts it no longer; whether it was trusted, in whatever content.  Raises as ``trust``."""
    from sidewall.session import trust as listing

    return listing.remove(directory, file=PROJECT_FILE, state=state_directory(environ, home))


def trusted(directory: str, *, environ: Mapping[str, str] | None = None, home: str | None = None) -> bool:
    """Whether the project's file in this directory is trusted with its present content; False when there is none.

    Raises ConfigError when it or the list cannot be read.
    """
    from sidewall.session import trust as listing

    name = os.path.join(os.path.realpath(directory), PROJECT_FILE)
    content = configfiles.read(name, must=False, anyone=True)
    return content is not None and listing.is_trusted(name, content, state=state_directory(environ, home))


def trust_list(*, environ: Mapping[str, str] | None = None, home: str | None = None) -> dict[str, str]:
    """Real path and SHA-256 of every project file on the list.  Raises ConfigError when it cannot be read."""
    from sidewall.session import trust as listing

    return listing.entries(state_directory(environ, home))
