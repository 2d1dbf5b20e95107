"""Compiles a policy for Windows: which tier, which steps in which order, which guarantees.

Knows: what tokens, accounts, access lists, filters, desktops and jobs can hold, as documents say it.
Must not know: this machine; that comes in as ``WindowsFacts``.

``auto`` is the ``account`` tier, and where that cannot be had the ``token`` tier, which says so; ``token-strict`` is
taken by name only, since most programs do not find what they read in it.
"""

from __future__ import annotations

from sidewall.errors import GuaranteeError, UsageError
from sidewall.nt import wellknown as known
from sidewall.plan import windows_network, windows_report, windows_session, windows_token
from sidewall.plan.facts_windows import (
    CREDENTIAL_GOOD,
    CREDENTIAL_MISSING,
    CREDENTIAL_STALE,
    CREDENTIAL_UNREADABLE,
    AccountFact,
    WindowsFacts,
)
from sidewall.plan.guarantees import Guarantee, unmet
from sidewall.plan.steps import UNCONFINED, Plan, Step, Watch
from sidewall.plan.windows_git import UNHELD
from sidewall.plan.windows_layout import Layout
from sidewall.plan.windows_paths import lay_out
from sidewall.plan.windows_refuse import Refusal
from sidewall.plan.windows_sids import account_names, capability, sha256
from sidewall.plan.windows_steps import (
    ACCOUNT,
    TOKEN,
    TOKEN_STRICT,
    Accounts,
    NetworkFilters,
    Ownership,
    TokenRecipe,
)
from sidewall.plan.windows_unenforced import lower
from sidewall.policy.model import NETWORK_ON, NETWORK_PROXY, Policy
from sidewall.policy.paths import WINDOWS

TIERS = (ACCOUNT, TOKEN_STRICT, TOKEN)
AUTO = (ACCOUNT, TOKEN)
OLDEST_BUILD = 17763
"""Version 1809: the first with pseudo consoles."""
DENIED_RIGHTS = ("SeDenyNetworkLogonRight", "SeDenyRemoteInteractiveLogonRight", "SeDenyBatchLogonRight",
                 "SeDenyServiceLogonRight")
SETUP = "run `sidewall setup`"
_SERVICES = (known.SYSTEM, known.LOCAL_SERVICE, known.NETWORK_SERVICE)
_CREDENTIALS = {
    CREDENTIAL_MISSING: "its password is not known here",
    CREDENTIAL_UNREADABLE: "its stored password cannot be decrypted (the user's DPAPI key has changed)",
    CREDENTIAL_STALE: "its password was changed after the stored one",
}


def compile(policy: Policy, facts: WindowsFacts, tier: str) -> Plan:
    """See ``sidewall.plan.compile``."""
    if policy.flavour != WINDOWS:
        raise UsageError("this policy is not about Windows paths", hint="build it with the windows flavour")
    if policy.network.mode == NETWORK_PROXY:
        raise UsageError('network = "proxy" needs the egress proxy, which this release does not have',
                         hint='use network = "off", or "on" to allow every host')
    if not policy.confined:
        return _finish(policy, UNCONFINED, (windows_session.job(policy),), windows_report.unconfined(policy), (), None)
    chosen = choose_tier(policy, facts, tier)
    better = None if chosen == ACCOUNT else why_not_account(policy, facts)
    sid = capability(facts.install, facts.user, policy)
    account = _account(policy, facts) if chosen == ACCOUNT else None
    layout = lay_out(policy, facts, chosen, sid, facts.group if account else None)
    recipe = windows_token.recipe(chosen, facts, sid, account.sid if account else None)
    steps = _steps(policy, facts, recipe, layout, account)
    notes = [f"the account tier cannot be had: {better.reason}"] if better is not None and tier == "auto" else []
    if account is not None and policy.network.mode != NETWORK_ON:
        low, high = windows_network.RESERVED
        notes.append(f"on the loopback interface the ports {low} to {high} are open and no others: programs that talk "
                     "to themselves over a port of the system's choice (Python's asyncio) are refused")
        if policy.network.loopback_ports:
            notes.append("the policy's loopback ports of the host are not reached in this tier: no filter is changed "
                         "for a cell")
    if account is None:
        notes.append("directories that only their owner may open (Python's tempfile from 3.12.4 on) cannot be used "
                     "inside this tier")
    report = lower(windows_report.report(policy, facts, chosen, layout, recipe), facts.unenforced, chosen)
    return _finish(policy, chosen, steps, report, (*notes, *layout.notes), better if tier == "auto" else None)


