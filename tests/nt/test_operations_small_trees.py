"""Operations by path on trees of a few objects: every ancestor, every link, every name."""

from __future__ import annotations

import pytest
from tests.nt.tokens import (
    SANDBOX,
    WORLD,
    token,
)

from sidewall.nt import mask as bits
from sidewall.nt import sddl, tree
from sidewall.nt.operations_tree import Actor
from sidewall.nt.sid import Sid
from sidewall.nt.token import SE_GROUP_ENABLED, Group
from sidewall.nt.tree import HOPS, Item, Tree, TreeError, Volume

# every ancestor, every link

ALL = "O:BAG:BAD:(A;;FA;;;WD)"
NONE = "O:BAG:BAD:(A;;FA;;;SY)"
ANY = token(SANDBOX, WORLD)


def small(**texts: str | dict[str, object]) -> Tree:
    r"""Objects below D:\, names with ``__`` for the backslash; closed to all unless said otherwise; ``x`` is a file."""
    items: list[Item] = []
    texts = {"": NONE, **texts}
    for name, value in texts.items():
        fields: dict[str, object] = {"sd": value} if isinstance(value, str) else dict(value)
        fields.setdefault("sd", NONE)
        fields["sd"] = None if fields["sd"] is None else sddl.parse(str(fields["sd"]))
        fields.setdefault("directory", not name.split("__")[-1].startswith("x"))
        items.append(Item(path="D:\\" + name.replace("__", "\\"), **fields))  # type: ignore[arg-type]
    return Tree.build(items)


def allow(mask: int) -> str:
    return f"O:BAG:BAD:(A;;0x{mask:x};;;WD)"


@pytest.mark.parametrize(("texts", "possible"), [
    ({}, False),
    ({"a__b__x": allow(0x2)}, False),  # its content is not its name
    ({"a__b__x": allow(0x10000)}, False),  # gone, but nothing of one's own in its place
    ({"a__b__x": allow(0x10000), "a__b": allow(0x2)}, True),
    ({"a__b": allow(0x42)}, True), ({"a__b": allow(0x40)}, False), ({"a__b": allow(0x4)}, False),
    ({"a__b": allow(0x10000), "a": allow(0x4)}, True),  # the directory above is moved away and made anew
    ({"a": allow(0x44)}, True), ({"a": allow(0x10000), "": allow(0x4)}, True), ({"": allow(0x44)}, True),
    ({"a__b": allow(0x40000)}, True), ({"a": allow(0x80000)}, True), ({"": allow(0x40000)}, True),
    ({"a__b__x": allow(0x40000)}, False),
    ({"a__b": {"sd": None}}, True), ({"": {"sd": None}}, True),
])
def test_replacing_a_file_by_every_ancestor(texts: dict[str, str], possible: bool) -> None:
    model = small(**{"a": NONE, "a__b": NONE, "a__b__x": NONE, **texts})
    outcome = Actor(model, ANY).replace(r"D:\a\b\x")
    assert outcome.possible is possible, outcome.explain()


@pytest.mark.parametrize(("texts", "possible"), [
    ({}, False), ({"a__b": allow(0x2)}, True), ({"a__b": allow(0x4)}, True), ({"a__b": allow(0x40)}, False),
    ({"a__b": allow(0x100)}, True),  # an empty directory becomes a junction
    ({"a__b": allow(0x100), "a__b__x2": NONE}, False),
])
def test_a_name_that_does_not_exist_yet(texts: dict[str, str], possible: bool) -> None:
    model = small(**{"a": NONE, "a__b": NONE, **texts})
    outcome = Actor(model, ANY).replace(r"D:\a\b\x")
    assert outcome.possible is possible, outcome.explain()


def test_changing_by_any_means() -> None:
    for text in (allow(0x2), allow(0x4), allow(0x40000), allow(0x80000)):
        model = small(a=NONE, a__x=text)
        assert Actor(model, ANY).change(r"D:\a\x").granted
        assert not Actor(model, ANY).replace(r"D:\a\x").possible
    assert not Actor(small(a=NONE, a__x=allow(0x1200A9)), ANY).change(r"D:\a\x").possible
    assert Actor(small(a=allow(0x2)), ANY).change(r"D:\a\x").granted


def test_vanishing_needs_delete_somewhere_on_the_way() -> None:
    for texts in ({"a__x": allow(0x10000)}, {"a": allow(0x40)}, {"a": allow(0x10000)}, {"": allow(0x40)}):
        assert Actor(small(**{"a": NONE, "a__x": NONE, **texts}), ANY).vanish(r"D:\a\x").granted
    assert not Actor(small(a=allow(0x2), a__x=allow(0x1000FF)), ANY).vanish(r"D:\a\x").possible


