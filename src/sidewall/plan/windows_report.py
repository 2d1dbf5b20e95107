"""The guarantee report of the Windows tiers: what each holds, by which mechanism, and what is missing.

Knows: what tokens, accounts, access lists, filters and jobs promise and do not (``docs/guarantees.md`` says it for
people).  Must not know: this machine; that is in ``WindowsFacts``.

A level here is what the documents and the model say.  What was measured on a machine is another thing, and said there.
"""

from __future__ import annotations

from sidewall.nt import mask
from sidewall.nt import wellknown as known
from sidewall.plan.facts_windows import UAC_ASKS
from sidewall.plan.guarantees import ADVISORY, ENFORCED, OPEN, PARTIAL, Guarantee, in_order
from sidewall.plan.windows_edits import WRITING
from sidewall.plan.windows_steps import ACCOUNT, TOKEN, TOKEN_STRICT
from sidewall.plan.windows_token import WRITE_RESTRICTED
from sidewall.policy.model import GIT_COMMIT, GUARANTEES, NETWORK_ON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.plan.facts_windows import WindowsFacts
    from sidewall.plan.windows_layout import Layout
    from sidewall.plan.windows_steps import TokenRecipe
    from sidewall.policy.model import Policy

SETUP = "run `sidewall setup` once: the account tier holds it"
NEEDS_EVERYONE = ("programs do not start here unless Everyone is a restricting SID: what Everyone may write is "
                  "writable")
DEPUTIES = "services that start programs for their caller (task scheduler, WMI, COM) do so with the user's own token"


def unconfined(policy: Policy) -> tuple[Guarantee, ...]:
    """The report of a policy that asks for no confinement: everything is open."""
    return tuple([Guarantee(name=name, level=OPEN, mechanism="none", reason="the profile confines nothing",
                            required=name in policy.require) for name in GUARANTEES])


def report(policy: Policy, facts: WindowsFacts, tier: str, layout: Layout, recipe: TokenRecipe
           ) -> tuple[Guarantee, ...]:
    """One line for each guarantee, in the design's order."""
    own = _account(policy, facts) if tier == ACCOUNT else _token(policy, facts, tier)
    lines = [*_outside(facts, tier, holes(facts, recipe)), _names(policy, layout, tier),
             _secrets(facts, layout, tier), *own, _limits(policy)]
    return in_order(tuple([line.replace(required=line.name in policy.require) for line in lines]))


def _line(name: str, level: str, mechanism: str, reason: str = "", remedy: str = "") -> Guarantee:
    return Guarantee(name=name, level=level, mechanism=mechanism, reason=reason, remedy=remedy)


def holes(facts: WindowsFacts, recipe: TokenRecipe) -> tuple[str, ...]:
    """The places known to be open to a token of this recipe, whatever the plan does: directories, each once.

    Both halves of the check must be granted a write, by whatever group.  FILE_DELETE_CHILD is no write to a
    write-restricted token: there the normal half alone decides.  What the user himself is granted is not known here,
    so in his own token the normal half of a fully restricted check counts as granted; an account is asked about.
    """
    strict = not recipe.flags & WRITE_RESTRICTED
    groups = {sid for sid, _ in recipe.groups if sid not in recipe.disable}
    groups |= {recipe.user} if recipe.base == "account" else set()
    normal: dict[str, int] = {}
    restricted: dict[str, int] = {}
    for place in facts.wide:
        rights = mask.map_generic(place.mask, mask.MAPPINGS["file"]) & WRITING
        normal[place.path] = normal.get(place.path, 0) | (rights if place.who in groups or strict else 0)
        restricted[place.path] = restricted.get(place.path, 0) | (rights if place.who in recipe.restricting else 0)
    unchecked = 0 if strict else mask.FILE_DELETE_CHILD
    return tuple(sorted(path for path, rights in normal.items() if rights & (restricted[path] | unchecked)))


