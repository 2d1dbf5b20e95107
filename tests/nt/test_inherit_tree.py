"""Automatic propagation over trees: what it changes, where it stops, what it names as doubtful; an edit and back."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.nt import edit, inherit, inherit_tree, sddl
from sidewall.nt.ace import Ace
from sidewall.nt.acl import Acl
from sidewall.nt.descriptor import SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED, SecurityDescriptor
from sidewall.nt.edit import ALLOW, DENY, Want
from sidewall.nt.inherit_tree import propagate
from sidewall.nt.sid import Sid
from sidewall.nt.tree import Item, Tree, TreeError
from sidewall.nt.wellknown import ADMINISTRATORS, CREATOR_GROUP, CREATOR_OWNER, EVERYONE, SYSTEM, USERS

many = settings(max_examples=int(os.environ.get("SIDEWALL_NT_EXAMPLES", "60")), deadline=None)
CAP = Sid("S-1-5-21-71-72-73-1")
ROOT = r"C:\ws"
OWN = "O:BAG:BAD:AI(A;OICIID;FA;;;BA)"
MASKS = (0x1, 0x1200A9, 0x1F01FF, 0x10000000, 0x80000000, 0x2001FF)


def tree(**items: str | dict[str, object]) -> Tree:
    """A workspace: names with ``__`` for the backslash; a text is a file's SDDL, a dictionary an `Item`'s fields."""
    made = [Item(path=ROOT, sd=sddl.parse("O:BAG:BAD:AI(A;OICI;0x1301bf;;;WD)(A;OICIID;FA;;;BA)"), directory=True)]
    for name, value in items.items():
        fields: dict[str, object] = {"sd": value} if isinstance(value, str) else dict(value)
        if isinstance(fields.get("sd"), str):
            fields["sd"] = sddl.parse(str(fields["sd"]))
        made.append(Item(path=ROOT + "\\" + name.replace("__", "\\"), **fields))
    return Tree.build(made)


def dacl(model: Tree, name: str) -> str:
    node = model.get(f"{ROOT}\\{name}")
    assert node is not None
    assert node.sd is not None
    return sddl.format(node.sd.replace(owner=None, group=None))


def why(remarks: tuple[inherit_tree.Remark, ...]) -> set[tuple[str, str]]:
    return {(remark.path.removeprefix(ROOT + "\\"), remark.why) for remark in remarks}


def test_it_reaches_all_levels_and_keeps_what_is_explicit() -> None:
    model = tree(a={"sd": "O:BUG:BAD:AI(A;OICI;FR;;;CO)(A;OICIID;FA;;;SY)", "directory": True}, a__f=OWN,
                 a__d={"sd": OWN, "directory": True}, a__d__g="O:BUG:BAD:AI")
    done = propagate(model, ROOT)
    assert dacl(done.tree, "a") == "D:AI(A;OICI;FR;;;CO)(A;OICIID;0x1301bf;;;WD)(A;OICIID;FA;;;BA)"
    assert dacl(done.tree, "a\\f") == "D:AI(A;ID;FR;;;BA)(A;ID;0x1301bf;;;WD)(A;ID;FA;;;BA)"
    assert dacl(done.tree, "a\\d") == (
        "D:AI(A;ID;FR;;;BA)(A;OICIIOID;FR;;;CO)(A;OICIID;0x1301bf;;;WD)(A;OICIID;FA;;;BA)")
    assert dacl(done.tree, "a\\d\\g") == "D:AI(A;ID;FR;;;BU)(A;ID;0x1301bf;;;WD)(A;ID;FA;;;BA)"
    assert {change.path for change in done.changes} == {f"{ROOT}\\{name}" for name in ("a", "a\\f", "a\\d", "a\\d\\g")}
    assert model.get(ROOT + r"\a\f").sd == sddl.parse(OWN)  # type: ignore[union-attr]  # the old tree is as it was
    assert not done.doubts


def test_it_stops_at_protected_lists_and_reparse_points() -> None:
    model = tree(p={"sd": "O:BAG:BAD:P(A;;FA;;;BA)", "directory": True}, p__f=OWN,
                 j={"sd": OWN, "directory": True, "reparse": "mount-point", "target": r"C:\other"},
                 s={"sd": OWN, "reparse": "symlink"})
    done = propagate(model, ROOT)
    assert why(done.stops) == {("p", "protected"), ("j", "reparse-point"), ("s", "reparse-point")}
    assert not done.changes
    assert done.tree.nodes == model.nodes
    assert "nothing comes down" in str(done.stops[0]) or "neither changed" in str(done.stops[0])


def test_it_names_what_nobody_can_foretell() -> None:
    model = tree(null="O:BAG:BAD:NO_ACCESS_CONTROL", old="O:BAG:BAD:(A;;FA;;;BA)",
                 mixed="O:BAG:BAD:AI(A;ID;FA;;;BA)(D;;FW;;;BG)", fine="O:BAG:BAD:AI(D;ID;FW;;;BG)(D;;FW;;;BU)",
                 linked={"sd": OWN, "links": 2}, unseen={"sd": None, "directory": True}, unseen__f=OWN,
                 twisted="O:BAG:BAD:AI(D;ID;FW;;;BG)(A;;FA;;;BU)", calm="O:BAG:BAD:AI(A;ID;FW;;;BG)(A;;FA;;;BU)",
                 own="O:BAG:BAD:AI(A;OI;FA;;;BA)(D;;FW;;;BG)",
                 late="O:BAG:BAD:AI(A;ID;FA;;;BA)(D;;FW;;;BG)(A;;FR;;;BU)")
    done = propagate(model, ROOT)
    assert why(done.doubts) == {
        ("null", "null-dacl"), ("old", "not-auto-inherited"), ("mixed", "explicit-behind-inherited"),
        ("linked", "several-links"), ("unseen", "not-captured"), ("twisted", "explicit-behind-inherited"),
        ("late", "explicit-behind-inherited"),
    }
    assert dacl(done.tree, "null") == "D:AI(A;ID;0x1301bf;;;WD)(A;ID;FA;;;BA)"
    assert dacl(done.tree, "unseen\\f") == "D:AI(A;OICIID;FA;;;BA)"  # not reached
    assert all(str(doubt) for doubt in done.doubts)


def test_two_names_of_one_file_are_one_change() -> None:
    model = tree(a={"sd": "O:BAG:BAD:AI(A;OICI;FR;;;BU)", "directory": True},
                 a__f={"sd": OWN, "links": 2, "file_id": "7"}, f={"sd": OWN, "links": 2, "file_id": "7"})
    done = propagate(model, ROOT)
    assert [change.id for change in done.changes].count("7") == 1
    assert dacl(done.tree, "f") == dacl(done.tree, "a\\f")
    assert ("f", "several-links") in why(done.doubts)
    again = propagate(done.tree, ROOT)
    assert not again.changes


def test_an_object_that_stays_open_is_no_doubt() -> None:
    model = Tree.build([Item(path="C:\\", sd=sddl.parse("O:BAG:BAD:AI(A;CI;FA;;;BA)"), directory=True),
                        Item(path="C:\\open", sd=sddl.parse("O:BAG:BAD:NO_ACCESS_CONTROL")),
                        Item(path="C:\\closed", sd=sddl.parse("O:BAG:BAD:NO_ACCESS_CONTROL"), directory=True)])
    done = propagate(model, "C:\\")
    assert [change.path for change in done.changes] == ["C:\\closed"]
    assert [str(doubt) for doubt in done.doubts] == [
        "C:\\closed: it has no DACL and is open to all; an inherited entry closes it, and undoing that leaves it empty"]


@pytest.mark.parametrize("text", ["O:BAG:BAD:NO_ACCESS_CONTROL", "O:BAG:BA", "O:BAG:BAD:"])
def test_a_directory_without_entries_takes_away_what_was_inherited(text: str) -> None:
    model = tree(a="O:BAG:BAD:AI(A;;FR;;;WD)(A;ID;FA;;;BA)")
    root = model.get(ROOT)
    assert root is not None
    done = propagate(model.with_descriptors({root.id: sddl.parse(text)}), ROOT)
    assert dacl(done.tree, "a") == "D:AI(A;;FR;;;WD)"
    assert not done.doubts


def test_several_names_of_a_file_that_does_not_change_are_no_doubt() -> None:
    model = tree(f={"sd": OWN, "links": 2})
    assert propagate(model, ROOT).doubts
    settled = propagate(model, ROOT).tree
    assert propagate(settled, ROOT).doubts == ()


def test_an_object_entry_is_doubtful() -> None:
    model = tree(a=OWN)
    root = model.get(ROOT)
    assert root is not None
    entry = "(OA;OICI;FR;;00000000-0000-0000-0000-0000000000b2;WD)"
    model = model.with_descriptors({root.id: sddl.parse("O:BAG:BAD:AI" + entry)})
    assert ("a", "object-entry") in why(propagate(model, ROOT).doubts)


def test_labels_are_handed_down_apart_from_the_dacl() -> None:
    model = tree(a=OWN)
    root = model.get(ROOT)
    assert root is not None
    assert root.sd is not None
    low = sddl.parse("S:(ML;OICI;NW;;;LW)")
    model = model.with_descriptors({root.id: root.sd.replace(sacl=low.sacl, control=root.sd.control | low.control)})
    done = propagate(model, ROOT, sacl=True)
    assert dacl(done.tree, "a") == "D:AI(A;OICIID;FA;;;BA)S:AI(ML;ID;NW;;;LW)"
    assert not propagate(model, ROOT, sacl=True, mapping=inherit.FILE).doubts


def test_each_list_is_protected_by_its_own_bit() -> None:
    model = tree(d="O:BAG:BAD:P(A;;FA;;;BA)S:AI", s="O:BAG:BAD:AIS:P(ML;;NW;;;HI)")
    root = model.get(ROOT)
    assert root is not None
    assert root.sd is not None
    low = sddl.parse("S:(ML;OICI;NW;;;LW)")
    model = model.with_descriptors({root.id: root.sd.replace(sacl=low.sacl, control=root.sd.control | low.control)})
    labels, lists = propagate(model, ROOT, sacl=True), propagate(model, ROOT)
    assert why(labels.stops) == {("s", "protected")}
    assert why(lists.stops) == {("d", "protected")}
    assert [change.path for change in labels.changes] == [ROOT + r"\d"]
    assert [change.path for change in lists.changes] == [ROOT + r"\s"]
    assert not labels.doubts


def test_a_sacl_that_was_never_inherited_automatically_is_doubtful_too() -> None:
    model = tree(old="O:BAG:BAD:AIS:(AU;SA;FA;;;WD)", new="O:BAG:BAD:AIS:AI(AU;SA;FA;;;WD)", none="O:BAG:BAD:AI",
                 empty="O:BAG:BAD:AIS:")
    root = model.get(ROOT)
    assert root is not None
    assert root.sd is not None
    audit = sddl.parse("S:(AU;OISA;FR;;;WD)")
    model = model.with_descriptors({root.id: root.sd.replace(sacl=audit.sacl, control=root.sd.control | 0x10)})
    done = propagate(model, ROOT, sacl=True)
    assert why(done.doubts) == {("old", "not-auto-inherited")}
    assert len(done.changes) == 4


@pytest.mark.parametrize("path", [r"C:\ws\f", r"C:\ws\none", r"C:\ws\j", "C:\\"])
def test_it_starts_at_a_known_directory(path: str) -> None:
    model = tree(f=OWN, j={"sd": OWN, "directory": True, "reparse": "mount-point"})
    with pytest.raises(TreeError) as caught:
        propagate(model, path)
    assert caught.value.hint


# random trees

def aces(inherited: int) -> st.SearchStrategy[Ace]:
    return st.builds(lambda kind, flags, mask, sid: Ace(type=kind, flags=flags | inherited, mask=mask, sid=sid),
                     st.sampled_from((0, 1)), st.integers(0, 15), st.sampled_from(MASKS),
                     st.sampled_from((EVERYONE, SYSTEM, ADMINISTRATORS, USERS, CREATOR_OWNER, CREATOR_GROUP, CAP)))


def descriptors() -> st.SearchStrategy[SecurityDescriptor]:
    def made(explicit: list[Ace], down: list[Ace], control: int, owner: Sid, kind: int) -> SecurityDescriptor:
        acl = None if kind == 0 else Acl(aces=(*sorted(explicit, key=lambda ace: 1 - ace.type), *down))
        return SecurityDescriptor(owner=owner, group=USERS, dacl=acl, control=control)

    return st.builds(made, st.lists(aces(0), max_size=2), st.lists(aces(0x10), max_size=2),
                     st.sampled_from((0, SE_DACL_AUTO_INHERITED, SE_DACL_AUTO_INHERITED, SE_DACL_PROTECTED)),
                     st.sampled_from((SYSTEM, ADMINISTRATORS)), st.integers(0, 9))


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    root = draw(descriptors().filter(lambda sd: sd.dacl is not None))
    items = [Item(path=ROOT, sd=root, directory=True)]
    folders = [ROOT]
    for number in range(draw(st.integers(1, 8))):
        path = f"{draw(st.sampled_from(folders))}\\n{number}"
        directory = draw(st.booleans())
        reparse = "mount-point" if draw(st.integers(0, 9)) == 0 else ""
        linked = not directory and not reparse and draw(st.integers(0, 4)) == 0
        items.append(Item(path=path, sd=draw(descriptors()), directory=directory, reparse=reparse))
        if linked:
            items[-1] = items[-1].replace(file_id=f"id{number}", links=2)
            items.append(items[-1].replace(path=f"{draw(st.sampled_from(folders))}\\m{number}"))
        if directory:
            folders.append(path)
    return Tree.build(items)


@given(trees())
@many
def test_propagating_twice_is_propagating_once(model: Tree) -> None:
    once = propagate(model, ROOT)
    twice = propagate(once.tree, ROOT)
    assert not twice.changes
    assert twice.tree.nodes == once.tree.nodes
    for change in once.changes:
        assert model.nodes[change.id].sd == change.before
        assert once.tree.nodes[change.id].sd == change.after
        assert change.before != change.after
    changed = {change.id for change in once.changes}
    assert all(once.tree.nodes[key] == node for key, node in model.nodes.items() if key not in changed)


@given(trees())
@many
def test_explicit_entries_and_protected_lists_never_change(model: Tree) -> None:
    done = propagate(model, ROOT)
    for key, node in model.nodes.items():
        before, after = node.sd, done.tree.nodes[key].sd
        if before is None or after is None or before.dacl is None or after.dacl is None:
            continue
        if before.control & SE_DACL_PROTECTED:
            assert after == before
        assert (before.owner, before.group, before.sacl) == (after.owner, after.group, after.sacl)
        assert [ace for ace in before.dacl.aces if not ace.flags & 0x10] == [
            ace for ace in after.dacl.aces if not ace.flags & 0x10]


@given(descriptors(), descriptors(), st.booleans())
@many
def test_a_new_object_is_what_propagation_would_make_of_it(
    parent: SecurityDescriptor, other: SecurityDescriptor, container: bool,
) -> None:
    """Inheritance is idempotent: what a child inherited at birth is what it is handed down later, byte for byte."""
    parent = parent.replace(control=parent.control & ~SE_DACL_PROTECTED | SE_DACL_AUTO_INHERITED)
    born = inherit.child(parent, container=container, owner=SYSTEM, group=USERS)
    if born.dacl is None:
        return
    assert inherit.reinherit(born, parent, container=container) == born
    # After another parent's entries came down and ours again, nothing of the other is left.
    moved = inherit.reinherit(born, other, container=container)
    back = inherit.reinherit(moved, parent, container=container)
    assert sddl.format(back) == sddl.format(born)


@given(trees(), st.data())
@many
def test_an_edit_that_is_propagated_and_undone_leaves_every_byte(model: Tree, data: st.DataObject) -> None:
    """On a settled tree; what another does elsewhere in between stays, and comes down as it would have."""
    model = propagate(model, ROOT).tree
    assert not propagate(model, ROOT).changes
    root = model.get(ROOT)
    assert root is not None
    assert root.sd is not None
    assert root.sd.dacl is not None
    wants = tuple(Want(kind=data.draw(st.sampled_from((ALLOW, DENY))), sid=CAP, mask=mask, flags=3)
                  for mask in data.draw(st.lists(st.sampled_from(MASKS[:3]), max_size=2, unique=True)))
    mine = edit.smallest(root.sd, wants, preserve_order=True)
    done = propagate(model.with_descriptors({root.id: edit.apply(root.sd, mine).sd}), ROOT)
    nulls = {model.walk(remark.path, follow_last=False).node for remark in done.doubts
             if remark.why == inherit_tree.NULL_DACL}

    def others(current: Tree, key: str) -> Tree:
        """Somebody grants something, explicitly and in order, on one object."""
        sd = current.nodes[key].sd
        if sd is None or sd.dacl is None:
            return current
        return current.with_descriptors({key: edit.apply(sd, edit.smallest(
            sd, (Want(kind=ALLOW, sid=SYSTEM, mask=0x100, flags=0),), preserve_order=True)).sd})

    key = data.draw(st.sampled_from(sorted(model.nodes)))
    between = others(done.tree, key)
    now = between.nodes[root.id].sd
    assert now is not None
    back = propagate(between.with_descriptors({root.id: edit.undo(now, mine).sd}), ROOT).tree
    want = propagate(others(model, key), ROOT).tree
    for path, node in want.paths():
        if node.sd is None or model.nodes[node.id] in nulls:
            continue
        got = back.nodes[node.id].sd
        assert got is not None
        assert sddl.format(got) == sddl.format(node.sd), path
        assert got.to_bytes() == node.sd.to_bytes()
