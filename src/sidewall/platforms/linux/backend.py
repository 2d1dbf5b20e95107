"""Linux as a backend: facts, cells, recovery.

Knows: which parts of this room a plan needs, and in which order a cell is made.  Must not know: sessions.
Order: the journal is written, then the machine is changed, then the cell is told; an error undoes what was done.
"""

from __future__ import annotations

import marshal
import os

from sidewall.errors import InternalError, MachineError
from sidewall.plan import steps
from sidewall.plan.linux import kinds_for
from sidewall.platforms.linux import answers, facts, wire
from sidewall.platforms.linux import spare as spares
from sidewall.platforms.linux.cell import LinuxCell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from sidewall.plan.facts import LinuxFacts
    from sidewall.plan.steps import Plan
    from sidewall.platforms.linux.gitcarry import GitCarry
    from sidewall.platforms.linux.lease import Lease, Temporary
    from sidewall.platforms.linux.watch import Watcher
    from sidewall.policy.model import Policy


class LinuxBackend:
    """See ``contract.Backend``.  Safe to use from several threads."""

    def prepare(self) -> None:
        """See ``contract.Backend.prepare``."""
        spares.prepare()

    def facts(self, policy: Policy, *, tier: str = "auto") -> LinuxFacts:
        """See ``contract.Backend.facts``.  The spare that was asked stays ready for ``apply``."""
        spare = spares.take(kinds_for(policy, tier))
        found = facts.gather(policy, lambda: _report(spare), listings=tier == steps.LANDLOCK)
        spares.give_back(spare)
        return found

    def apply(self, plan: Plan) -> LinuxCell:
        """See ``contract.Backend.apply``."""
        spare = spares.take(kinds_for(plan.policy, plan.tier))
        made = _Made()
        try:
            spare.report()
            made.leases(plan)
            made.private(plan)
            made.group(plan, spare)
            _hand_over(spare, made)
            _send(spare, plan, made.temporary_path())
            # While the cell is built.
            made.watch(plan)
            made.tidy()
            made.repositories(plan)
            root, *layers = answers.layers(spare)
            carries = made.carries(layers)
        except BaseException:
            spare.discard()
            made.undo()
            raise
        made.close()
        if plan.tier != steps.NAMESPACE:
            os.close(root)
            root = -1
        return LinuxCell(plan, spare, carries, made.watcher, made.environment(), root_fd=root)

    def recover(self) -> tuple[str, ...]:
        """See ``contract.Backend.recover``."""
        from sidewall.platforms.linux import cgroups, lease

        return (*lease.recover(), *cgroups.recover(cgroups.places()))


def _report(spare: spares.Spare) -> dict[str, Any]:
    """What the spare says, which takes it a while: what ``apply`` needs is imported meanwhile."""
    from sidewall.platforms.linux import lease, lower, watch  # noqa: F401

    return spare.report()