def with_everyone(plan: Plan) -> Plan:
    """The same plan of the account tier with Everyone among the restricting SIDs, for a machine that turns out to start
    no program without; its promises are lower.  Raises GuaranteeError where the policy requires one of them."""
    changed = tuple([step.replace(restricting=(*step.restricting, known.EVERYONE)) if isinstance(step, TokenRecipe)
                     else step for step in plan.steps])
    return _finish(plan.policy, plan.tier, changed, windows_report.with_everyone(plan.guarantees), plan.notes, None)


def _account(policy: Policy, facts: WindowsFacts) -> AccountFact | None:
    return facts.online if policy.network.mode == NETWORK_ON else facts.offline


def filters(policy: Policy, facts: WindowsFacts) -> NetworkFilters | None:
    """The filters of the account that a policy uses; None while there is none."""
    used = _account(policy, facts)
    if used is None or used.sid is None:
        return None
    online = policy.network.mode == NETWORK_ON
    return windows_network.online(used.sid) if online else windows_network.offline(used.sid)


def why_not(facts: WindowsFacts) -> Refusal | None:
    """Why no tier at all can be had for this caller on this machine; None when one may be."""
    if facts.build < OLDEST_BUILD:
        return Refusal(reason=f"Windows build {facts.build} is older than {OLDEST_BUILD} (version 1809)",
                       hint="use Windows 10 version 1809 or later")
    if facts.user in _SERVICES:
        return Refusal(reason=f"the caller is {known.name_of(facts.user)}, not a person",
                       hint="start it as an ordinary user")
    if facts.container:
        return Refusal(reason="the caller runs in an AppContainer", hint="start it outside that app")
    inside = facts.group is not None and any(sid == facts.group for sid, _ in facts.groups)
    if facts.restricted or inside:
        return Refusal(reason="the caller is confined already: its token is restricted",
                       hint="start it outside the sandbox that it runs in")
    return None


def why_not_account(policy: Policy, facts: WindowsFacts) -> Refusal | None:
    """Why the account tier cannot be had, from facts and from no marker; None when it can."""
    general = why_not(facts)
    used = _account(policy, facts)
    if general is not None:
        return general
    if used is None or facts.group is None:
        return Refusal(reason="the sandbox accounts are not set up", hint=SETUP)
    if used.sid is None:
        return Refusal(reason=f"the account {used.name} was deleted", hint=f"{SETUP}: it makes it anew")
    if not facts.runner:
        return Refusal(reason=facts.runner_problem or "commands cannot be started as the sandbox's accounts",
                       hint="use the token tier")
    if facts.logon_forbidden:
        return Refusal(reason=f"a policy refuses the accounts an interactive logon ({facts.logon_forbidden})",
                       hint="ask whoever keeps that policy to take the sandbox's group out of it")
    if facts.seclogon == "disabled":
        return Refusal(reason="the Secondary Logon service (seclogon) is disabled",
                       hint="as an administrator: sc config seclogon start= demand")
    if used.locked:
        return Refusal(reason=f"the account {used.name} is locked out, and is not tried again",
                       hint="wait until the lockout is over; then look who logs on as that account")
    if used.disabled:
        return Refusal(reason=f"the account {used.name} is disabled", hint=SETUP)
    if used.expired:
        return Refusal(reason=f"the password of {used.name} has expired by a policy of this machine", hint=SETUP)
    if not used.in_group:
        return Refusal(reason=f"the account {used.name} is not in its group", hint=SETUP)
    if used.credential != CREDENTIAL_GOOD:
        return Refusal(reason=f"the account {used.name} cannot be used: {_CREDENTIALS[used.credential]}", hint=SETUP)
    if used.refused:
        return Refusal(reason=f"the last logon of the account {used.name} was refused, and is not tried again: "
                              f"{used.refused}", hint=SETUP)
    wanted = filters(policy, facts)
    if not facts.filtering.running:
        return Refusal(reason="the base filtering engine (BFE) does not run, so no filter holds",
                       hint="as an administrator: sc start bfe")
    lost = windows_network.missing(wanted, facts.filtering.present) if wanted is not None else ()
    if lost:
        return Refusal(reason=f"{len(lost)} of its network filters are gone ({lost[0]})", hint=SETUP)
    return None


