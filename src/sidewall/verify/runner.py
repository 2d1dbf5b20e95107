"""Runs probes: each without a sandbox, where it must have its effect, and inside one, where it must not.

Knows: the order, the deadlines, how many at once.  Must not know: what a probe tries, how a sandbox holds it.

Sessions are those of ``Sandbox``: one for all, and one more for each set of limits that probes are about.
"""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from sidewall.errors import SidewallError
from sidewall.plan.guarantees import by_name
from sidewall.session.sandbox import Sandbox
from sidewall.session.types import TimeoutExpired
from sidewall.verify import confine, looks
from sidewall.verify import scene as scenes
from sidewall.verify.probe import WORKS, catalogue, chosen
from sidewall.verify.report import EFFECT, HELD, NOTHING, Report, Result
from sidewall.verify.stage import missing, names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sidewall.plan.guarantees import Guarantee
    from sidewall.policy.model import Policy
    from sidewall.session.opening import Opener
    from sidewall.verify.probe import Probe
    from sidewall.verify.scene import Scene
    from sidewall.verify.stage import Stage

DEADLINE = 120.0 if sys.platform == "win32" else 15.0
"""Seconds that one attempt may take.  A Windows that is no Windows may need a minute to start its first program."""
AT_ONCE = 4


class Trial:
    """A probe with its two stages: ``bare`` without a sandbox, ``inside``; ``absent`` says why it cannot be tried."""

    def __init__(self, probe: Probe, scene: Scene, victims: list[int]) -> None:
        self.probe = probe
        self.absent = missing(probe, scene.absent)
        wants = names(probe, "victim")
        self.bare = scene.stage(probe, bare=True, victim=victims.pop() if wants else 0)
        self.inside = scene.stage(probe, bare=False, victim=victims.pop() if wants else 0)
        self.guarantees: tuple[Guarantee, ...] = ()
        self.tier = ""

    def control(self) -> None:
        """The attempt without a sandbox."""
        if self.absent:
            return
        stage = self.bare
        process = subprocess.Popen(command(self.probe, stage), cwd=stage.directory, env=stage.scene.environ(),
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   start_new_session=True)
        try:
            stage.output, stage.errors = process.communicate(timeout=DEADLINE)
        except subprocess.TimeoutExpired:
            process.kill()
            stage.output, stage.errors = process.communicate()
            stage.fault = f"it did not end within {DEADLINE:g} s"
        stage.effect = looks.seen(self.probe.effect, stage, looks.MUCH_PATIENCE)

    def attack(self, sandbox: Sandbox) -> None:
        """The attempt inside."""
        if self.absent:
            return
        stage = self.inside
        try:
            done = sandbox.run(command(self.probe, stage), cwd=stage.directory, capture_output=True, timeout=DEADLINE)
            stage.output, stage.errors = done.stdout, done.stderr
        except TimeoutExpired as error:
            stage.output, stage.errors = error.stdout or b"", error.stderr or b""
            stage.fault = f"it did not end within {DEADLINE:g} s"
        except (SidewallError, OSError) as error:
            stage.fault = str(error)
        if not self.probe.late:
            self.look(looks.PATIENCE)

    def look(self, patience: float = 0.0) -> None:
        """Looks for the effect of the attempt inside, unless it was seen already."""
        if not self.absent and not self.inside.effect:
            self.inside.effect = looks.seen(self.probe.effect, self.inside, patience)


def command(probe: Probe, stage: Stage) -> list[str]:
    """The attempt's argument vector."""
    return [sys.executable, "-I", "-S", "-c", stage.program(probe)]


