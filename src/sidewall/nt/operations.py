"""File-system operations by the descriptors of the object and of its parent.

Knows: which rights an operation asks for, of which object: MS-FSA 2.1.5.1 (open, create), 2.1.5.15.3 (delete),
2.1.5.15.7 (hard link), 2.1.5.15.12 (rename), KB Q238018 (delete by the parent's FILE_DELETE_CHILD).
Must not know: paths and ancestors (`operations_tree` does), or how a check walks.
"""

from __future__ import annotations

from sidewall.nt import mask as bits
from sidewall.nt.access_check import access_check, backup_rights
from sidewall.nt.access_check_answer import CANNOT_PROVE, DENIED, GRANTED
from sidewall.nt.ace import SYSTEM_MANDATORY_LABEL
from sidewall.nt.errors import NtError
from sidewall.nt.inherit import made_by
from sidewall.nt.mask import MAPPINGS, map_generic
from sidewall.nt.operations_answer import (
    IN_PLACE,
    LINK_RIGHT,
    READ_ONLY_DELETE,
    REPLACE_DIRECTORY,
    SYNCHRONIZE_NEW_PARENT,
    Outcome,
    all_of,
    any_of,
    assumed,
    denied,
    granted,
    of_answer,
    unknown,
)
from sidewall.nt.token import SE_GROUP_OWNER
from sidewall.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.nt.access_check_answer import Verdict
    from sidewall.nt.descriptor import SecurityDescriptor
    from sidewall.nt.sid import Sid
    from sidewall.nt.token import Token

FILE = MAPPINGS["file"]
MAX_LINKS = 1024
DATA_WRITES = bits.FILE_WRITE_DATA | bits.FILE_APPEND_DATA
CHANGES = (
    DATA_WRITES | bits.FILE_WRITE_EA | bits.FILE_WRITE_ATTRIBUTES | bits.FILE_DELETE_CHILD
    | bits.DELETE | bits.WRITE_DAC | bits.WRITE_OWNER
)
_LENT = ((bits.DELETE, bits.FILE_DELETE_CHILD), (bits.FILE_READ_ATTRIBUTES, bits.FILE_LIST_DIRECTORY))
_LENDABLE = bits.DELETE | bits.FILE_READ_ATTRIBUTES
"""What a right on the parent gives on the object, whatever the object's own descriptor says (MS-FSA 2.1.5.1.2.1)."""


class Place(Record):
    """An object as far as an operation asks about it.

    ``sd`` None: not captured.  ``read_only`` is the attribute; ``acls`` False: its volume stores no descriptors;
    ``remote``: another machine decides, with another token; ``write_protected``: the volume is.
    """

    sd: SecurityDescriptor | None = None
    directory: bool = False
    read_only: bool = False
    links: int = 1
    path: str = ""
    acls: bool = True
    remote: bool = False
    write_protected: bool = False


def check(what: str, place: Place, token: Token, desired: int, *, backup_intent: bool = False,
          trace: bool = False) -> Outcome:
    """One access check of one object.  ``backup_intent``: SeBackup- and SeRestorePrivilege of the token count."""
    most = bits.FILE_ALL_ACCESS if desired & bits.MAXIMUM_ALLOWED else 0
    if place.write_protected and desired & CHANGES:
        return denied(what, "the volume is write-protected", place.path, desired)
    if place.remote:
        return unknown(what, "another machine decides about what is there", place.path, desired | most)
    if not place.acls:
        return granted(what, "its volume stores no descriptors", place.path, desired | most)
    if place.sd is None:
        return unknown(what, "its descriptor was not captured", place.path, desired | most)
    before = backup_rights(token) if backup_intent else 0
    answer = access_check(place.sd, token, desired, FILE, previously_granted=before, trace=trace)
    return of_answer(what, desired, answer, place.path)