def test_a_link_and_its_target_both_count() -> None:
    base = {"a": NONE, "l": {"reparse": "mount-point", "target": r"D:\a"}, "a__x": NONE}
    quiet = small(**base)  # type: ignore[arg-type]
    assert not Actor(quiet, ANY).change(r"D:\l\x").possible
    for texts in ({"a": allow(0x42)}, {"a__x": allow(0x2)}, {"": allow(0x44)},
                  {"l": {"sd": allow(0x10000), "reparse": "mount-point", "target": r"D:\a"}, "": allow(0x2)}):
        model = small(**{**base, **texts})  # type: ignore[dict-item]
        assert Actor(model, ANY).change(r"D:\l\x").possible, texts
    # Opening goes through the link, deleting takes the link.
    model = small(**{**base, "a__x": allow(0x1)})  # type: ignore[dict-item]
    assert Actor(model, ANY).open(r"D:\l\x", 0x1).granted
    model = small(**{**base, "a": allow(0x10000)})  # type: ignore[dict-item]
    assert not Actor(model, ANY).delete(r"D:\l").possible


def test_links_that_cannot_be_followed_are_unknown() -> None:
    for fields in ({"reparse": "appexeclink"}, {"reparse": "symlink"}, {"reparse": "symlink", "target": r"D:\l"},
                   {"reparse": "mount-point", "target": "E:\\"}):
        model = small(l=fields)  # type: ignore[arg-type]
        outcome = Actor(model, ANY).open(r"D:\l\x", 0x1)
        assert (outcome.verdict, outcome.possible) == ("cannot-prove", True)
        assert outcome.reason
        assert Actor(model, ANY).replace(r"D:\l\x").possible
    walk = small(l={"reparse": "symlink", "target": r"D:\l"}).walk(r"D:\l")
    assert len(walk.crossed) == HOPS


def test_traversal_counts_without_its_privilege() -> None:
    bare = ANY.replace(privileges=frozenset())
    model = small(a=NONE, a__x=allow(0x1))
    assert Actor(model, ANY).open(r"D:\a\x", 0x1).granted
    assert not Actor(model, bare).open(r"D:\a\x", 0x1).possible
    passable = small(**{"": allow(0x20), "a": allow(0x22), "a__x": allow(0x1)})
    assert Actor(passable, bare).open(r"D:\a\x", 0x1).granted
    assert Actor(passable, bare).create(r"D:\a\x2").granted
    assert Actor(passable, bare).create(r"D:\a\x2").descriptor is not None
    half = small(**{"": allow(0x20), "a": allow(0x2), "a__x": allow(0x1)})
    for outcome in (Actor(half, bare).create(r"D:\a\x2"), Actor(half, bare).replace(r"D:\a\x2")):
        assert not outcome.possible


def test_several_names_are_one_object() -> None:
    fields = {"sd": allow(0x2), "file_id": "1", "links": 2}
    model = small(a=NONE, store=NONE, a__x=fields, store__x=fields)
    node = model.get(r"D:\a\x")
    assert node is not None
    assert set(model.names_of(node)) == {r"D:\a\x", r"D:\store\x"}
    closed = model.with_descriptors({node.id: sddl.parse(NONE)})
    assert not Actor(closed, ANY).write(r"D:\store\x").possible
    linked = model.with_node(model.get("D:\\"), "x9", node)  # type: ignore[arg-type]
    assert Actor(linked, ANY).write(r"D:\x9").granted


def test_what_is_not_there_and_what_is_not_known() -> None:
    model = Tree.build([Item(path=r"D:\a\x", sd=sddl.parse(ALL))])  # nothing is known of D:\ and D:\a
    actor = Actor(model, ANY)
    for outcome in (actor.open(r"D:\a\y", 0x1), actor.create(r"D:\a\y"), actor.delete(r"D:\a\y"),
                    actor.rename(r"D:\a\y", r"D:\a\z"), actor.link(r"D:\a\y", r"D:\a\z"), actor.open(r"E:\x", 0x1),
                    actor.set_security(r"D:\q", "dacl"), actor.create(r"D:\q\r"), actor.vanish(r"D:\q"),
                    actor.rename(r"D:\a\x", r"D:\q\x")):
        assert (outcome.verdict, outcome.possible, outcome.certain) == ("cannot-prove", True, False), outcome.explain()
    whole = Actor(small(a=ALL, a__x=ALL), ANY)
    for outcome in (whole.open(r"D:\a\y", 0x1), whole.delete(r"D:\a\y"), whole.create(r"D:\a\x"),
                    whole.create(r"D:\b\x"), whole.rename(r"D:\a\x", r"D:\b\x"), whole.delete("D:\\"),
                    whole.rename("D:\\", r"D:\b"), whole.delete(r"D:\a"), whole.rename(r"D:\a", r"D:\a\b"),
                    whole.link(r"D:\a", r"D:\b"), whole.create(r"D:\a\x\y"), whole.set_security(r"D:\z", "dacl")):
        assert not outcome.possible, outcome.explain()
        assert outcome.reason
    assert Actor(small(a=ALL, a__b=ALL), ANY).delete(r"D:\a\b").certain
    assert whole.delete(r"D:\A\X").certain
    assert whole.open(r"D:\a\x:stream:$DATA", 0x2).certain


