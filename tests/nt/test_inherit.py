"""Descriptors of new objects, by the tables that their owners run on Windows and by MS-DTYP 2.5.3.4."""

from __future__ import annotations

import pytest

from sidewall.nt import inherit, sddl
from sidewall.nt import token as tokens
from sidewall.nt.access_check import access_check
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import (
    SE_DACL_AUTO_INHERITED,
    SE_DACL_DEFAULTED,
    SE_DACL_PRESENT,
    SE_DACL_PROTECTED,
    SE_SACL_AUTO_INHERITED,
    SE_SACL_DEFAULTED,
    SE_SACL_PRESENT,
    SE_SACL_PROTECTED,
    SecurityDescriptor,
)
from sidewall.nt.mask import MAPPINGS, GenericMapping
from sidewall.nt.sid import Sid
from sidewall.nt.token import Token
from sidewall.nt.wellknown import CREATOR_OWNER, EVERYONE

USER = Sid("S-1-5-21-1-2-3-1001")
GROUP = Sid("S-1-5-32-545")
FILE = MAPPINGS["file"]


def parsed(text: str | None) -> SecurityDescriptor | None:
    return None if text is None else sddl.parse(text)


def new(parent: str | None, creator: str | None = None, *, container: bool = False, default: str | None = None,
        auto: bool | None = None, mapping: str = "file", integrity: int = tokens.MEDIUM) -> SecurityDescriptor:
    given = parsed(default)
    return inherit.child(parsed(parent), parsed(creator), container=container, owner=USER, group=GROUP,
                         mapping=MAPPINGS[mapping], default_dacl=None if given is None else given.dacl,
                         auto_inherit=auto, integrity=integrity)


def lists(sd: SecurityDescriptor) -> str:
    return sddl.format(sd.replace(owner=None, group=None))


def same(sd: SecurityDescriptor, text: str) -> bool:
    return lists(sd) == sddl.format(sddl.parse(text))


# parent flags, flags on a file, flags on a directory; None: it does not come down
TABLE = [
    ("", None, None), ("IO", None, None), ("NP", None, None), ("NPIO", None, None),
    ("OI", "", "OIIO"), ("OIIO", "", "OIIO"), ("OINP", "", None), ("OINPIO", "", None),
    ("CI", None, "CI"), ("CIIO", None, "CI"), ("CINP", None, ""), ("CINPIO", None, ""),
    ("OICI", "", "OICI"), ("OICIIO", "", "OICI"), ("OICINP", "", ""), ("OICINPIO", "", ""),
]


@pytest.mark.parametrize(("flags", "file", "directory"), TABLE)
@pytest.mark.parametrize("auto", [False, True])
def test_flags_of_what_comes_down(flags: str, file: str | None, directory: str | None, auto: bool) -> None:
    parent = f"D:{'AI' if auto else ''}(A;{flags};FR;;;WD)"
    for container, expected in ((False, file), (True, directory)):
        mark = "ID" if auto else ""
        want = "" if expected is None else f"D:{'AI' if auto else ''}(A;{expected}{mark};FR;;;WD)"
        assert same(new(parent, container=container), want), (container, lists(new(parent, container=container)))


@pytest.mark.parametrize(("flags", "file", "directory"), TABLE)
def test_creator_owner_leaves_its_template_where_directories_below_need_it(
    flags: str, file: str | None, directory: str | None,
) -> None:
    parent = f"D:(A;{flags};GR;;;CO)"
    here = f"(A;;FR;;;{USER})"
    assert same(new(parent), "" if file is None else f"D:{here}")
    want = {
        None: "", "": f"D:{here}", "OIIO": "D:(A;OIIO;GR;;;CO)",
        "CI": f"D:{here}(A;CIIO;GR;;;CO)", "OICI": f"D:{here}(A;OICIIO;GR;;;CO)",
    }[directory]
    assert same(new(parent, container=True), want)