def verify(policy: Policy, *, tier: str = "auto", guarantees: Iterable[str] = (),
           probes: Sequence[Probe] | None = None, opener: Opener | None = None) -> Report:
    """Attacks a sandbox of this policy and tier, and reports what held.

    ``guarantees`` are the only ones that are tried, all when there are none; ``probes`` replace the catalogue of this
    platform; ``opener`` makes the cells in place of this machine's backend.

    Raises:
        GuaranteeError: something that the policy requires cannot be enforced here.
        PolicyError, MachineError, OSError: no sandbox could be made, or nothing to attack.
    """
    began = time.monotonic()
    picked = chosen(catalogue(sys.platform) if probes is None else probes, guarantees)
    with scenes.make(confine.place(policy)) as scene:
        wanting = sum(names(probe, "victim") for probe in picked)
        victims = scene.victims(2 * wanting) if wanting else []
        trials = [Trial(probe, scene, victims) for probe in picked]
        own = confine.about(policy, scene)
        with Sandbox(own, tier=tier, opener=opener) as sandbox:
            told = sandbox.describe()
            promised = sandbox.guarantees
            _main(trials, sandbox)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done in [pool.submit(trial.look) for trial in trials if trial.probe.limits is None]:
                done.result()
        _limited(trials, own, tier, opener)
        results = [_judge(trial, own, scene, told["tier"]) for trial in trials]
    return Report(platform=told["platform"], tier=told["tier"], policy=confine.title(policy), require=policy.require,
                  guarantees=promised, results=tuple(results), seconds=round(time.monotonic() - began, 3))


def _main(trials: list[Trial], sandbox: Sandbox) -> None:
    """All but those with limits: first what must be alone, then what runs beside others, last what stays."""
    rest = [trial for trial in trials if trial.probe.limits is None]
    for trial in rest:
        trial.guarantees = sandbox.guarantees
    with ThreadPoolExecutor(AT_ONCE) as pool:
        try:
            waiting = [pool.submit(trial.control) for trial in trials]
            # Work goes first: an attack may spoil what the cell itself sees of the repository.
            for trial in sorted(rest, key=lambda trial: trial.probe.guarantee != WORKS):
                if trial.probe.alone:
                    trial.attack(sandbox)
            waiting += [pool.submit(trial.attack, sandbox) for trial in rest
                        if not trial.probe.alone and not trial.probe.late]
            for each in waiting:
                each.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    for trial in rest:
        if trial.probe.late:
            trial.attack(sandbox)


def _limited(trials: list[Trial], policy: Policy, tier: str, opener: Opener | None) -> None:
    """Those with limits, a session for each set of limits."""
    for limits in dict.fromkeys(trial.probe.limits for trial in trials if trial.probe.limits is not None):
        mine = [trial for trial in trials if trial.probe.limits == limits]
        # A policy that confines nothing has no limits either: the probes show that they can have an effect.
        own = policy.replace(limits=limits, require=tuple([name for name in policy.require if name != "limits"])
                             ) if policy.confined else policy
        with Sandbox(own, tier=tier, opener=opener) as sandbox:
            for trial in mine:
                trial.guarantees = sandbox.guarantees
                trial.attack(sandbox)


def _judge(trial: Trial, policy: Policy, scene: Scene, tier: str) -> Result:
    """What the two attempts show together."""
    probe, bare, inside = trial.probe, trial.bare, trial.inside
    level = "" if probe.guarantee == WORKS else by_name(trial.guarantees)[probe.guarantee].level
    outcome, said = NOTHING, ""
    if trial.absent:
        said = trial.absent
    elif not bare.started:
        said = f"without a sandbox it does not start: {bare.fault or bare.said}"
    elif not bare.effect:
        said = f"without a sandbox it has no effect either: {bare.fault or bare.said or 'it says nothing'}"
    elif inside.effect:
        outcome = EFFECT
    elif not inside.started or inside.fault:
        said = f"inside it did not run: {inside.fault or inside.said or 'it says nothing'}"
    else:
        outcome, said = HELD, inside.said or ("gone with the session" if probe.late else "")
    excuse = confine.allowed(policy, probe, scene) or confine.forbidden(policy, probe, scene)
    if probe.tiers and tier not in probe.tiers:
        excuse = f"the {tier} tier does not promise it"
    return Result(id=probe.id, guarantee=probe.guarantee, what=probe.what, outcome=outcome, level=level, said=said,
                  excuse=excuse)
