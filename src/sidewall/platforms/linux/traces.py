"""Every trace of Sidewall on this Linux, for this user: the state directory and control groups.  Nothing else is there.

Knows: what lies in the state directory, which of it living cells need.  Must not know: printing, what a command did.

A cell that stands is not disturbed: what it needs is told and stays.  What was kept back from a workspace may be the
only copy of somebody's work, so it is named and not removed.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError
from sidewall.platforms.linux import cgroups, lease, watch_others
from sidewall.platforms.traces import Removed, Status, Trace

KINDS = {"leases": "lease", "tmp": "temporary", "audit": "log", "quarantine": "quarantine", "trust.json": "trust",
         "trust.json.lock": "trust", watch_others.PLACE: "watcher"}
_BOOKKEEPING = frozenset(("mutex",))


def status() -> Status:
    """What there is.  Changes nothing."""
    found: list[Trace] = []
    unseen: list[str] = []
    base = lease.state_path()
    for name in _names(base, unseen):
        path = os.path.join(base, name)
        kind = KINDS.get(name, "file")
        below = [one for one in _names(path, unseen) if one not in _BOOKKEEPING] if os.path.isdir(path) else []
        found += [Trace(kind=kind, name=os.path.join(path, one)) for one in below]
        if not below:
            found.append(Trace(kind=kind, name=path))
    found += [Trace(kind="control-group", name=path) for path in groups()]
    return Status(traces=tuple(found), unseen=tuple(unseen))


def _names(path: str, unseen: list[str]) -> list[str]:
    try:
        return sorted(os.listdir(path))
    except FileNotFoundError:
        return []
    except OSError as error:
        unseen.append(f"{path}: {error.strerror}")
        return []


def groups() -> list[str]:
    """The control groups of cells that this process can see."""
    found = []
    for parent in cgroups.places():
        found += [f"{parent}/{name}" for name in _names(parent, []) if name.startswith(cgroups.PREFIX)
                  and name[len(cgroups.PREFIX):].isdigit()]
    return found


def remove(*, keep_log: bool = False) -> Removed:
    """Undoes what crashed cells left, then removes the state directory; ``keep_log`` leaves the audit log in it.

    Raises nothing for what cannot be removed: that is in ``left``.
    """
    done: list[str] = []
    left: list[str] = []
    base = lease.state_path()
    if os.path.isdir(base) and not os.path.islink(base):
        try:
            done += lease.recover()
        except (OSError, MachineError) as error:
            left.append(f"what crashed sandboxes left: {error}")
        for name in _names(base, left):
            _entry(os.path.join(base, name), done, left, keep_log=keep_log)
        if not _names(base, []):
            _try(base, done, left, directory=True)
    elif os.path.islink(base):
        left.append(f"{base} is a link; it was not followed")
    done += cgroups.recover(cgroups.places())
    left += [f"{path} is the control group of a sandbox that is open" for path in groups()]
    return Removed(done=tuple(done), left=tuple(left))


def _entry(path: str, done: list[str], left: list[str], *, keep_log: bool) -> None:
    kind = KINDS.get(os.path.basename(path))
    if kind in ("lease", "temporary"):
        _emptied(path, done, left)
    elif kind == "watcher":
        watch_others.tidy()
        _emptied(path, done, left)
    elif kind == "quarantine":
        if any(_names(os.path.join(path, one), left) for one in _names(path, left)):
            left.append(f"{path} holds what was kept back from workspaces: look at it, then remove it")
        else:
            _tree(path, done, left)
    elif kind == "log" and not keep_log:
        _tree(path, done, left)
    elif kind == "trust":
        _try(path, done, left)
    elif kind is None:
        left.append(f"{path} is not Sidewall's")


def _emptied(path: str, done: list[str], left: list[str]) -> None:
    """A directory of the bookkeeping: it goes when no living cell has anything in it."""
    held = [name for name in _names(path, left) if name not in _BOOKKEEPING]
    if held:
        left.append(f"{path} is in use by a sandbox that is open ({len(held)} entries)")
        return
    for name in _BOOKKEEPING:
        if os.path.lexists(os.path.join(path, name)):
            _try(os.path.join(path, name), done, left, silent=True)
    _try(path, done, left, directory=True)


def _tree(path: str, done: list[str], left: list[str]) -> None:
    import shutil

    failures: list[str] = []
    shutil.rmtree(path, onerror=lambda _call, where, error: failures.append(f"{where}: {error[1]}"))
    if failures:
        left.append(failures[0])
    else:
        done.append(f"removed {path}")


def _try(path: str, done: list[str], left: list[str], *, directory: bool = False, silent: bool = False) -> None:
    try:
        (os.rmdir if directory else os.unlink)(path)
    except OSError as error:
        left.append(f"{path}: {error.strerror}")
    else:
        done += [] if silent else [f"removed {path}"]


__all__ = ["remove", "status"]
