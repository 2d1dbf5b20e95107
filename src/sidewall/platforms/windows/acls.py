"""The access lists of a plan on this machine: applied when a cell opens, released with it, recovered after a crash.

Knows: the steps AclEdit and Placeholder, the smallest edit that reaches them, which entries another cell added already.
Must not know: tokens, policies, how a list is stored (``store``) or what undoing takes (``recovery``).

Everything happens while the journal is held, in this order: what crashed cells left is undone; every list is read and
every edit computed; all of it is written down with one wait for the disk; then it is done, what denies first.  An entry
that another living cell has added is shared, and stays until the last one that needs it ends.  Where a plan finds
everything as it wants it, nothing is written but who needs it.
"""

from __future__ import annotations

import os

from sidewall.errors import MachineError
from sidewall.nt import edit as edits
from sidewall.nt.ace import ACCESS_DENIED
from sidewall.nt.errors import NtError
from sidewall.nt.sddl import format as text
from sidewall.nt.sddl import parse
from sidewall.plan.windows_sids import sha256
from sidewall.plan.windows_steps import GRANT, TREE, AclEdit, Placeholder
from sidewall.platforms.contract import Held
from sidewall.platforms.windows import propagation
from sidewall.platforms.windows.journal_records import Begun, Edited, Made, Settled
from sidewall.platforms.windows.propagation import Carried
from sidewall.platforms.windows.recovery import between, controls, ours_at, reconcile
from sidewall.platforms.windows.store import EXISTS, StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sidewall.plan.steps import Plan
    from sidewall.platforms.windows.api import Api
    from sidewall.platforms.windows.journal import Journal, Owners
    from sidewall.platforms.windows.journal_records import State
    from sidewall.platforms.windows.propagation import Unsettled
    from sidewall.platforms.windows.recovery import Undone
    from sidewall.platforms.windows.store import SecurityObject, SecurityStore

STEP = "access list"


class Lists:
    """The machine's access lists, see ``lease.AccessLists``.  Safe to use from several threads and processes."""

    def __init__(self, store: SecurityStore, journal: Journal, owners: Owners, *, state: str = "") -> None:
        self._store = store
        self._journal = journal
        self._owners = owners
        self._directory = state

    def apply(self, plan: Plan) -> Applied:
        """Carries out the AclEdit and Placeholder steps of a plan, each written down before it is done.

        Raises MachineError, with everything undone: an object that is not what the plan saw, a list that cannot be
        changed, what is read back is not what was written; or once, lines of the journal that do not read.
        """
        steps = tuple([step for step in plan.steps if isinstance(step, (AclEdit, Placeholder))])
        if not steps:
            return Applied(self, "")
        self._check_apart(steps)
        with self._journal.hold():
            state, stuck = self._recovered()[:2]
            begun = Begun(lease=os.urandom(8).hex(), owner=self._owners.own(), policy=digest(steps))
            work = _Work(self._store, self._journal, state, begun, stuck)
            try:
                work.announce(steps)
                work.carry_out()
            except BaseException as error:
                self._give_back(begun.lease, error)
                raise
            return Applied(self, begun.lease, tuple(work.left))

    def recover(self) -> tuple[str, ...]:
        """Undoes what crashed owners left; what was undone and what could not be, one line each.

        Raises MachineError when lines of the journal do not read: once, everything that reads being undone.
        """
        with self._journal.hold():
            state = self._journal.read()
            if state.empty:
                return ()
            _, _, lines = self._recovered()
            return lines

    def undo_all(self) -> tuple[Held, ...]:
        """Undoes everything that is recorded, for whomever: the way of uninstalling.  What could not be undone."""
        with self._journal.hold():
            state = self._journal.read()
            undone = reconcile(self._store, state.replace(leases=()), frozenset())
            self._journal.replace(undone.state)
            return undone.held

    def recorded(self) -> State:
        """What is in force or left, for a status.  Changes nothing."""
        with self._journal.hold():
            return self._journal.read()

    def placeholders(self) -> frozenset[str]:
        """Paths that living cells hold by placeholders: to everybody else they do not exist."""
        with self._journal.hold():
            return frozenset([made.path for made in self._journal.read().made])

    def end(self, lease: str) -> tuple[Held, ...]:
        """Ends a lease: undoes what no other one needs.  What could not be undone or was left.  Raises MachineError."""
        with self._journal.hold():
            return self._undo(lease)

    def _undo(self, lease: str) -> tuple[Held, ...]:
        state = self._journal.read()
        rest = state.replace(leases=tuple([one for one in state.leases if one.lease != lease]))
        if rest == state:
            return ()
        undone = self._reconciled(rest)
        self._journal.replace(undone.state)
        return undone.held

    def _give_back(self, lease: str, error: BaseException) -> None:
        """After an error in the middle: undoes what was done; what stays is told with the error, and tried again."""
        try:
            told = [f"{one.path}: {one.reason}" for one in self._undo(lease)]
        except MachineError as second:
            told = [second.message]
        if told and isinstance(error, MachineError):
            error.message += "; not undone yet: " + "; ".join(told)
            error.args = (error.message,)

    def _reconciled(self, state: State) -> Undone:
        """Undoes what no living lease needs."""
        living = tuple([lease for lease in state.leases if self._owners.alive(lease.owner)])
        return reconcile(self._store, state.replace(leases=living), frozenset([one.policy for one in living]))

    def _recovered(self) -> tuple[State, tuple[str, ...], tuple[str, ...]]:
        """The state once crashed leases are undone, the identities that could not be, and lines for people."""
        before = self._journal.read()
        undone = self._reconciled(before)
        state = undone.state
        if state != before:
            self._journal.replace(state)
        if state.damaged:
            raise self._journal.set_aside(state)[1]
        lines = (*undone.lines, *[f"left {one.path}: {one.reason}" for one in undone.held])
        return state, undone.stuck, lines

    def _check_apart(self, steps: Sequence[AclEdit | Placeholder]) -> None:
        """A journal that a command could write would be an order to us."""
        own = self._directory.upper().rstrip("\\") + "\\"
        for step in steps:
            if isinstance(step, AclEdit) and GRANT in step.purposes and self._directory \
                    and own.startswith(step.path.upper().rstrip("\\") + "\\"):
                raise MachineError(f"the state directory {self._directory} lies in the writable directory {step.path}",
                                   hint="make a narrower directory writable: a command could rewrite what is undone")