def _outside(facts: WindowsFacts, tier: str, wide: tuple[str, ...]) -> list[Guarantee]:
    reasons = []
    if tier == ACCOUNT:
        how, remedy = "the account has no rights there; restricting SIDs", ""
        if facts.needs_everyone:
            reasons.append(NEEDS_EVERYONE)
        if wide:
            reasons.append("open to a group that the account is in: " + _some(wide))
            remedy = ("take Full Control from groups of many there (icacls); a volume without access lists has to be "
                      "removed")
        if not facts.audited:
            reasons.append(facts.unaudited or "nobody looked for directories that are open to all users")
            remedy = remedy or "run `sidewall doctor`"
        second = list(reasons)
    else:
        how, remedy = "restricting SIDs", SETUP
        strict = tier == TOKEN_STRICT
        if not strict:
            reasons.append("names in the user's own directories can be deleted and renamed (FILE_DELETE_CHILD is not "
                           "checked against the restricting SIDs)")
        reasons.append(f"what {'Users or Everyone' if strict else 'Everyone'} may write is writable"
                       + (": " + _some(wide) if wide else ""))
        reasons.append(DEPUTIES)
        second = reasons if strict else reasons[1:]
    said = "; ".join(reasons) or "the account's own profile is its own, and stays from one cell to the next"
    return [_line("write-outside", PARTIAL if reasons else ENFORCED, how, said, remedy),
            _line("metadata-outside", PARTIAL if second else ENFORCED, how, "; ".join(second), remedy)]


def with_everyone(report: tuple[Guarantee, ...]) -> tuple[Guarantee, ...]:
    """The report of the account tier where Everyone turns out to be needed as a restricting SID."""
    return tuple([line.replace(level=PARTIAL, reason=NEEDS_EVERYONE if line.level == ENFORCED else
                               f"{NEEDS_EVERYONE}; {line.reason}")
                  if line.name in ("write-outside", "metadata-outside") and line.level in (ENFORCED, PARTIAL) else line
                  for line in report])


def _names(policy: Policy, layout: Layout, tier: str) -> Guarantee:
    how = "deny ACEs; placeholders for absent names; compared after each command"
    reasons = []
    if layout.roots and tier != ACCOUNT:
        reasons.append("with FILE_DELETE_CHILD on its directory a name can be moved away and made anew" if tier == TOKEN
                       else DEPUTIES)
    if layout.roots:
        reasons.append("a name that is absent deeper down can be made, and is put away after the command")
    if layout.git_gaps:
        reasons.append(_some(layout.git_gaps))
    if layout.weak_names:
        reasons.append("not held: " + _some(layout.weak_names))
    if layout.roots and not layout.facts.scanned:
        reasons.append("a writable directory is too large to look through")
    remedy = ""
    if reasons:
        git = layout.git_gaps and policy.git == GIT_COMMIT
        remedy = SETUP if tier != ACCOUNT else 'use git = "read-only"' if git else "use --profile :read-only"
        return _line("protected-names", PARTIAL, how, "; ".join(reasons), remedy)
    return _line("protected-names", ENFORCED, how)


def _secrets(facts: WindowsFacts, layout: Layout, tier: str) -> Guarantee:
    if tier == TOKEN:
        return _line("read-secrets", OPEN, "none", "a write-restricted token reads all that the user reads", SETUP)
    reasons = []
    if tier == TOKEN_STRICT:
        how = "restricting SIDs; deny ACEs in what is granted"
        reasons.append(DEPUTIES)
    else:
        how = "another account, which the user's profile does not let in; deny ACEs in what is granted"
    if not facts.home_private:
        reasons.append("the profile directory lets other accounts of this machine read")
    if layout.weak_secrets:
        reasons.append("not held, or only what is there now: " + _some(layout.weak_secrets))
    if not reasons:
        return _line("read-secrets", ENFORCED, how)
    remedy = SETUP if tier == TOKEN_STRICT else "keep secrets out of writable directories, or deny the directory itself"
    return _line("read-secrets", PARTIAL, how, "; ".join(reasons), remedy)