@pytest.mark.parametrize(("entry", "made"), [
    ("(A;CI;FR;;;WD)", "(A;CI;FR;;;WD)"),  # nothing lost: one entry
    ("(A;CI;GR;;;WD)", "(A;;FR;;;WD)(A;CIIO;GR;;;WD)"),  # mapped
    ("(A;CI;FR;;;CG)", f"(A;;FR;;;{GROUP})(A;CIIO;FR;;;CG)"),  # replaced
    ("(A;CI;0x3201ff;;;WD)", "(A;;0x1201ff;;;WD)(A;CIIO;0x3201ff;;;WD)"),  # bits that the type does not have
    ("(D;CI;GA;;;CO)", f"(D;;FA;;;{USER})(D;CIIO;GA;;;CO)"),
    ("(A;OICINP;GA;;;CO)", f"(A;;FA;;;{USER})"),  # it does not go on: no template
    ("(A;OI;GA;;;CO)", "(A;OIIO;GA;;;CO)"),  # not effective here: as it was
])
def test_two_entries_only_where_the_first_lost_something(entry: str, made: str) -> None:
    assert same(new("D:" + entry, container=True), "D:" + made)


def test_without_automatic_inheritance_nothing_is_marked_as_inherited() -> None:
    """Not even what is marked on the parent, where the mark is about the parent."""
    for flags, file, directory in TABLE:
        parent = f"D:(A;{flags}ID;FR;;;WD)"
        assert same(new(parent), "" if file is None else f"D:(A;{file};FR;;;WD)")
        assert same(new(parent, container=True), "" if directory is None else f"D:(A;{directory};FR;;;WD)")


def test_bits_that_the_type_does_not_have_are_dropped() -> None:
    narrow = GenericMapping(read=0x2, write=0x4, execute=0x8, all=0xE)
    parent = sddl.parse("D:(A;OI;0x1f01ff;;;WD)(A;OI;GA;;;WD)")
    made = inherit.child(parent, container=False, owner=USER, group=GROUP, mapping=narrow)
    assert made.dacl is not None
    assert [ace.mask for ace in made.dacl.aces] == [0xE, 0xE]


@pytest.mark.parametrize("sid", ["S-1-3-2", "S-1-3-3", "S-1-3-4"])
def test_other_creator_sids_are_not_replaced(sid: str) -> None:
    assert same(new(f"D:(A;CI;FR;;;{sid})", container=True), f"D:(A;CI;FR;;;{sid})")


@pytest.mark.parametrize(("parent", "creator", "default", "made"), [
    # nothing comes down, nothing is given: the token's default DACL, else no DACL at all
    ("D:(A;;FA;;;WD)", None, "D:(A;OICI;GA;;;SY)(A;IO;GR;;;WD)", "D:(A;OICI;FA;;;SY)(A;IO;GR;;;WD)"),
    ("D:(A;;FA;;;WD)", None, None, ""),
    (None, None, "D:(A;;GX;;;CO)", "D:(A;;FX;;;CO)"),
    # something comes down: the default DACL does not count
    ("D:(A;OI;FR;;;WD)", None, "D:(A;;GA;;;SY)", "D:(A;;FR;;;WD)"),
    # given: it wins over the parent and over the default
    ("D:(A;OI;FR;;;WD)", "D:(A;;GA;;;CO)", "D:(A;;GA;;;SY)", "D:(A;;FA;;;CO)"),
    ("D:(A;OI;FR;;;WD)", "D:", None, "D:"),
    ("D:(A;OI;FR;;;WD)", "D:NO_ACCESS_CONTROL", None, "D:NO_ACCESS_CONTROL"),
    ("D:(A;OI;FR;;;WD)", "D:P(A;ID;FA;;;SY)", None, "D:P(A;ID;FA;;;SY)"),
    ("D:(A;OI;FR;;;WD)", "D:(A;OICIIO;GX;;;CG)", None, "D:(A;OICIIO;GX;;;CG)"),
    # automatic inheritance: explicit ones first, what claims to be inherited is dropped, the parent's follow
    ("D:AI(A;OI;FR;;;WD)", "D:(D;;FW;;;BG)(A;ID;FA;;;SY)", None, "D:AI(D;;FW;;;BG)(A;ID;FR;;;WD)"),
    ("D:PAI(A;OI;FR;;;WD)", None, None, "D:AI(A;ID;FR;;;WD)"),
    ("D:AI(A;OI;FR;;;WD)", "D:P(A;ID;FA;;;SY)(D;;FW;;;BG)", None, "D:P(A;;FA;;;SY)(D;;FW;;;BG)"),
    ("D:AI(A;OI;FR;;;WD)", "D:", None, "D:AI(A;ID;FR;;;WD)"),
    ("D:AI(A;OI;FR;;;WD)", "D:NO_ACCESS_CONTROL", None, "D:NO_ACCESS_CONTROL"),
    ("D:AI(A;;FR;;;WD)", "D:(A;;FA;;;SY)", None, "D:(A;;FA;;;SY)"),
    ("D:AI(A;CI;FR;;;WD)", "D:(A;;FA;;;SY)", None, "D:AI(A;;FA;;;SY)"),
    ("D:AI(A;IDNP;FR;;;WD)", "D:(A;;FA;;;SY)", None, "D:(A;;FA;;;SY)"),
    ("D:AI(A;;FR;;;WD)", None, "D:(A;;GA;;;SY)", "D:(A;;FA;;;SY)"),
])
def test_who_gives_the_list(parent: str | None, creator: str | None, default: str | None, made: str) -> None:
    assert same(new(parent, creator, default=default), made), lists(new(parent, creator, default=default))


