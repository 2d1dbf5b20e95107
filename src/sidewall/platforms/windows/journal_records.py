"""What a journal of access lists says, line by line: leases, edits, what was settled, placeholders.

Knows: the records, their lines both ways, the state that the lines add up to.  Must not know: files, locks, processes
(``journal``), or how a change is made or undone (``acls``, ``recovery``).

A line is a checksum, a word and fields ``key=value``, apart by tabs, so that a person can read it; each says whose it
is, so that no line needs another one to be understood.  A line that does not read is kept as it is.
"""

from __future__ import annotations

from binascii import crc32

from sidewall.nt.ace import Ace
from sidewall.nt.edit import Edit
from sidewall.nt.edit_merge import Mark
from sidewall.nt.errors import NtError
from sidewall.platforms.windows.store import Identity
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    Entry: TypeAlias = "Begun | Edited | Settled | Made"


class Owner(Record):
    """A process: its id, and when it was created (the system's own number), as ids are given again."""

    pid: int
    created: int


ENDED = Owner(pid=0, created=0)
"""The owner of what is still recorded of a lease that has ended."""


class Begun(Record):
    """A lease begins.  ``policy`` is the digest of the plan's edits: leases of one digest share what was changed."""

    lease: str
    owner: Owner
    policy: str


class Edited(Begun):
    """One list is about to gain entries: ``edit`` makes the change, and its inverse undoes it.

    ``before`` is the SDDL before, ``holds`` are the entries that the policy needs there, ours or added by another
    policy's edit; ``tree``: inheritable ones are carried on to what lies below.
    """

    path: str
    identity: Identity
    directory: bool
    tree: bool
    before: str
    edit: Edit
    holds: tuple[Ace, ...]
    tries: int = 0


class Settled(Begun):
    """One object below an edit whose inherited entries were not what its directory hands down, and are now.

    ``edit`` leads from its list to what propagation makes of it without our entries; ``control`` are the control bits
    before and after; ``bare``: it had no list, or a NULL one.
    """

    path: str
    identity: Identity
    before: str
    edit: Edit
    control: tuple[int, int]
    bare: bool


class Made(Begun):
    """A placeholder is about to be made with the descriptor ``sddl``; ``identity`` is known once it is there."""

    path: str
    directory: bool
    sddl: str
    identity: Identity | None = None


