"""The user's policy about the scene: his rules, with the scene's workspace as the workspace and its home as a home.

Knows: policies.  Must not know: any platform, how anything is enforced.
"""

from __future__ import annotations

import os
import sys

from sidewall.errors import MachineError
from sidewall.policy.decide import decide
from sidewall.policy.environ import filter_environ
from sidewall.policy.model import DENY, NETWORK_OFF, NETWORK_ON, READ, WRITE, FileRule, Request, Source
from sidewall.policy.paths import is_within
from sidewall.verify.probe import WORKS
from sidewall.verify.scene import SECRETS, TOKEN_VARIABLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.policy.model import Policy
    from sidewall.verify.probe import Probe
    from sidewall.verify.scene import Scene

SOURCE = Source(key="verify")


def place(policy: Policy) -> str:
    """A directory for the scene: a command may read there and not write, under this policy, and we may do both.

    Raises MachineError when there is none.
    """
    found = ""
    candidates = [policy.home, os.path.dirname(os.getcwd()), os.path.dirname(policy.workspace), "/var/tmp"]
    for candidate in dict.fromkeys(candidates):
        if not os.path.isdir(candidate) or not os.access(candidate, os.W_OK | os.X_OK):
            continue
        if candidate == os.path.dirname(candidate):  # the root of a volume is nobody's place for files
            continue
        inside = os.path.join(candidate, "x")
        if not policy.confined:
            return candidate
        if not decide(policy, Request(action=READ, target=inside)).allowed or _writes(policy, inside):
            continue
        # Where commands get a directory of their own, they see nothing but the home of what is outside.
        if candidate == policy.home or not any(is_within(candidate, each, policy.flavour) for each in policy.private):
            return candidate
        found = found or candidate
    if found:
        return found
    raise MachineError("there is no directory that a command may read and not write, and in which this user may make "
                       "what is to be attacked", hint=f"make {policy.home} writable for yourself")


def _writes(policy: Policy, path: str) -> bool:
    return decide(policy, Request(action=WRITE, target=path)).allowed


def about(policy: Policy, scene: Scene) -> Policy:
    """``policy`` with its workspace moved to the scene's, and with those made-up credentials denied whose like in the
    user's home it denies."""
    if not policy.confined:
        return policy.replace(workspace=scene.workspace)
    rules = [rule.replace(path=scene.workspace) if rule.path == policy.workspace and not rule.glob else rule
             for rule in policy.files]
    for path in SECRETS.values():
        answer = decide(policy, Request(action=READ, target=os.path.join(policy.home, *path.split("/"))))
        if answer.allowed:
            continue
        denied = path
        if isinstance(answer.rule, FileRule) and not answer.rule.glob and answer.rule.path != policy.home:
            denied = os.path.relpath(answer.rule.path, policy.home)
        rules.append(FileRule(path=os.path.join(scene.home, *denied.split("/")), access=DENY, source=SOURCE))
    if sys.platform == "win32":
        # Another account does not see programs in the user's profile unless a rule says so.
        rules += [FileRule(path=path, access=READ, source=SOURCE)
                  for path in dict.fromkeys((sys.prefix, sys.base_prefix))
                  if is_within(path, policy.home, policy.flavour)]
    return policy.replace(workspace=scene.workspace, files=tuple(rules), gitdirs=())


def allowed(policy: Policy, probe: Probe, scene: Scene) -> str:
    """Why the policy lets the probe have its effect, so that it says nothing about the sandbox; '' when it does not.

    ``policy`` is the one about the scene.
    """
    if probe.guarantee in ("write-outside", "metadata-outside"):
        return "the policy lets commands write there" if _writes(policy, _outside(scene)) and policy.confined else ""
    if probe.guarantee in ("network-egress", "name-resolution"):
        return "the policy allows the network" if policy.confined and policy.network.mode == NETWORK_ON else ""
    kind, _, name = probe.effect.partition(" ")
    if probe.guarantee == "read-secrets" and kind == "printed" and policy.confined:
        if name in SECRETS and decide(policy, Request(action=READ, target=_at(scene, SECRETS[name]))).allowed:
            return "the policy lets commands read it"
        if name == "name" and decide(policy, Request(action=READ, target=_at(scene, ".ssh"))).allowed:
            return "the policy lets commands read it"
        if name == "token" and filter_environ(policy.environ, {TOKEN_VARIABLE: "x"}):
            return "the policy passes variables of such a name"
    return ""


def forbidden(policy: Policy, probe: Probe, scene: Scene) -> str:
    """Why the policy keeps something from working that would have to work otherwise; '' when it does not."""
    if probe.guarantee == WORKS and ("here" in probe.program or "workspace" in probe.program):
        if not _writes(policy, os.path.join(scene.workspace, "x")):
            return "the policy makes the workspace read-only"
        if probe.row == "L-141" and policy.git == "read-only":
            return "the policy makes the repository read-only"
    return ""


def _outside(scene: Scene) -> str:
    return os.path.join(scene.base, "outside", "x")


def _at(scene: Scene, path: str) -> str:
    return os.path.join(scene.home, *path.split("/"))


def title(policy: Policy) -> str:
    """The policy in a few words: its name, and what differs in the network."""
    mode = policy.network.mode
    return policy.name if mode == NETWORK_OFF or not policy.confined else f"{policy.name}, network {mode}"