@pytest.mark.parametrize("parent", [None, "O:SYG:SY", "D:NO_ACCESS_CONTROL", "D:"])
def test_a_parent_without_entries_hands_nothing_down(parent: str | None) -> None:
    assert same(new(parent, "D:(A;;FR;;;WD)", auto=True), "D:(A;;FR;;;WD)")
    assert same(new(parent, default="D:(A;;FR;;;WD)", auto=True), "D:(A;;FR;;;WD)")


def test_automatic_inheritance_can_be_asked_for_against_the_parent() -> None:
    plain, automatic = "D:(A;OI;FR;;;WD)S:(ML;OI;NW;;;LW)", "D:AI(A;OI;FR;;;WD)S:AI(ML;OI;NW;;;LW)"
    for parent in (plain, automatic):
        assert same(new(parent, auto=True), "D:AI(A;ID;FR;;;WD)S:AI(ML;ID;NW;;;LW)")
        assert same(new(parent, auto=False), "D:(A;;FR;;;WD)S:(ML;;NW;;;LW)")


def test_control_holds_nothing_else() -> None:
    assert new(None).control == 0
    for parent, creator, default in (("D:(A;OI;FR;;;WD)", None, None), (None, "D:(A;;FR;;;WD)", None),
                                     (None, None, "D:(A;;FR;;;WD)"), (None, "D:NO_ACCESS_CONTROL", None),
                                     ("D:AI(A;;FR;;;WD)", "D:", None)):
        assert new(parent, creator, default=default).control == SE_DACL_PRESENT
    assert new("S:(ML;OI;NW;;;LW)").control == SE_SACL_PRESENT
    assert new(None, "S:").control == SE_SACL_PRESENT
    assert new(None, "S:P(AU;SA;FR;;;WD)").control == SE_SACL_PRESENT | SE_SACL_PROTECTED
    assert new("S:AI(ML;OI;NW;;;LW)", "S:P").control == SE_SACL_PRESENT | SE_SACL_PROTECTED


def test_a_defaulted_list_gives_way_to_what_comes_down() -> None:
    given = sddl.parse("D:(A;;FA;;;SY)")
    given = given.replace(control=given.control | SE_DACL_DEFAULTED)
    for parent, want in (("D:(A;OI;FR;;;WD)", "D:(A;;FR;;;WD)"), ("D:(A;CI;FR;;;WD)", "D:(A;;FA;;;SY)")):
        made = inherit.child(sddl.parse(parent), given, container=False, owner=USER, group=GROUP)
        assert same(made, want)
        assert made.control == SE_DACL_PRESENT