def open_file(file: Place, parent: Place | None, token: Token, desired: int, *, backup_intent: bool = False,
              trace: bool = False) -> Outcome:
    """Open an existing file or directory for ``desired``.

    DELETE is given by FILE_DELETE_CHILD of the parent too, FILE_READ_ATTRIBUTES by FILE_LIST_DIRECTORY; ``parent``
    None: a volume's root, or not to be considered.
    """
    desired = map_generic(desired, FILE)
    kind = "directory" if file.directory else "file"
    asked = desired & ~bits.MAXIMUM_ALLOWED
    what = f"open the {kind} for {bits.describe(asked, kind)}" if asked else f"open the {kind} for all that is granted"
    if file.read_only and not file.directory and asked & DATA_WRITES:
        return denied(what, "the read-only attribute stops writing of data", file.path, desired)
    if desired & bits.MAXIMUM_ALLOWED:
        return _maximum(what, file, parent, token, asked, backup_intent, trace)
    own = check(what, file, token, desired, backup_intent=backup_intent, trace=trace)
    if own.certain or parent is None or file.write_protected or not desired & _LENDABLE:
        return own
    lent = _lent(parent, token, desired, backup_intent, trace)
    given = {bit: part for bit, part in lent.items() if part.possible}
    ways = (own, *lent.values())  # where the parent lends nothing, its refusals are shown all the same
    if given:
        # Less asked of the object is never harder, so all that may be lent is taken off at once.
        rest = desired & ~sum(given)
        parts = tuple(given.values())
        if rest:
            rest_of = f"open the {kind} for {bits.describe(rest, kind)}"
            parts += (check(rest_of, file, token, rest, backup_intent=backup_intent, trace=trace),)
        ways = (own, parts[0] if len(parts) == 1 else all_of("through the parent", parts))
    whole = any_of(what, ways, file.path)
    return whole.replace(desired=desired, mask=desired if whole.granted else 0,
                         lower=desired if whole.certain else 0, upper=desired if whole.possible else 0)


def _lent(parent: Place, token: Token, desired: int, backup_intent: bool, trace: bool) -> dict[int, Outcome]:
    return {
        bit: check(f"the parent's {bits.describe(right, 'directory')}", parent, token, right,
                   backup_intent=backup_intent, trace=trace)
        for bit, right in _LENT if desired & bit
    }


def _maximum(what: str, file: Place, parent: Place | None, token: Token, asked: int, backup_intent: bool,
             trace: bool) -> Outcome:
    # What no parent lends is asked for by name: some privileges give only what is asked for so.
    asked_of_it = bits.MAXIMUM_ALLOWED | asked & ~_LENDABLE
    own = check(what, file, token, asked_of_it, backup_intent=backup_intent, trace=trace)
    lent = {} if parent is None else _lent(parent, token, _LENDABLE, backup_intent, trace)
    taken = DATA_WRITES | bits.FILE_DELETE_CHILD if file.read_only or file.write_protected else 0
    lower, mask, upper = (value & ~taken & ~bits.MAXIMUM_ALLOWED for value in (own.lower, own.mask, own.upper))
    for bit, part in lent.items():
        lower |= bit if part.certain else 0
        mask |= bit if part.granted else 0
        upper |= bit if part.possible else 0
    doubtful = own.verdict == CANNOT_PROVE or any(part.verdict == CANNOT_PROVE for part in lent.values())
    verdict: Verdict = GRANTED if mask and not asked & ~mask else CANNOT_PROVE if doubtful else DENIED
    return Outcome(
        what=what, verdict=verdict, certain=bool(lower) and not asked & ~lower,
        possible=doubtful or (bool(upper) and not asked & ~upper), path=file.path, desired=asked | bits.MAXIMUM_ALLOWED,
        lower=lower, mask=mask, upper=upper, readings=own.readings, parts=(own, *lent.values()), joined="any",
        reason="" if verdict == GRANTED else own.reason,
    )