def test_volumes() -> None:
    items = [Item(path=rf"{drive}\x", sd=sddl.parse(text)) for drive, text in
             (("E:", NONE), ("F:", ALL), ("G:", ALL), (r"\\server\share", ALL))]
    items += [Item(path=rf"{drive}\d", sd=sddl.parse(ALL), directory=True) for drive in ("E:", "F:", "G:")]
    model = Tree.build(items, (Volume(root="E:\\", acls=False), Volume(root="F:\\", read_only=True),
                               Volume(root="\\\\server\\share\\", remote=True)))
    actor = Actor(model, ANY)
    assert actor.write(r"E:\x").certain  # no descriptors: open to all
    assert not actor.write(r"F:\x").possible
    assert actor.open(r"F:\x", 0x1).certain
    assert not actor.create(r"F:\d\y").possible
    assert actor.open(r"\\SERVER\share\x", 0x1).verdict == "cannot-prove"
    assert not actor.rename(r"G:\x", r"E:\d\y").possible
    assert not actor.link(r"G:\x", r"E:\d\y").possible
    assert actor.link(r"G:\x", r"G:\d\y").certain
    assert actor.rename(r"G:\x", r"G:\d\y").certain


def test_rename_over_and_link_over_look_at_the_target() -> None:
    model = small(a=allow(0x10002 | bits.SYNCHRONIZE), a__x=ALL, a__x2=NONE, a__x3=allow(0x10000))
    actor = Actor(model, ANY)
    assert not actor.rename(r"D:\a\x", r"D:\a\x2").possible
    assert actor.rename(r"D:\a\x", r"D:\a\x3").certain
    assert actor.rename(r"D:\a\x", r"D:\a\X").certain  # another spelling of its own name
    assert not actor.link(r"D:\a\x", r"D:\a\x2").possible
    assert actor.link(r"D:\a\x", r"D:\a\x3").certain


def test_privileges_that_are_held_count_by_default() -> None:
    strong = ANY.replace(privileges=frozenset({"SeRestorePrivilege", "SeChangeNotifyPrivilege"}))
    model = small(a=NONE, a__x=NONE)
    assert Actor(model, strong).write(r"D:\a\x").granted
    assert not Actor(model, strong, backup_intent=False).write(r"D:\a\x").possible
    group = Group(sid=Sid("S-1-5-32-551"), attributes=SE_GROUP_ENABLED)
    assert not Actor(model, ANY.replace(groups=(group,))).write(r"D:\a\x").possible


# the tree itself

@pytest.mark.parametrize("path", ["x", "C:x", r"\x", r"\\server", r"C:\a\..\b", r"C:\.", r"\\?\C:\x", "", r"C:\a:b\c"])
def test_paths_that_are_not_absolute_names_are_refused(path: str) -> None:
    with pytest.raises(TreeError) as caught:
        tree.split(path)
    assert caught.value.hint


@pytest.mark.parametrize(("first", "second"), [
    (Item(path=r"C:\a"), Item(path=r"C:\A")), (Item(path=r"C:\a"), Item(path=r"C:\a\b")),
    (Item(path=r"C:\a", file_id="1"), Item(path=r"C:\b", file_id="1", links=2)),
])
def test_items_that_contradict_each_other_are_refused(first: Item, second: Item) -> None:
    with pytest.raises(TreeError) as caught:
        Tree.build([second, first])
    assert caught.value.hint


def test_names_are_compared_as_a_directory_does() -> None:
    model = Tree.build([Item(path="C:\\Straße"), Item(path="C:\\STRASSE"), Item(path="C:/É/a")])
    assert model.get("c:\\sTRAßE") != model.get("c:\\strasse")
    assert model.get("C:\\é\\A") is not None
    assert [path for path, _ in model.paths()] == ["C:\\", "C:\\Straße", "C:\\STRASSE", "C:\\É", "C:\\É\\a"]


def test_changes_make_new_trees() -> None:
    model = small(a=ALL, a__x=ALL)
    folder, file = model.get(r"D:\a"), model.get(r"D:\a\x")
    assert folder is not None
    assert file is not None
    fewer = model.without(folder, "X")
    assert fewer.get(r"D:\a\x") is None
    assert model.get(r"D:\a\x") == file
    assert [path for path, _ in model.below("D:\\")] == [r"D:\a", r"D:\a\x"]
    for wrong in (lambda: model.without(folder, "y"), lambda: model.with_descriptors({"?": None}),
                  lambda: model.with_node(file, "z", folder)):
        with pytest.raises(TreeError) as caught:
            wrong()
        assert caught.value.hint