def test_protection_of_the_creators_list_is_kept_and_the_parents_is_not() -> None:
    assert new("D:PAI(A;OI;FR;;;WD)", "D:P(A;;FA;;;SY)").control == SE_DACL_PRESENT | SE_DACL_PROTECTED
    assert new("D:PAI(A;OI;FR;;;WD)").control == SE_DACL_PRESENT | SE_DACL_AUTO_INHERITED


@pytest.mark.parametrize("kind", range(0x18))
def test_rights_are_mapped_in_every_entry_that_holds_rights(kind: int) -> None:
    """Not in labels, attributes, policies, filters, nor in what is not understood; nor are creator SIDs there."""
    rights = kind in {0, 1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}
    entry = Ace(type=kind, flags=1, mask=0x80000000, sid=CREATOR_OWNER)
    (down,) = inherit.inherited(Acl(aces=(entry,)), container=False, owner=USER, group=GROUP, marked=False)
    assert (down.mask, down.sid) == ((0x120089, USER) if rights else (0x80000000, CREATOR_OWNER))
    (own,) = inherit.explicit(Acl(aces=(entry,)))
    assert (own.mask, own.sid) == (0x120089 if rights else 0x80000000, CREATOR_OWNER)


@pytest.mark.parametrize(("kind", "mask"), [(0, 0x1), (1, 0x1), (2, 0x1000001), (0x10, 0x1000001)])
def test_only_audit_entries_watch_for_access_system_security(kind: int, mask: int) -> None:
    entry = Ace(type=kind, flags=1, mask=0x1000201, sid=EVERYONE)
    (down,) = inherit.inherited(Acl(aces=(entry,)), container=False, owner=USER, group=GROUP)
    assert down == entry.replace(flags=0x10, mask=mask)


def test_owner_and_group_come_from_the_creator_first() -> None:
    made = new("D:(A;OI;FR;;;CO)(A;OI;FR;;;CG)", "O:SYG:BA")
    assert sddl.format(made) == sddl.format(sddl.parse("O:SYG:BAD:(A;;FR;;;SY)(A;;FR;;;BA)"))
    plain = new("O:SYG:SYD:(A;OI;FR;;;CO)")
    assert (plain.owner, plain.group) == (USER, GROUP)


@pytest.mark.parametrize(("kind", "mask"), [("key", 0xF003F), ("thread", 0x1FFFFF), ("event", 0x1F0003)])
def test_generic_rights_are_those_of_the_type(kind: str, mask: int) -> None:
    dacl = new("D:(A;OI;GA;;;WD)", mapping=kind).dacl
    assert dacl is not None
    assert [ace.mask for ace in dacl.aces] == [mask]


def test_conditional_and_object_entries_come_down_whole() -> None:
    parent = sddl.parse("D:AI(XA;OICI;FR;;;CO;(Member_of{SID(BA)}))"
                        "(OA;CI;FR;00000000-0000-0000-0000-0000000000a1;00000000-0000-0000-0000-0000000000b2;WD)")
    made = inherit.child(parent, container=True, owner=USER, group=GROUP)
    assert made.dacl is not None
    assert parent.dacl is not None
    conditional, template, obj = made.dacl.aces
    assert conditional.sid == USER
    assert conditional.data == template.data == parent.dacl.aces[0].data
    assert obj == parent.dacl.aces[1].replace(flags=0x12)
    assert made.dacl.revision == parent.dacl.revision == 4
    assert access_check(made, Token(user=USER), 1, FILE).verdict == "cannot-prove"


# SACL: audit entries and labels

def test_audit_entries_come_down_with_their_own_flags() -> None:
    made = new("S:AI(AU;OICISAFA;GA;;;WD)(AU;OISA;FR;;;WD)(AU;SA;FR;;;WD)", container=True)
    assert same(made, "S:AI(AU;IDSAFA;FA;;;WD)(AU;CIOIIOIDSAFA;GA;;;WD)(AU;OIIOIDSA;FR;;;WD)")
    assert made.control == SE_SACL_PRESENT | SE_SACL_AUTO_INHERITED


