"""``sidewall explain --platform windows --world FILE [PATH]``: the plan for another machine, proved on its files.

Knows: how a world's file and the policy's options become a plan, how a proof is printed.  Must not know: how a plan is
made or proved.

Nothing of this machine has a part in it: paths on the command line are those of the world, and the policy is a built-in
profile with the options of the command line.
"""

from __future__ import annotations

from sidewall.cli import explain, paint
from sidewall.cli.choice import names
from sidewall.errors import GuaranteeError, MachineError, UsageError
from sidewall.plan import explain as plan_words
from sidewall.plan import prove_text
from sidewall.policy import globs, merge, paths, profiles
from sidewall.policy.model import COMMAND_LINE, DENY, READ, WRITE, FileRule, Source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace

    from sidewall.plan.prove_findings import Proof
    from sidewall.plan.steps import Plan
    from sidewall.plan.world import World
    from sidewall.policy.model import Policy

LARGEST = 1 << 30
"""Bytes of a capture: more than the files of any one user."""


def main(arguments: Namespace) -> int:
    """Prints the plan and its proof, or the answers about one path.  Raises SidewallError."""
    if not arguments.world:
        raise UsageError("--platform windows needs the files of a Windows machine",
                         hint="give a capture or a model of one: --world FILE (docs/prove.md describes it)")
    if arguments.platform == "linux":
        raise UsageError("--world is about a Windows machine", hint="say --platform windows, or leave it out")
    world = read(arguments.world)
    policy = policy_of(arguments, world)
    plan, refusal = plan_for(policy, world, arguments.tier or "auto")
    if arguments.path:
        _explain_path(arguments, plan, world)
        return 0
    from sidewall.plan.prove import prove, require

    proof = prove(plan, world)
    _print(plan, proof, as_json=arguments.json)
    if refusal is not None:
        raise refusal
    require(proof, policy.require)
    return 0


def read(name: str) -> World:
    """The world in this file.  Raises MachineError when it cannot be read, PolicyError when it is none."""
    from sidewall.plan import world_format

    try:
        with open(name, "rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise MachineError(f"the world {name} cannot be read: {error.strerror}",
                           hint="name a file that a capture was written to") from None
    if len(data) > LARGEST:
        raise UsageError(f"the world {name} is larger than {LARGEST} bytes", hint="capture a part of that machine")
    return world_format.parse(data, file=name)


def plan_for(policy: Policy, world: World, tier: str) -> tuple[Plan, GuaranteeError | None]:
    """The plan for the machine of the world, and why it would not run there.  Raises SidewallError."""
    from sidewall import plan as planner
    from sidewall.plan import world_facts

    facts = world_facts.facts(world, policy)
    try:
        return planner.compile(policy, facts, tier=tier), None
    except GuaranteeError as error:
        plan = planner.compile(policy.replace(require=()), facts, tier=tier)
        report = tuple([line.replace(required=line.name in policy.require) for line in plan.guarantees])
        return plan.replace(policy=policy, guarantees=report), error


def policy_of(arguments: Namespace, world: World) -> Policy:
    """A built-in profile in the world's workspace, with the options of the command line.  Raises PolicyError."""
    profile = arguments.profile or profiles.DEFAULT
    workspace = arguments.workspace or world.workspace
    if profile == profiles.UNCONFINED:
        raise UsageError(f"{profile} confines nothing, so there is nothing to prove", hint="use another profile")
    if not workspace:
        raise UsageError("the world names no workspace", hint="name one of its directories: --workspace PATH")
    policy = profiles.build(profile, workspace=workspace, home=world.home, flavour=paths.WINDOWS)
    rules = tuple([_rule(text, access, policy.workspace) for access, given in
                   ((WRITE, arguments.write), (READ, arguments.read), (DENY, arguments.deny)) for text in given or ()])
    passed = arguments.env or ()
    return merge.apply(policy, merge.Overlay(
        source=Source(layer=COMMAND_LINE), files=rules, mode=arguments.network or "",
        require=None if arguments.require is None else names(arguments.require),
        env_allow=tuple([word for word in passed if "=" not in word]),
        env_set=tuple([(word.partition("=")[0], word.partition("=")[2]) for word in passed if "=" in word])))


def _rule(text: str, access: str, workspace: str) -> FileRule:
    """One path of an option, from the workspace when it is relative.  Raises UsageError."""
    source = Source(layer=COMMAND_LINE, key=f"--{access}")
    if access == DENY and globs.has_magic(text, paths.WINDOWS):
        whole = text if paths.is_absolute(text, paths.WINDOWS) else f"{workspace}\\{text}"
        return FileRule(path=globs.Pattern(whole, paths.WINDOWS).text, access=DENY, source=source, glob=True)
    return FileRule(path=paths.join(workspace, text, paths.WINDOWS), access=access, source=source)


def _explain_path(arguments: Namespace, plan: Plan, world: World) -> None:
    from sidewall.plan.prove_path import explain_path

    where = paths.join(plan.policy.workspace, arguments.path, paths.WINDOWS)
    answer = explain_path(plan, world, where)
    if arguments.json:
        paint.print_json({"tier": plan.tier, "digest": plan.digest, **prove_text.path_dict(answer)})
        return
    _print_lines((prove_text.Line(text=f"tier {plan.tier}, policy {plan.policy.name}", style=prove_text.DIM),
                  *prove_text.path_lines(answer)))


def _print(plan: Plan, proof: Proof, *, as_json: bool) -> None:
    if as_json:
        paint.print_json({**plan_words.to_dict(plan), "proof": prove_text.proof_dict(proof)})
        return
    explain.print_plan(plan.replace(guarantees=proof.guarantees), as_json=False)
    paint.print_lines([""])
    _print_lines(prove_text.proof_lines(proof))


def _print_lines(lines: tuple[prove_text.Line, ...]) -> None:
    if not paint.painted():
        paint.print_lines("  " * line.depth + line.text for line in lines)
        return
    from rich.padding import Padding

    console = paint.console()
    for line in lines:
        console.print(Padding(paint.styled(line.text, line.style), (0, 0, 0, 2 * line.depth)))