class _Made:
    """What was done on the machine for a cell that is being made."""

    def __init__(self) -> None:
        self.held: list[Lease] = []
        self.temporary: Temporary | None = None
        self.watcher: Watcher | None = None
        self.git: list[GitCarry] = []
        self.handed_over = False

    def leases(self, plan: Plan) -> None:
        by_root: dict[str, list[str]] = {}
        for step in plan.steps:
            if isinstance(step, steps.Placeholder):
                by_root.setdefault(step.root, []).append(step.name)
        if by_root:
            from sidewall.platforms.linux.lease import Lease, check_apart

            check_apart(_roots(plan))
            for root, names in sorted(by_root.items()):
                self.held.append(Lease(root, tuple(names)))

    def private(self, plan: Plan) -> None:
        if any(isinstance(step, steps.PrivateDirectory) for step in plan.steps):
            from sidewall.platforms.linux.lease import Temporary, check_apart

            check_apart(_roots(plan))
            self.temporary = Temporary()

    def group(self, plan: Plan, spare: spares.Spare) -> None:
        for step in plan.steps:
            if isinstance(step, steps.ResourceLimits) and step.cgroup:
                # The keeper makes it: whatever becomes of us meanwhile, it is removed.
                wire.send(spare.administration, marshal.dumps({"group": (step.cgroup, step.settings)}))
                answers.grouped(spare.administration, step.cgroup)

    def watch(self, plan: Plan) -> None:
        for step in plan.steps:
            if isinstance(step, steps.Watch):
                from sidewall.platforms.linux.watch import Watcher

                self.watcher = Watcher(step.roots, step.names, step.held, each=step.each, places=step.places)

    def tidy(self) -> None:
        """Undoes what crashed cells left elsewhere, if there is anything; a fault in that is not this cell's."""
        if self.held or self.temporary:
            from sidewall.platforms.linux import lease

            try:
                if lease.strangers(len(self.held), 1 if self.temporary else 0):
                    lease.recover()
            except (OSError, MachineError):
                return

    def repositories(self, plan: Plan) -> None:
        """How they are before the first command, for which there is time while the cell is built."""
        for step in plan.steps:
            if isinstance(step, steps.GitOverlay):
                from sidewall.platforms.linux.gitcarry import GitCarry

                host = os.open(step.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
                # With many repositories, a command would wait for the looks at all of them.
                self.git.append(GitCarry(host, git_dir=step.path, roots=step.roots, few=1 if self.git else 12))

    def carries(self, layers: list[int]) -> tuple[GitCarry, ...]:
        if len(layers) != 2 * len(self.git):
            raise InternalError(f"{len(self.git)} git layers asked for, {len(layers) / 2} made")
        for place, carry in enumerate(self.git):
            carry.over(layers[2 * place], layers[2 * place + 1])
        made, self.git = tuple(self.git), []
        return made

    def temporary_path(self) -> str:
        return self.temporary.path if self.temporary else ""

    def environment(self) -> dict[bytes, bytes]:
        path = os.fsencode(self.temporary.path) if self.temporary else b"/tmp"
        return {b"TMPDIR": path, b"SIDEWALL": b"1"}

    def close(self) -> None:
        for held in self.held:
            held.close()
        if self.temporary:
            os.close(self.temporary.lock)

    def undo(self) -> None:
        from sidewall.platforms.linux import lease

        if not self.handed_over:
            for held in self.held:
                lease.end_lease(held.lock, held.root, held.journal)
            if self.temporary:
                lease.end_temporary(self.temporary.path)
        self.close()
        if self.watcher is not None:
            self.watcher.close()
        for carry in self.git:
            carry.close()


def _roots(plan: Plan) -> tuple[str, ...]:
    return tuple(step.path for step in plan.steps if isinstance(step, steps.Writable))


def _hand_over(spare: spares.Spare, made: _Made) -> None:
    """From here on the keeper undoes what was made, whatever becomes of us."""
    descriptors: list[int] = []
    for held in made.held:
        descriptors += [held.lock, held.root]
    if made.temporary:
        descriptors.append(made.temporary.lock)
    if descriptors:
        task = {"leases": [held.journal for held in made.held], "temporary": made.temporary_path()}
        wire.send(spare.administration, marshal.dumps(task), descriptors)
        made.handed_over = True


def _send(spare: spares.Spare, plan: Plan, temporary: str) -> None:
    """Gives init the plan.  Raises MachineError."""
    from sidewall.platforms.linux import lower

    try:
        wire.send_request(spare.control, lower.lower(plan, temporary))
    except ConnectionError:
        raise answers.gone(spare) from None
    except OSError as error:
        raise answers.silent(error) from None


def information() -> dict[str, Any]:
    """For ``sidewall doctor``: what a fresh cell process says of this kernel."""
    spare = spares.Spare(spares.USUAL)
    try:
        return spare.report()
    finally:
        spare.discard()