def test_an_audit_entry_on_a_file_is_one_entry() -> None:
    assert same(new("S:(AU;OICISAFA;GA;;;WD)"), "S:(AU;SAFA;FA;;;WD)")


def test_an_audit_entry_may_watch_for_access_system_security() -> None:
    sacl = new("S:(AU;OISA;0x10f0001;;;WD)").sacl
    assert sacl is not None
    assert sacl.aces[0].mask == 0x10F0001


@pytest.mark.parametrize(("parent", "creator", "integrity", "made"), [
    ("S:(ML;OICI;NW;;;LW)", None, tokens.MEDIUM, "S:(ML;;NW;;;LW)"),
    ("S:(ML;OICI;NWNRNX;;;HI)", None, tokens.MEDIUM, "S:(ML;;NWNRNX;;;HI)"),
    ("S:(ML;;NW;;;LW)", None, tokens.MEDIUM, ""),
    ("S:AI(ML;OI;NW;;;LW)", None, tokens.LOW, "S:AI(ML;ID;NW;;;LW)"),
    # below Medium, and nothing says otherwise: the maker's level
    (None, None, tokens.LOW, "S:(ML;;NW;;;LW)"),
    ("D:(A;OI;FA;;;WD)", None, tokens.UNTRUSTED, "D:(A;;FA;;;WD)S:(ML;;NW;;;S-1-16-0)"),
    ("S:(ML;CI;NW;;;ME)", None, tokens.LOW, "S:(ML;;NW;;;LW)"),
    (None, None, tokens.MEDIUM, ""),
    # given: as given, beside audit entries that come down
    ("S:(ML;OI;NW;;;LW)(AU;OISA;FA;;;WD)", "S:(ML;;NW;;;ME)", tokens.LOW, "S:(ML;;NW;;;ME)"),
    ("S:AI(ML;OI;NW;;;LW)(AU;OISA;FA;;;WD)", "S:(AU;SA;FR;;;BU)", tokens.MEDIUM,
     "S:AI(AU;SA;FR;;;BU)(AU;IDSA;FA;;;WD)(ML;ID;NW;;;LW)"),
    ("S:AI(ML;OI;NW;;;LW)(AU;OISA;FA;;;WD)", "S:P(AU;SA;FR;;;BU)", tokens.MEDIUM, "S:P(AU;SA;FR;;;BU)"),
    ("S:(ML;OI;NW;;;LW)(AU;OISA;FA;;;WD)", "S:(AU;SA;FR;;;BU)", tokens.MEDIUM, "S:(AU;SA;FR;;;BU)(ML;;NW;;;LW)"),
    ("S:(ML;OI;NW;;;HI)", "S:(ML;OIIO;NW;;;ME)", tokens.LOW, "S:(ML;;NW;;;LW)(ML;OIIO;NW;;;ME)"),
    ("S:AI(ML;OI;NW;;;HI)", "S:(ML;ID;NW;;;ME)(AU;IDSA;FR;;;BU)", tokens.MEDIUM, "S:AI(ML;ID;NW;;;HI)"),
    ("S:AI(AU;OISA;FA;;;WD)", "S:P(AU;IDSA;FR;;;BU)", tokens.MEDIUM, "S:P(AU;SA;FR;;;BU)"),
    ("S:(AU;OISA;FA;;;WD)", "S:", tokens.MEDIUM, "S:"),
    (None, "S:(AU;IDSA;FR;;;BU)", tokens.MEDIUM, "S:(AU;IDSA;FR;;;BU)"),
    ("S:(AU;OISA;FA;;;WD)", "D:(A;;FA;;;SY)", tokens.MEDIUM, "D:(A;;FA;;;SY)S:(AU;SA;FA;;;WD)"),
])
def test_labels_and_audit_entries(parent: str | None, creator: str | None, integrity: int, made: str) -> None:
    sd = new(parent, creator, integrity=integrity)
    assert same(sd, made), lists(sd)