class Applied:
    """A plan's lists, in force.  ``left`` are objects that no grant reached, as they cannot be changed."""

    def __init__(self, lists: Lists, lease: str, left: tuple[Held, ...] = ()) -> None:
        self._lists = lists
        self._lease = lease
        self.left = left

    def release(self) -> tuple[Held, ...]:
        """Undoes what no other cell needs; what could not be undone or was left as it is.  Idempotent.

        Raises MachineError when the journal cannot be read or written; nothing is forgotten then.
        """
        if not self._lease:
            return ()
        held = self._lists.end(self._lease)
        self._lease = ""
        return held


class _Work:
    """One plan on its way to being in force."""

    def __init__(self, store: SecurityStore, journal: Journal, state: State, begun: Begun,
                 stuck: tuple[str, ...]) -> None:
        self._store = store
        self._journal = journal
        self._state = state
        self._whose = begun.to_dict() | {"owner": begun.owner}
        self._begun = begun
        self._stuck = stuck
        self._edits: list[tuple[AclEdit, Edited]] = []
        self._made: list[Made] = []
        self.left: list[Held] = []

    def announce(self, steps: Sequence[AclEdit | Placeholder]) -> None:
        """Reads what is there, computes every edit, writes all of it down.  Nothing is changed."""
        for step in steps:
            if isinstance(step, AclEdit):
                self._edits.append((step, self._planned(step)))
            else:
                self._placed(step)
        self._journal.append([self._begun, *self._made, *[entry for _, entry in self._edits]])

    def carry_out(self) -> None:
        """Does it."""
        for made in self._made:
            if made.identity is None:
                self._make(made)
        for step, entry in self._edits:
            if not entry.edit.empty:
                self._edit(step, entry)

    def _planned(self, step: AclEdit) -> Edited:
        with self._store.open(step.path, change=True) as target:
            self._fit(step, target)
            return self._entry(step.path, target, step.wants(), directory=step.directory, tree=step.reach == TREE)

    def _entry(self, path: str, target: SecurityObject, wants: Sequence[edits.Want], *, directory: bool,
               tree: bool) -> Edited:
        """The record of an edit: what is needed there, and what of it is neither the user's own nor ours already."""
        before, identity = target.descriptor(), target.traits.identity
        if str(identity) in self._stuck:
            raise MachineError(f"an earlier change of the access list of {path} could not be undone yet",
                               hint="`sidewall status` says why; it is tried again at every start")
        ours, shared = ours_at(self._state, identity, before, tree=tree)
        present = []
        foreign = before
        if before.dacl is not None:
            rest = list(before.dacl.aces)
            for ace in ours:
                rest.remove(ace)
            foreign = before.replace(dacl=before.dacl.replace(aces=tuple(rest)))
        try:
            needed = edits.smallest(foreign, wants).added
            for ace in needed:
                if ace in shared:
                    present.append(ace)
            wanted = {ace: want for want in wants for ace in [want.ace()]}
            absent = [wanted[ace] for ace in needed if ace not in present]
            change = edits.smallest(before, absent, shared=False)
        except edits.EditError as error:
            raise MachineError(f"the access list of {path} cannot be edited: {error.message}",
                               hint=error.hint) from None
        return Edited(**self._whose, path=path, identity=identity, directory=directory, tree=tree,
                      before=text(before), edit=change, holds=tuple(needed))

    def _fit(self, step: AclEdit, target: SecurityObject) -> None:
        """Raises MachineError for what no plan may change, or is not what this one saw."""
        traits = target.traits
        wrong = ""
        if traits.leads:
            wrong = f"is a reparse point ({traits.reparse}) now"
        elif traits.shared:
            wrong = f"has {traits.links} names, and its access list is that of all of them"
        elif traits.directory != step.directory:
            wrong = "is a directory now" if traits.directory else "is a file now"
        elif len(step.path.rstrip("\\")) < 3:
            wrong = "is the root of a volume"
        if wrong:
            raise MachineError(f"{step.path} {wrong}; its access list is not changed",
                               hint="make the plan again from the machine as it is now")

    def _placed(self, step: Placeholder) -> None:
        """A placeholder that is to be made, or another cell's, which then stays for this one too."""
        there = next((one for one in self._state.made if one.path.upper() == step.path.upper() and one.identity), None)
        if there is None:
            self._made.append(Made(**self._whose, path=step.path, directory=step.directory, sddl=step.sddl))
            return
        with self._store.open(there.path, change=True) as target:
            if target.traits.identity != there.identity or target.traits.directory != step.directory:
                raise _taken(step.path)
            dacl = parse(step.sddl).dacl
            wants = [edits.Want(kind=edits.DENY if ace.type == ACCESS_DENIED else edits.ALLOW, sid=ace.sid,
                                mask=ace.mask, flags=ace.flags) for ace in (dacl.aces if dacl is not None else ())]
            entry = self._entry(there.path, target, wants, directory=step.directory, tree=False)
        held = AclEdit(path=there.path, purposes=(), aces=(), directory=step.directory)
        self._edits.append((held, entry))
        self._made.append(there.replace(**self._whose))

    def _make(self, made: Made) -> None:
        try:
            identity = self._store.make(made.path, directory=made.directory, descriptor=parse(made.sddl))
        except StoreError as error:
            if error.why == EXISTS:
                raise _taken(made.path) from None
            raise
        self._journal.append([made.replace(identity=identity)])

    def _edit(self, step: AclEdit, entry: Edited) -> None:
        with self._store.open(step.path, change=True) as target:
            if target.traits.identity != entry.identity:
                raise MachineError(f"{step.path} was replaced while the plan was applied",
                                   hint="start again when nobody renames files there")
            before = target.descriptor()
            try:
                after = edits.apply(before, entry.edit).sd
            except NtError as error:
                raise MachineError(f"the access list of {step.path} cannot be edited: {error.message}",
                                   hint=error.hint) from None
            propagation.write(target, after)
            if entry.tree and entry.directory:
                propagation.carry(target, Carried(without=before, with_them=after), self._settle,
                                  self._skipping(denies=any(ace.type == ACCESS_DENIED and ace.flags
                                                            for ace in step.aces)))

    def _settle(self, found: Sequence[Unsettled]) -> None:
        self._journal.append([
            Settled(**self._whose, path=one.path, identity=one.identity, before=text(one.before),
                    edit=between(one.before, one.settled), bare=one.before.dacl is None,
                    control=controls(one.before, one.settled)) for one in found])

    def _skipping(self, *, denies: bool) -> Callable[[str, StoreError], None]:
        """What is not reached by a grant is only not granted; what a deny does not reach must not be open."""
        def skip(path: str, error: StoreError) -> None:
            if denies:
                raise error
            self.left.append(Held(action="left", path=path, reason=f"nothing is granted on it: {error.message}"))

        return skip


def digest(steps: Sequence[AclEdit | Placeholder]) -> str:
    """What leases that change the same have in common: the SHA-256 of their steps, in hexadecimal."""
    return sha256(repr(tuple(steps))).hex()


def _taken(path: str) -> MachineError:
    return MachineError(f"{path} is to be held, and something is there now",
                        hint="make the plan again from the machine as it is now")


def native(api: Api, directory: str) -> Lists:
    """This machine's lists, with the journal in this directory."""
    from sidewall.platforms.windows.journal import ProcessOwners, on_disk
    from sidewall.platforms.windows.store_win32 import Win32Store

    return Lists(Win32Store(api), on_disk(directory), ProcessOwners(api), state=directory)


__all__ = ["Applied", "Lists", "digest", "native"]