class State(Record):
    """What a journal's lines add up to; ``damaged`` are (number from 1, bytes) of lines that do not read."""

    leases: tuple[Begun, ...] = ()
    edits: tuple[Edited, ...] = ()
    settled: tuple[Settled, ...] = ()
    made: tuple[Made, ...] = ()
    damaged: tuple[tuple[int, bytes], ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is recorded."""
        return not (self.leases or self.edits or self.settled or self.made or self.damaged)

    def with_entries(self, entries: Iterable[Entry]) -> State:
        """The state with these lines more."""
        leases = {lease.lease: lease for lease in self.leases}
        edits, settled, made = list(self.edits), list(self.settled), {_place(one): one for one in self.made}
        for entry in entries:
            if entry.owner != ENDED:
                leases.setdefault(entry.lease, Begun(lease=entry.lease, owner=entry.owner,
                                                          policy=entry.policy))
            if isinstance(entry, Edited):
                edits.append(entry)
            elif isinstance(entry, Settled):
                settled.append(entry)
            elif isinstance(entry, Made):
                made[_place(entry)] = entry
        return State(leases=tuple(leases.values()), edits=tuple(edits), settled=tuple(settled),
                     made=tuple(made.values()), damaged=self.damaged)


def _place(made: Made) -> tuple[str, str]:
    return made.lease, made.path


_WORDS: dict[type[Begun], str] = {Begun: "begin", Edited: "edit", Settled: "settle", Made: "make"}
_KINDS = {word: kind for kind, word in _WORDS.items()}


def to_line(entry: Entry) -> bytes:
    """The line of an entry, with its end."""
    fields = {"lease": entry.lease, "owner": f"{entry.owner.pid}:{entry.owner.created}", "policy": entry.policy}
    if isinstance(entry, Edited):
        fields |= {"path": entry.path, "id": str(entry.identity), "dir": _flag(entry.directory),
                   "tree": _flag(entry.tree), "before": entry.before, "edit": _script(entry.edit),
                   "undo": _script(entry.edit.inverse()), "tries": str(entry.tries),
                   "holds": ",".join([_hex(ace) for ace in entry.holds])}
    elif isinstance(entry, Settled):
        fields |= {"path": entry.path, "id": str(entry.identity), "before": entry.before,
                   "edit": _script(entry.edit), "undo": _script(entry.edit.inverse()),
                   "control": f"{entry.control[0]:x}:{entry.control[1]:x}", "bare": _flag(entry.bare)}
    elif isinstance(entry, Made):
        fields |= {"path": entry.path, "dir": _flag(entry.directory), "sddl": entry.sddl,
                   "id": str(entry.identity or "")}
    body = "\t".join([_WORDS[type(entry)], *[f"{key}={_quoted(value)}" for key, value in fields.items()]])
    data = body.encode("utf-8", "surrogatepass")
    return b"%08x\t%s\n" % (crc32(data), data)


def of_line(line: bytes) -> Entry:
    """The entry of a line without its end.  Raises ValueError for one that is torn or damaged."""
    checksum, tab, data = line.partition(b"\t")
    if not tab or checksum != b"%08x" % crc32(data):
        raise ValueError("its checksum is wrong")
    word, *pairs = data.decode("utf-8", "surrogatepass").split("\t")
    kind = _KINDS.get(word)
    if kind is None:
        raise ValueError(f"nothing is known of {word!r} here")
    fields = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        fields[key] = _unquoted(value)
    try:
        return _entry(kind, fields)
    except KeyError as error:
        raise ValueError(f"the field {error.args[0]} is not there") from None


def _entry(kind: type[Begun], fields: Mapping[str, str]) -> Entry:
    pid, _, created = fields["owner"].partition(":")
    lease, policy, owner = fields["lease"], fields["policy"], Owner(pid=int(pid), created=int(created))
    if kind is Edited:
        edit = _edit(fields["edit"])
        if edit.inverse() != _edit(fields["undo"]):
            raise ValueError("what it says of the change and of its undoing do not fit")
        holds = [Ace.from_bytes(bytes.fromhex(one)) for one in fields["holds"].split(",") if one]
        return Edited(lease=lease, owner=owner, policy=policy, path=fields["path"], edit=edit, holds=tuple(holds),
                      identity=Identity.parse(fields["id"]), directory=fields["dir"] == "1",
                      tree=fields["tree"] == "1", before=fields["before"], tries=int(fields["tries"]))
    if kind is Settled:
        edit = _edit(fields["edit"])
        if edit.inverse() != _edit(fields["undo"]):
            raise ValueError("what it says of the change and of its undoing do not fit")
        before, _, after = fields["control"].partition(":")
        return Settled(lease=lease, owner=owner, policy=policy, path=fields["path"], edit=edit,
                       identity=Identity.parse(fields["id"]), before=fields["before"],
                       control=(int(before, 16), int(after, 16)), bare=fields["bare"] == "1")
    if kind is Made:
        identity = Identity.parse(fields["id"]) if fields["id"] else None
        return Made(lease=lease, owner=owner, policy=policy, path=fields["path"], identity=identity,
                    directory=fields["dir"] == "1", sddl=fields["sddl"])
    return Begun(lease=lease, owner=owner, policy=policy)


def of_lines(data: bytes) -> State:
    """The state that lines add up to.  What was written before a crash ends with a line end; what has none is torn."""
    entries: list[Entry] = []
    damaged: list[tuple[int, bytes]] = []
    *lines, torn = data.split(b"\n")
    for number, line in enumerate(lines, 1):
        try:
            entries.append(of_line(line))
        except (ValueError, NtError):
            damaged.append((number, line))
    if torn:
        damaged.append((len(lines) + 1, torn))
    return State(damaged=tuple(damaged)).with_entries(entries)


def to_lines(state: State) -> bytes:
    """Lines that add up to the state; those that do not read come first, as they are."""
    living = {lease.lease for lease in state.leases}
    entries: list[Entry] = [*state.leases]
    for entry in (*state.made, *state.settled, *state.edits):
        entries.append(entry if entry.lease in living else entry.replace(owner=ENDED))
    return b"".join([*[line + b"\n" for _, line in state.damaged], *[to_line(entry) for entry in entries]])


def _flag(value: bool) -> str:
    return "1" if value else "0"


def _hex(ace: Ace) -> str:
    return ace.to_bytes().hex()


def _script(edit: Edit) -> str:
    return ",".join([op + digits for op, digits in edit.to_json()])


def _edit(text: str) -> Edit:
    marks = [Mark(op=part[0], ace=Ace.from_bytes(bytes.fromhex(part[1:]))) for part in text.split(",") if part]
    if any(mark.op not in "=+-" for mark in marks):
        raise ValueError("not an edit")
    return Edit(script=tuple(marks))


def _quoted(value: str) -> str:
    if value.isprintable() and "%" not in value:
        return value
    return "".join([f"%{ord(char):02x}" if char == "%" or ord(char) < 0x20 else char for char in value])


def _unquoted(value: str) -> str:
    first, *rest = value.split("%")
    return first + "".join([chr(int(part[:2], 16)) + part[2:] for part in rest])


__all__ = ["Begun", "Edited", "Entry", "Made", "Owner", "Settled", "State", "of_line", "of_lines", "to_line",
           "to_lines"]