def test_a_defaulted_or_a_null_sacl() -> None:
    given = sddl.parse("S:(AU;SA;FR;;;BU)")
    given = given.replace(control=given.control | SE_SACL_DEFAULTED)
    for parent, want in (("S:(AU;OISA;FA;;;WD)", "S:(AU;SA;FA;;;WD)"), ("S:(ML;OI;NW;;;LW)",
                         "S:(AU;SA;FR;;;BU)(ML;;NW;;;LW)"), ("S:(AU;SA;FA;;;WD)", "S:(AU;SA;FR;;;BU)")):
        assert same(inherit.child(sddl.parse(parent), given, container=False, owner=USER, group=GROUP), want)
    null = SecurityDescriptor(control=SE_SACL_PRESENT)
    made = inherit.child(None, null, container=False, owner=USER, group=GROUP)
    assert (made.sacl, made.control) == (None, SE_SACL_PRESENT)
    low = inherit.child(None, null, container=False, owner=USER, group=GROUP, integrity=tokens.LOW)
    assert same(low, "S:(ML;;NW;;;LW)")


def test_a_list_has_the_revision_that_its_entries_need() -> None:
    """Object entries need revision 4, wherever they came from."""
    entry = Ace(type=5, flags=1, mask=1, sid=EVERYONE, object_type="00000000-0000-0000-0000-0000000000a1")
    plain = Acl(aces=(Ace(type=0, mask=1, sid=EVERYONE),))
    special = SecurityDescriptor(dacl=Acl(aces=(entry,), revision=4), control=SE_DACL_AUTO_INHERITED)
    for parent, creator, revision in ((special, None, 4), (special, SecurityDescriptor(dacl=plain), 4),
                                      (None, SecurityDescriptor(dacl=plain), 2), (None, special, 4)):
        made = inherit.child(parent, creator, container=False, owner=USER, group=GROUP)
        assert made.dacl is not None
        assert made.dacl.revision == revision
        made.to_bytes()
    for child, parent, revision in ((SecurityDescriptor(dacl=plain), special, 4), (SecurityDescriptor(), special, 4),
                                    (special, SecurityDescriptor(), 4), (SecurityDescriptor(dacl=plain),
                                                                         SecurityDescriptor(), 2)):
        again = inherit.reinherit(child, parent, container=False)
        assert again.dacl is not None
        assert again.dacl.revision == revision
    own = SecurityDescriptor(dacl=Acl(aces=(entry.replace(flags=0),), revision=4))
    unused = inherit.reinherit(SecurityDescriptor(dacl=plain), own, container=True)
    assert unused.dacl is not None
    assert unused.dacl.revision == 2


def test_reinheriting_keeps_all_other_control_bits() -> None:
    sd = SecurityDescriptor(owner=USER, dacl=Acl(), sacl=Acl(), control=0x4029, rm_control=7)
    for sacl, bit in ((False, SE_DACL_AUTO_INHERITED), (True, SE_SACL_AUTO_INHERITED)):
        again = inherit.reinherit(sd, SecurityDescriptor(), container=False, sacl=sacl)
        assert again == sd.replace(control=sd.control | bit)


def test_a_labels_mask_is_a_policy_and_is_not_mapped() -> None:
    sacl = new("S:(ML;OICI;0x80000001;;;LW)").sacl
    assert sacl is not None
    assert sacl.aces[0].mask == 0x80000001


# by token

def test_made_by_a_token() -> None:
    given = sddl.parse("D:(A;;GA;;;SY)").dacl
    maker = Token(user=USER, owner=Sid("S-1-5-32-544"), primary_group=GROUP, default_dacl=given, integrity=tokens.LOW)
    made = inherit.made_by(maker, sddl.parse("D:(A;CI;FA;;;CO)"), container=False)
    assert same(made, "D:(A;;FA;;;SY)S:(ML;;NW;;;LW)")
    assert (made.owner, made.group) == ("S-1-5-32-544", GROUP)
    below = inherit.made_by(maker, sddl.parse("D:AI(A;CI;FA;;;CO)(A;CI;FR;;;CG)"), container=True)
    assert same(below.replace(sacl=None, control=below.control & ~SE_SACL_PRESENT),
                f"D:AI(A;ID;FA;;;BA)(A;CIIOID;FA;;;CO)(A;ID;FR;;;{GROUP})(A;CIIOID;FR;;;CG)")