def create_in(parent: Place, token: Token, *, directory: bool = False, creator: SecurityDescriptor | None = None,
              backup_intent: bool = False, trace: bool = False) -> Outcome:
    """Create a file or directory that does not exist.  The creator's handle has what it asked for, whatever the DACL.

    ``creator`` is the descriptor that the call gives.  ``descriptor`` of the outcome is the new object's, if the
    parent's is known.
    """
    right = bits.FILE_ADD_SUBDIRECTORY if directory else bits.FILE_ADD_FILE
    what = f"create a {'directory' if directory else 'file'} in"
    added = check(what, parent, token, right, backup_intent=backup_intent, trace=trace)
    if creator is not None and _audits(creator) and "SeSecurityPrivilege" not in token.privileges:
        added = all_of(what, (added, denied("give it audit entries", "that needs SeSecurityPrivilege")), parent.path)
    if parent.sd is None or not parent.acls:
        return added
    return added.replace(descriptor=made_by(token, parent.sd, creator, container=directory))


def _audits(sd: SecurityDescriptor) -> bool:
    return sd.sacl is not None and any(ace.type != SYSTEM_MANDATORY_LABEL for ace in sd.sacl.aces)


def overwrite_file(file: Place, parent: Place | None, token: Token, *, supersede: bool = False,
                   backup_intent: bool = False, trace: bool = False) -> Outcome:
    """Open an existing file so that its content is replaced (MS-FSA 2.1.5.1.2: FILE_OVERWRITE, FILE_SUPERSEDE)."""
    rights = bits.FILE_WRITE_DATA | bits.FILE_WRITE_EA | bits.FILE_WRITE_ATTRIBUTES
    return open_file(file, parent, token, rights | (bits.DELETE if supersede else 0), backup_intent=backup_intent,
                     trace=trace)


def delete_file(file: Place, parent: Place | None, token: Token, *, empty: bool = True, backup_intent: bool = False,
                trace: bool = False) -> Outcome:
    """Delete a name: DELETE on the object, or FILE_DELETE_CHILD on its parent.  ``empty``: of a directory."""
    opened = open_file(file, parent, token, bits.DELETE, backup_intent=backup_intent, trace=trace)
    if file.directory and not empty:
        return denied("delete the directory", "it is not empty", file.path, bits.DELETE)
    outcome = opened.replace(what=f"delete the {'directory' if file.directory else 'file'}")
    return assumed(outcome, READ_ONLY_DELETE) if file.read_only else outcome


def rename_file(file: Place, parent: Place | None, new_parent: Place, token: Token, *, target: Place | None = None,
                in_place: bool = False, backup_intent: bool = False, trace: bool = False) -> Outcome:
    """Give an object another name, over ``target`` if that exists.  Its descriptor moves along unchanged.

    ``in_place``: the new name is in the same directory, so that a simple name can be given.
    """
    kind = "directory" if file.directory else "file"
    right = bits.FILE_ADD_SUBDIRECTORY if file.directory else bits.FILE_ADD_FILE
    parts = [open_file(file, parent, token, bits.DELETE, backup_intent=backup_intent, trace=trace)]
    added = _add(new_parent, token, right, trace)
    if in_place and not added.certain:
        why = "a new name in the same directory may need no right there"
        added = any_of("the new name", (added, unknown("name it in place", why, new_parent.path, readings=(IN_PLACE,))))
    parts.append(added)
    if target is not None:
        gone = open_file(target, new_parent, token, bits.DELETE, backup_intent=backup_intent, trace=trace)
        gone = gone.replace(what="replace what has the new name")
        if target.directory:
            why = "a directory is not replaced"
            parts.append(denied("replace a directory", why, target.path).replace(
                possible=True, readings=(REPLACE_DIRECTORY,)))
        parts.append(assumed(gone, READ_ONLY_DELETE) if target.read_only else gone)
    return all_of(f"rename the {kind}", tuple(parts), file.path)


