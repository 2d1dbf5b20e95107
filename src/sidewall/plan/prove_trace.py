"""The trace of an access check in words that name people: which entry of which list, for whom, which rights.

Knows: who is who in a world and in a plan.  Must not know: policies, why a check was made.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.access_check_answer import CANNOT_PROVE, QUESTIONS
from sidewall.nt.ace import INHERITED
from sidewall.nt.wellknown import name_of
from sidewall.plan.windows_steps import TokenRecipe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.access_check_answer import Answer, Step
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token
    from sidewall.plan.steps import Plan
    from sidewall.plan.world import Accounts

_RESTRICTED = "restricted pass"


class Teller:
    """Says traces.  ``names`` are the people that are not well known everywhere."""

    __slots__ = ("names",)

    def __init__(self, accounts: Accounts, plan: Plan | None = None) -> None:
        self.names: dict[Sid, str] = {accounts.user: "the user", accounts.logon: "the user's logon session"}
        for sid, name in ((accounts.group, "the sandbox's group"), (accounts.offline, "the account without network"),
                          (accounts.online, "the account with network")):
            if sid is not None:
                self.names[sid] = name
        for step in plan.steps if plan is not None else ():
            if isinstance(step, TokenRecipe):
                for sid in step.restricting:
                    if not name_of(sid):
                        self.names.setdefault(sid, "this policy")

    def who(self, sid: Sid) -> str:
        """A SID with its name: ``Users (S-1-5-32-545)``."""
        name = self.names.get(sid) or name_of(sid)
        return f"{name} ({sid})" if name else str(sid)

    def lines(self, answer: Answer, descriptor: SecurityDescriptor, token: Token, *,
              directory: bool) -> tuple[str, ...]:
        """The answer, then the steps that decided it, one line each."""
        kind = "directory" if directory else "file"
        said = [answer.verdict + (f": {answer.reason}" if answer.reason else "")]
        said += [f"not public: {QUESTIONS[name]}" for name in answer.readings]
        passed = {step.step for step in answer.trace}
        said += [self._step(step, descriptor, kind) for step in answer.trace if step.step != "request"]
        if token.write_restricted and answer.granted and answer.mask and _RESTRICTED not in passed:
            said.append("the restricting SIDs are not asked: to a write-restricted token this is no write")
        if answer.verdict == CANNOT_PROVE:
            said.append("what cannot be judged counts as granted here")
        return tuple(said)

    def _step(self, step: Step, descriptor: SecurityDescriptor, kind: str) -> str:
        rights = bits.describe(step.bits, kind) if step.bits else ""
        if step.ace < 0 or step.sid is None:
            whom = f" {self.who(step.sid)}" if step.sid is not None else ""
            return f"{step.step}{whom}: {step.note}" + (f": {rights}" if rights else "")
        entries = descriptor.dacl.aces if descriptor.dacl is not None else ()
        inherited = step.ace < len(entries) and entries[step.ace].flags & INHERITED
        how = {"allowed": "allows", "denied": "denies"}.get(step.note, step.note)
        return (f"{step.step}: entry {step.ace + 1} of {len(entries)}{' (inherited)' if inherited else ''} {how} "
                f"{self.who(step.sid)} {rights}")