def why_not_token(facts: WindowsFacts) -> Refusal | None:
    """Why the token tiers cannot be had; None when they can."""
    general = why_not(facts)
    if general is not None:
        return general
    if facts.logon is None:
        return Refusal(reason="the caller's token has no logon session (a service, or a scheduled task)",
                       hint="start it from a session of the user, or use the account tier")
    return None


def choose_tier(policy: Policy, facts: WindowsFacts, wanted: str) -> str:
    """The tier to use.  Raises UsageError for an unknown name, GuaranteeError when it cannot be had."""
    if wanted not in ("auto", *TIERS):
        raise UsageError(f"unknown tier {wanted!r}", hint=f"tiers on Windows: auto, {', '.join(TIERS)}")
    token = why_not_token(facts)
    reasons = {ACCOUNT: why_not_account(policy, facts), TOKEN_STRICT: token, TOKEN: token}
    for name in AUTO if wanted == "auto" else (wanted,):
        if reasons[name] is None:
            return name
    refusals = {name: found for name, found in reasons.items() if found is not None}
    first = refusals[ACCOUNT if wanted == "auto" else wanted]
    told = "; ".join(f"{name}: {refusals[name].reason}" for name in AUTO if name in refusals)
    raise GuaranteeError(f"no tier can confine a command on this machine ({told})" if wanted == "auto"
                         else f"the {wanted} tier cannot be had here: {first.reason}", hint=first.hint)


def _steps(policy: Policy, facts: WindowsFacts, recipe: TokenRecipe, layout: Layout, account: AccountFact | None
           ) -> tuple[Step, ...]:
    sid = layout.edits.trustees[-1]
    runs_as = account.sid if account is not None else None
    roots = tuple([root.real for root in layout.roots])
    steps: list[Step] = []
    if account is not None and runs_as is not None and facts.group is not None:
        group, offline, online = account_names(facts.user)
        steps.append(Accounts(group=group, offline=offline, online=online, use=account.name, group_sid=facts.group,
                              use_sid=runs_as, denied_rights=DENIED_RIGHTS))
        held = filters(policy, facts)
        steps += [held] if held is not None else []
    # What holds a name is there before anything is granted around it.
    steps += layout.placeholders()
    steps += layout.edits.steps()
    steps += layout.refusals()
    steps.append(windows_session.private_temp(facts, sid, facts.group if account is not None else None))
    steps.append(windows_session.desktop(facts, runs_as))
    steps.append(windows_session.job(policy))
    steps.append(recipe)
    steps.append(windows_session.environment(policy, facts, account=account is not None, safe=roots))
    steps.append(Watch(roots=roots, names=policy.protected, held=layout.held(), each=True))
    if layout.git_watched:
        steps.append(Watch(roots=tuple(layout.git_watched), names=UNHELD, held=(), each=True))
    if account is not None and roots:
        steps.append(Ownership(roots=roots, owner=facts.user))
    return tuple(steps)


def _finish(policy: Policy, tier: str, steps: tuple[Step, ...], report: tuple[Guarantee, ...],
            notes: tuple[str, ...], better: Refusal | None) -> Plan:
    missing = unmet(report)
    if missing:
        first = missing[0]
        told = "; ".join(f"{line.name} is {line.level}: {line.reason}" for line in missing)
        also = f" (the account tier cannot be had: {better.reason})" if better is not None else ""
        left = ",".join(name for name in policy.require if name != first.name) or "none"
        raise GuaranteeError(f"required but not enforced here in the {tier} tier: {told}{also}",
                             guarantees=tuple([line.name for line in missing]),
                             hint=(better.hint if better is not None else "") or first.remedy
                             or f"drop it from 'require' to run without it: --require {left}")
    return Plan(platform="windows", tier=tier, policy=policy, steps=steps, guarantees=report,
                digest=sha256(repr(steps)).hex(), notes=notes)


__all__ = ["AUTO", "TIERS", "choose_tier", "compile", "filters", "why_not", "why_not_account", "why_not_token",
           "with_everyone"]