def _add(parent: Place, token: Token, right: int, trace: bool) -> Outcome:
    """The open of the new parent.  The I/O manager's own open has no backup intent, so privileges do not count."""
    bare = check("add a name in the new parent", parent, token, right, trace=trace)
    if not bare.possible:
        return bare
    both = check("add a name in the new parent", parent, token, right | bits.SYNCHRONIZE, trace=trace)
    return bare if both.certain else assumed(bare, SYNCHRONIZE_NEW_PARENT)


def link_file(file: Place, new_parent: Place, token: Token, *, target: Place | None = None,
              trace: bool = False) -> Outcome:
    """Give a file one more name.  Its descriptor stays: what can be written by one name can be written by all."""
    what = "link the file"
    if file.directory:
        return denied(what, "a directory has one name only", file.path)
    if file.links >= MAX_LINKS:
        return denied(what, f"it has {file.links} names already", file.path)
    added = _add(new_parent, token, bits.FILE_ADD_FILE, trace)
    asked = check("write attributes of the file", file, token, bits.FILE_WRITE_ATTRIBUTES, trace=trace)
    linked = all_of(what, (added,), file.path)
    if not asked.certain:
        linked = assumed(linked, LINK_RIGHT)
    if target is None:
        return linked
    gone = open_file(target, new_parent, token, bits.DELETE, trace=trace)
    return all_of(what, (linked, gone.replace(what="replace what has the new name")), file.path)


def set_security(file: Place, parent: Place | None, token: Token, part: str, *, owner: Sid | None = None,
                 level: int | None = None, backup_intent: bool = False, trace: bool = False) -> Outcome:
    """Change ``part`` of an object's descriptor: ``dacl``, ``owner``, ``group``, ``label`` or ``sacl``.

    ``owner`` is the new owner, None any that is possible; ``level`` the new label's, None any up to the own one.

    Raises NtError for another part.
    """
    rights = {"dacl": bits.WRITE_DAC, "owner": bits.WRITE_OWNER, "group": bits.WRITE_OWNER, "label": bits.WRITE_OWNER,
              "sacl": bits.ACCESS_SYSTEM_SECURITY}
    if part not in rights:
        raise NtError(f"a descriptor has no part {part!r}", hint="parts: " + ", ".join(rights))
    opened = open_file(file, parent, token, rights[part], backup_intent=backup_intent, trace=trace)
    outcome = opened.replace(what=f"change the {part}")
    if part == "owner" and owner is not None and not may_own(token, owner):
        why = f"{owner} is no owner that this token may set"
        return all_of(outcome.what, (outcome, denied("set this owner", why)), file.path)
    if part == "label" and (level or 0) > token.integrity and "SeRelabelPrivilege" not in token.privileges:
        why = "the level is above the token's own, which needs SeRelabelPrivilege"
        return all_of(outcome.what, (outcome, denied("set this label", why)), file.path)
    return outcome


def may_own(token: Token, owner: Sid) -> bool:
    """Whether the token may name this owner: itself, a group with SE_GROUP_OWNER, or anybody by SeRestorePrivilege."""
    if "SeRestorePrivilege" in token.privileges or (owner == token.user and not token.user_deny_only):
        return True
    return any(group.sid == owner and group.enabled and group.attributes & SE_GROUP_OWNER for group in token.groups)


def traverse(directories: tuple[Place, ...], token: Token, *, trace: bool = False) -> Outcome:
    """Pass through directories: FILE_TRAVERSE on each, which SeChangeNotifyPrivilege makes needless."""
    what = "pass through the directories above"
    if "SeChangeNotifyPrivilege" in token.privileges:
        return granted(what, "SeChangeNotifyPrivilege skips them")
    passed = (check("pass through", each, token, bits.FILE_TRAVERSE, trace=trace) for each in directories)
    return all_of(what, tuple(passed))
