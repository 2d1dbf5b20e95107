"""Git directories in a Windows plan: commits work, and what steers git stays as it is.

Knows: gitrepository-layout(5) by way of ``policy.gitdir``, what an access list can say about names that do not exist.
Must not know: any file's content, how an edit is made.

With ``git = "commit"`` a git directory gives Modify for what a commit writes.  Held in it: every entry that is there
and not to be written, by a deny of its own; every name that steers git and is absent, by an empty placeholder that git
takes for nothing.  Three names cannot be held so, as no access list tells one new name in a directory from another: git
refuses to work with an empty ``commondir``, an empty ``rr-cache`` switches recording on, and a held ``MERGE_RR`` stops
git once it is.  They may come to be, are looked for after each command and put away.  With ``git = "read-only"`` the
whole directory is held.
"""

from __future__ import annotations

from sidewall.plan import facts as kinds
from sidewall.plan.facts_windows import PathFact
from sidewall.plan.windows_edits import key
from sidewall.plan.windows_refuse import as_edit
from sidewall.policy import gitdir
from sidewall.policy.model import GIT_COMMIT
from sidewall.policy.protect import GIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts import Listing
    from sidewall.plan.windows_layout import Layout

EMPTY_DIRECTORIES = ("branches", "hooks", "info", "modules", "remotes", "worktrees")
EMPTY_FILES = ("config.worktree",)
ALTERNATES = ("alternates", "http-alternates")
UNHELD = ("commondir", "rr-cache", "MERGE_RR")
_FIXED = frozenset(("objects", "refs", "reftable"))


def lay_out_git(layout: Layout) -> None:
    """Edits and placeholders for every ``.git`` of the writable roots, and for git directories elsewhere."""
    policy, facts = layout.policy, layout.facts
    listings = {key(item.path): item for item in facts.listings}
    directories: dict[tuple[str, ...], str] = {}
    for found in facts.git:
        if found.problem:
            layout.notes.append(f"{found.path}: {found.problem}")
            layout.git_gaps.append(f"{found.path}: {found.problem}")
        if found.kind == kinds.SYMLINK:
            layout.weak_names.append(found.path)
        elif found.kind == kinds.FILE:
            _hold(layout, found.path, directory=False)
        elif found.problem or policy.git != GIT_COMMIT:
            _hold(layout, found.path, directory=True)
        if found.common and policy.git == GIT_COMMIT and not found.problem:
            directories.setdefault(key(found.common), found.common)
    for path in policy.gitdirs if policy.git == GIT_COMMIT else ():
        directories.setdefault(key(path), path)
    for place in sorted(directories):
        _open(layout, directories[place], listings)
    own = f"{layout.real(policy.workspace)}\\{GIT}"
    if layout.root_of(own) is not None and not any(key(found.path) == key(own) for found in facts.git):
        layout.place(own)


def _hold(layout: Layout, path: str, *, directory: bool) -> None:
    if layout.root_of(path) is not None:
        found = layout.fact(path) or PathFact(path=path, kind=kinds.DIRECTORY if directory else kinds.FILE, real=path)
        if not layout.hold(found, path):
            layout.weak_names.append(path)


def _open(layout: Layout, path: str, listings: dict[tuple[str, ...], Listing]) -> None:
    """One git directory in which commits shall work."""
    found = layout.fact(path) or PathFact(path=path, kind=kinds.DIRECTORY, real=path)
    listing = listings.get(key(path))
    refusal = as_edit(found, layout.facts)
    if refusal is not None or listing is None:
        why = f"it {refusal.reason}" if refusal is not None else "its entries are not known"
        layout.notes.append(f"git can only be read in {path}: {why}")
        if refusal is not None:
            layout.refuse(path, refusal)
        if layout.root_of(path) is not None:
            _hold(layout, path, directory=True)
        return
    entries = {name.lower(): (name, kind) for name, kind in listing.entries}
    inherits = layout.root_of(path) is not None and not layout.below_held(path)
    if inherits:
        layout.edits.fix(path)
        layout.pin_above(path)
    else:
        layout.edits.fill(path)
        layout.edits.fix(path)
        layout.granted.append((key(path), "write"))
    for name, kind in entries.values():
        _entry(layout, path, name, kind, inherits=inherits)
    for name in EMPTY_DIRECTORIES:
        if name not in entries:
            layout.place(f"{path}\\{name}")
    for name in EMPTY_FILES:
        if name not in entries:
            layout.place(f"{path}\\{name}", directory=False)
    unheld = [name for name in UNHELD if name.lower() not in entries]
    if unheld:
        layout.git_watched.append(path)
        layout.git_gaps.append(f"{path}\\{' or '.join(unheld)} may come to be; it is put away after each command")
    _alternates(layout, f"{path}\\objects", entries, listings)


def _entry(layout: Layout, path: str, name: str, kind: str, *, inherits: bool) -> None:
    """One entry of a git directory: left writable, granted, or held."""
    place = f"{path}\\{name}"
    directory = kind == kinds.DIRECTORY
    if kind not in (kinds.DIRECTORY, kinds.FILE):
        layout.weak_names.append(place)
        return
    if directory and name in _FIXED:
        # The directory stays; what lies in it may change.
        if not inherits:
            layout.edits.grant(place, True)
        layout.edits.fix(place)
    elif gitdir.writable((name,)):
        if not inherits:
            layout.edits.grant(place, directory)
    else:
        _deny(layout, place, directory)


def _deny(layout: Layout, place: str, directory: bool) -> None:
    found = layout.fact(place) or PathFact(path=place, kind=kinds.DIRECTORY if directory else kinds.FILE, real=place)
    if not layout.hold(found, place):
        layout.weak_names.append(place)


def _alternates(layout: Layout, objects: str, entries: dict[str, tuple[str, str]],
                listings: dict[tuple[str, ...], Listing]) -> None:
    """``objects\\info\\alternates`` makes git read objects elsewhere: held whether it is there or not."""
    if "objects" not in entries:
        return
    listing = listings.get(key(objects + "\\info"))
    if listing is None:
        layout.place(objects + "\\info")
        return
    layout.edits.fix(objects + "\\info")
    there = {name.lower(): kind for name, kind in listing.entries}
    for name in ALTERNATES:
        if name in there:
            _deny(layout, f"{objects}\\info\\{name}", there[name] == kinds.DIRECTORY)
        else:
            layout.place(f"{objects}\\info\\{name}", directory=False)