def _account(policy: Policy, facts: WindowsFacts) -> list[Guarantee]:
    online = policy.network.mode == NETWORK_ON
    allowed = "the policy allows every host"
    filters = "filters for the account's SID, IPv4 and IPv6"
    if online:
        loopback = _line("network-host-loopback", OPEN, "none", 'network = "on" shares the host\'s loopback',
                         'use network = "off"')
        names = _line("name-resolution", ENFORCED, allowed)
    else:
        taken = facts.filtering.taken
        loopback = _line(
            "network-host-loopback", PARTIAL if taken else ENFORCED, filters,
            f"programs outside listen in the reserved range: {', '.join(map(str, taken))}" if taken else
            "servers inside are reached in the reserved range of ports only",
            "move those programs to other ports" if taken else "")
        names = _line("name-resolution", OPEN, "filters for ports 53, 853, 5353, 5355",
                      "the system's resolver service answers every account; the question leaves in its name")
    return [
        _line("network-egress", ENFORCED, allowed if online else filters,
              "" if online else "names are resolved by a service (see name-resolution); whether other services "
              "fetch in the account's name was not measured"),
        loopback, names,
        _line("unix-sockets-and-pipes", PARTIAL, "another account",
              "pipes that their owner opened to Everyone are reached; a pipe without a list of its own can be read"),
        _line("outside-processes", PARTIAL, "another account; the user's logon session is deny-only",
              "the list of processes can be read; cells of one account reach each other's processes"),
        _desktop(),
        _line("privileges", ENFORCED, "an account without rights; all privileges but traversing removed"),
        _survivors("start them outside the job, as the account"),
    ]


def _token(policy: Policy, facts: WindowsFacts, tier: str) -> list[Guarantee]:
    online = policy.network.mode == NETWORK_ON
    allowed = "the policy allows every host"
    advice = "variables that ask programs not to"
    reason = "no filter can match a restricting SID: a program that opens a socket itself is not stopped"
    administrator = any(sid == known.ADMINISTRATORS for sid, _ in facts.groups)
    silent = administrator and facts.uac != UAC_ASKS
    unasked = "administrators are not asked before programs are raised" if silent else ""
    if tier == TOKEN_STRICT:
        pipes = _line("unix-sockets-and-pipes", PARTIAL, "restricting SIDs",
                      "pipes that grant Everyone, Users or the logon session are reached", SETUP)
    else:
        pipes = _line("unix-sockets-and-pipes", OPEN, "none", "the user's pipes can be opened for reading, and those "
                      "that grant Everyone or the logon session for writing", SETUP)
    return [
        _line("network-egress", ENFORCED, allowed) if online else
        _line("network-egress", ADVISORY, advice, reason, SETUP),
        _line("network-host-loopback", OPEN, "none", 'network = "on" shares the host\'s loopback' if online else reason,
              'use network = "off" in the account tier' if online else SETUP),
        _line("name-resolution", ENFORCED, allowed) if online else
        _line("name-resolution", ADVISORY, advice, reason, SETUP),
        pipes,
        _line("outside-processes", OPEN, "restricting SIDs for what writes",
              "the user's processes grant his logon session reading of their memory and ending them", SETUP),
        _desktop(),
        _line("privileges", PARTIAL if unasked else ENFORCED,
              "all privileges but traversing removed; groups with rights over the machine are deny-only",
              unasked, "switch User Account Control on, or " + SETUP if unasked else ""),
        _survivors("start them outside the job"),
    ]


def _desktop() -> Guarantee:
    return _line("desktop", PARTIAL, "a window station and desktop of its own",
                 "the shell can be asked over COM to open an address in the user's browser; the sandboxes of one logon "
                 "session share a clipboard, which is not the user's")


def _survivors(what: str) -> Guarantee:
    return _line("survivors", PARTIAL, "a job from the first instruction, killed when its owner ends",
                 "services that start programs for their caller " + what)


def _limits(policy: Policy) -> Guarantee:
    limits = policy.limits
    how = ["time and output: the session"]
    how += ["processes: the job"] if limits.processes else []
    how += ["memory: the job"] if limits.memory_bytes else []
    weak = ["Windows has no limit on the size of a file"] if limits.file_bytes else []
    weak += ["Windows has no limit on open files"] if limits.open_files else []
    return _line("limits", PARTIAL if weak else ENFORCED, "; ".join(how), "; ".join(weak),
                 "leave that limit out on Windows" if weak else "")


def _some(paths: tuple[str, ...] | list[str]) -> str:
    return ", ".join(sorted(set(paths))[:4])
