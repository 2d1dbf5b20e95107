"""What an access check answers: one of three verdicts, masks with bounds, the open questions in play, a trace.

Knows: the words and shapes of an answer.  Must not know: how one is found.
Follows MS-DTYP 2.5.3.2 for the words; the third verdict and the bounds are this model's own.

Three masks, each within the next: ``lower`` is granted whatever Windows does where it is not publicly known, ``mask``
is granted by the reading that the documents support best, ``upper`` by at least one reading.  A proof that something
works asks for ``certain``; a proof that something cannot be done asks for ``not possible``.
"""

from __future__ import annotations

from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from sidewall.nt.sid import Sid

    Verdict: TypeAlias = Literal["granted", "denied", "cannot-prove"]

GRANTED: Verdict = "granted"
DENIED: Verdict = "denied"
CANNOT_PROVE: Verdict = "cannot-prove"

# Statuses: the name of the NTSTATUS or Win32 error in lower case, or why the model keeps silent.
SUCCESS = "success"
ACCESS_DENIED = "access_denied"
PRIVILEGE_NOT_HELD = "privilege_not_held"
INVALID_SECURITY_DESCR = "invalid_security_descr"
NOTHING_REQUESTED = "nothing_requested"
OUTSIDE_MODEL = "outside_model"
OPEN_QUESTION = "open_question"

# Open questions: where Windows' answer is not public.  An answer names those that it depends on.
WHOLE_REQUEST = "write-restricted-judges-whole-request"
MAXIMUM_WRITE_RESTRICTED = "maximum-allowed-of-write-restricted"
OWNER_READ_CONTROL = "owner-read-control-of-write-restricted"
PROCESS_WRITE_MASK = "write-mask-of-processes-and-threads"
APPCONTAINER_LABEL = "medium-label-and-appcontainer"
LABEL_READ_EXECUTE = "label-no-read-up-no-execute-up"

QUESTIONS = {
    WHOLE_REQUEST: "whether the restricting SIDs must grant the whole request or only its write bits",
    MAXIMUM_WRITE_RESTRICTED: "which bits the restricting SIDs limit when the maximum is asked for",
    OWNER_READ_CONTROL: "whether an owner who is not among the restricting SIDs keeps READ_CONTROL",
    PROCESS_WRITE_MASK: "which rights of processes and threads count as writes",
    APPCONTAINER_LABEL: "whether labels up to Medium bind an AppContainer on objects that are not files",
    LABEL_READ_EXECUTE: "which bits a label with NO_READ_UP or NO_EXECUTE_UP takes away",
}


class Step(Record):
    """One step of a check.

    ``step`` is its name; ``bits`` the access bits that it gave, took or asked for; ``ace`` the index in the list that
    decided them (-1: no entry did); ``sid`` the SID that the entry or the step is about; ``note`` the rest in words.
    """

    step: str
    bits: int = 0
    ace: int = -1
    sid: Sid | None = None
    note: str = ""

    def __str__(self) -> str:
        entry = f" ACE {self.ace}" if self.ace >= 0 else ""
        sid = f" {self.sid}" if self.sid is not None else ""
        note = f": {self.note}" if self.note else ""
        return f"{self.step}{entry}{sid} 0x{self.bits:x}{note}"


class Answer(Record):
    """The answer to one request.

    ``mask``, ``lower`` and ``upper`` hold object-specific and standard bits, never generic ones; for a request without
    MAXIMUM_ALLOWED each is the whole request or 0.  ``status`` says in one word why, ``reason`` in a sentence;
    ``readings`` are names from `QUESTIONS` on which the answer depends.  ``trace`` is empty unless it was asked for.
    """

    verdict: Verdict
    mask: int
    lower: int
    upper: int
    status: str
    reason: str = ""
    readings: tuple[str, ...] = ()
    trace: tuple[Step, ...] = ()

    @property
    def granted(self) -> bool:
        """Whether the best documented reading grants the request."""
        return self.verdict == GRANTED

    @property
    def possible(self) -> bool:
        """Whether the request may succeed: some reading grants it, or nothing can be proved."""
        return self.upper != 0

    @property
    def certain(self) -> bool:
        """Whether every reading grants the request."""
        return self.lower != 0

    def explain(self) -> list[str]:
        """The answer and its trace for people, one line each."""
        lines = [f"{self.verdict} ({self.status}) mask 0x{self.mask:x}" + (f": {self.reason}" if self.reason else "")]
        if self.lower != self.mask or self.upper != self.mask:
            lines.append(f"between 0x{self.lower:x} and 0x{self.upper:x}")
        lines += [f"open: {QUESTIONS[name]} ({name})" for name in self.readings]
        return lines + [str(step) for step in self.trace]