def test_a_group_that_is_not_known_stands_in_for_nobody() -> None:
    made = inherit.made_by(Token(user=USER), sddl.parse("O:SYG:SYD:(A;OI;FR;;;CG)(A;OI;FA;;;CO)"), container=False)
    assert sddl.format(made) == sddl.format(sddl.parse(f"O:{USER}G:S-1-0-0D:(A;;FR;;;CG)(A;;FA;;;{USER})"))
    assert access_check(made, Token(user=USER), 0x1F01FF, FILE).certain


# propagation to one object

@pytest.mark.parametrize(("child", "parent", "made"), [
    ("D:AI(A;;FR;;;WD)(A;ID;FA;;;SY)", "D:(A;OI;FX;;;BU)", "D:AI(A;;FR;;;WD)(A;ID;FX;;;BU)"),
    ("D:P(A;;FR;;;WD)", "D:(A;OI;FX;;;BU)", "D:P(A;;FR;;;WD)"),
    ("D:NO_ACCESS_CONTROL", "D:(A;OI;FX;;;BU)", "D:AI(A;ID;FX;;;BU)"),
    ("D:NO_ACCESS_CONTROL", "D:(A;CI;FX;;;BU)", "D:NO_ACCESS_CONTROL"),
    ("", "D:(A;OI;FX;;;BU)", "D:AI(A;ID;FX;;;BU)"),
    ("", "D:", ""),
    ("D:", "D:(A;OI;FX;;;BU)", "D:AI(A;ID;FX;;;BU)"),
    ("D:AI(A;ID;FA;;;SY)", "D:(A;CI;FX;;;BU)", "D:AI"),
    ("D:AI(A;ID;FA;;;SY)", "", "D:AI"),
    ("D:AI(A;ID;FA;;;SY)(D;;FW;;;BG)", "D:(A;OI;FX;;;BU)", "D:AI(D;;FW;;;BG)(A;ID;FX;;;BU)"),
    ("D:AI", "O:SYG:SYD:(A;OI;FX;;;CO)(A;OI;FR;;;CG)", "D:AI(A;ID;FX;;;CO)(A;ID;FR;;;CG)"),  # owned by nobody
    ("O:BAG:BUD:AI(A;ID;FA;;;SY)", "O:SYG:SYD:(A;OI;FX;;;CO)(A;OI;FR;;;CG)", "D:AI(A;ID;FX;;;BA)(A;ID;FR;;;BU)"),
])
def test_reinheriting(child: str, parent: str, made: str) -> None:
    sd = inherit.reinherit(sddl.parse(child), sddl.parse(parent), container=False)
    assert same(sd, made), lists(sd)


def test_reinheriting_a_sacl_touches_no_dacl() -> None:
    child = sddl.parse("D:(A;;FR;;;WD)S:AI(ML;ID;NW;;;HI)(AU;SA;FR;;;WD)")
    parent = sddl.parse("D:(A;OI;FX;;;BU)S:(ML;OI;NW;;;LW)")
    sd = inherit.reinherit(child, parent, container=False, sacl=True)
    assert same(sd, "D:(A;;FR;;;WD)S:AI(AU;SA;FR;;;WD)(ML;ID;NW;;;LW)")
    assert same(inherit.reinherit(sddl.parse("S:(AU;SA;FR;;;WD)"), SecurityDescriptor(), container=False, sacl=True),
                "S:AI(AU;SA;FR;;;WD)")
    kept = sddl.parse("S:P(ML;;NW;;;HI)")
    assert inherit.reinherit(kept, parent, container=False, sacl=True) == kept
    bare = sddl.parse("D:(A;;FR;;;WD)")
    assert inherit.reinherit(bare, sddl.parse("S:(AU;SA;FR;;;WD)"), container=False, sacl=True) == bare
