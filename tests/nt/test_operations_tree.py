"""Operations by path on a modelled machine: layouts that a sandbox of ACLs meets, and how each token fares in them."""

from __future__ import annotations

import pytest
from tests.nt.tokens import (
    CAP,
    DOWN,
    SANDBOXES,
    TOKENS,
    USER,
)

from sidewall.nt import edit, sddl, tree
from sidewall.nt import mask as bits
from sidewall.nt.access_check_answer import GRANTED
from sidewall.nt.edit import ALLOW, DENY, Want
from sidewall.nt.inherit_tree import propagate
from sidewall.nt.operations_tree import Actor
from sidewall.nt.sid import Sid
from sidewall.nt.tree import Item, Tree

C_ROOT = ("O:SYG:SYD:PAI(A;OICIIO;SDGXGWGR;;;AU)(A;;LC;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)")
PROFILE = f"O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;{USER})"
OWNED = f"O:{USER}G:BUD:AI"
TEMP = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;CI;0x100026;;;BU)(A;OICIIO;FA;;;CO)"
PUBLIC = "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301ff;;;IU)(A;OICI;0x1301ff;;;SU)"


def machine() -> Tree:
    """A drive with a profile and a workspace in it; what is not protected has inherited what is above it."""
    items = [Item(path="C:\\", sd=sddl.parse(C_ROOT), directory=True)]
    for path, text in {
        r"C:\Users": "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;WD)",
        r"C:\Users\me": PROFILE, r"C:\Users\me\docs": OWNED, r"C:\Users\me\ws": OWNED,
        r"C:\Users\me\ws\.git": OWNED, r"C:\Users\me\ws\.git\hooks": OWNED, r"C:\Users\me\ws\src": OWNED,
        r"C:\Users\Public": PUBLIC, r"C:\Windows": "O:SYG:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;0x1200a9;;;BU)",
        r"C:\Windows\Temp": TEMP,
    }.items():
        items.append(Item(path=path, sd=sddl.parse(text), directory=True))
    for path in (r"C:\Users\me\docs\letter", r"C:\Users\me\ws\src\main.c", r"C:\Users\me\ws\.git\config",
                 r"C:\Windows\system.dll"):
        items.append(Item(path=path, sd=sddl.parse(OWNED if "Users" in path else "O:SYG:SYD:AI")))
    made = Tree.build(items)
    for top in (r"C:\Users\me", r"C:\Windows"):
        made = propagate(made, top).tree
    return made


def stamped(model: Tree, sid: Sid, mask: int = bits.FILE_MODIFY) -> Tree:
    """The workspace granted to ``sid``, its ``.git`` denied, as a plan of explicit entries does it."""
    for path, want in ((r"C:\Users\me\ws", Want(kind=ALLOW, sid=sid, mask=mask, flags=DOWN)),
                       (r"C:\Users\me\ws\.git", Want(kind=DENY, sid=sid, mask=0xD0156, flags=DOWN))):
        node = model.get(path)
        assert node is not None
        assert node.sd is not None
        model = model.with_descriptors({node.id: edit.apply(node.sd, edit.smallest(node.sd, (want,))).sd})
        done = propagate(model, path)
        assert not done.doubts
        model = done.tree
    return model


WS = r"C:\Users\me\ws"
QUESTIONS = {
    "read profile": lambda a: a.open(r"C:\Users\me\docs\letter", bits.FILE_GENERIC_READ),
    "write profile": lambda a: a.write(r"C:\Users\me\docs\letter"),
    "create in profile": lambda a: a.create(r"C:\Users\me\docs\new"),
    "delete in profile": lambda a: a.delete(r"C:\Users\me\docs\letter"),
    "move profile directory into workspace": lambda a: a.rename(r"C:\Users\me\docs", WS + r"\docs"),
    "write workspace": lambda a: a.write(WS + r"\src\main.c"),
    "delete in workspace": lambda a: a.delete(WS + r"\src\main.c"),
    "write in .git": lambda a: a.write(WS + r"\.git\config"),
    "delete in .git": lambda a: a.delete(WS + r"\.git\config"),
    "create in .git": lambda a: a.create(WS + r"\.git\hooks\pre-commit"),
    "move .git aside": lambda a: a.rename(WS + r"\.git", WS + r"\.gone"),
    "replace a hook": lambda a: a.replace(WS + r"\.git\hooks\pre-commit"),
    "control .git": lambda a: a.control(WS + r"\.git"),
    "create a directory in C:\\": lambda a: a.create(r"C:\new", directory=True),
    "create in Windows\\Temp": lambda a: a.create(r"C:\Windows\Temp\new"),
    "create in Public": lambda a: a.create(r"C:\Users\Public\new"),
    "write a system file": lambda a: a.write(r"C:\Windows\system.dll"),
}

# y: granted, n: not possible by any reading.  user, write-restricted, with-everyone, restricted, account, low
TABLE = {
    "read profile": "yyynny", "write profile": "ynnnnn", "create in profile": "ynnnnn",
    "delete in profile": "yyynnn", "move profile directory into workspace": "yyynnn",
    "write workspace": "yyyyyn", "delete in workspace": "yyyyyn",
    "write in .git": "ynnnnn", "delete in .git": "yyynnn", "create in .git": "ynnnnn", "move .git aside": "yyynnn",
    "replace a hook": "yyynnn", "control .git": "ynnnnn",
    "create a directory in C:\\": "ynnnyn", "create in Windows\\Temp": "ynnyyn", "create in Public": "ynnnnn",
    "write a system file": "nnnnnn",
}


@pytest.mark.parametrize("question", list(QUESTIONS))
def test_what_each_token_can_do_in_a_profile_with_a_workspace(question: str) -> None:
    """The user's own rights on a parent (FILE_DELETE_CHILD) are the hole of a write-restricted token."""
    plain, account = stamped(machine(), CAP), stamped(machine(), SANDBOXES)
    for name, expected in zip(TOKENS, TABLE[question], strict=True):
        actor = Actor(account if name == "account" else plain, TOKENS[name])
        outcome = QUESTIONS[question](actor)
        if expected == "y":
            assert outcome.verdict == GRANTED, (name, outcome.explain())
        else:
            assert not outcome.possible, (name, outcome.explain())


def test_full_control_on_the_root_voids_every_deny_below() -> None:
    for mask, lost in ((bits.FILE_MODIFY, False), (bits.FILE_ALL_ACCESS, True)):
        actor = Actor(stamped(machine(), SANDBOXES, mask), TOKENS["account"])
        assert actor.delete(WS + r"\.git\config").possible is False  # .git itself lends nothing: it denies 0x40
        assert actor.rename(WS + r"\.git", WS + r"\.gone").granted is lost
        assert actor.replace(WS + r"\.git\config").possible is lost


def test_modify_on_the_root_holds_delete_of_the_root_itself() -> None:
    """So the workspace as a whole may be given another name beside its old one, if that needs no right there."""
    moved = Actor(stamped(machine(), SANDBOXES), TOKENS["account"]).rename(WS, r"C:\Users\me\ws2")
    assert (moved.verdict, moved.possible) == ("cannot-prove", True)
    assert Actor(stamped(machine(), SANDBOXES), TOKENS["account"]).vanish(WS + r"\.git\config").possible
    model = machine()
    workspace = model.get(WS)
    assert workspace is not None
    assert workspace.sd is not None
    wants = (Want(kind=ALLOW, sid=SANDBOXES, mask=bits.FILE_MODIFY & ~bits.DELETE),
             Want(kind=ALLOW, sid=SANDBOXES, mask=bits.FILE_MODIFY, flags=DOWN | 8),
             Want(kind=DENY, sid=SANDBOXES, mask=bits.DELETE | bits.FILE_DELETE_CHILD))
    model = model.with_descriptors({workspace.id: edit.apply(workspace.sd, edit.smallest(workspace.sd, wants)).sd})
    actor = Actor(propagate(model, WS).tree, TOKENS["account"])
    assert not actor.rename(WS, r"C:\Users\me\ws2").possible
    assert actor.delete(WS + r"\src\main.c").granted
    assert actor.write(WS + r"\src\main.c").granted
    assert actor.create(WS + r"\new", directory=True).granted


def test_a_moved_object_keeps_its_descriptor() -> None:
    """After .git is moved aside a new one can be made, with the workspace's grant and without the deny."""
    model = stamped(machine(), CAP)
    attacker = TOKENS["write-restricted"]
    assert Actor(model, attacker).rename(WS + r"\.git", WS + r"\.gone").granted
    workspace, git = model.get(WS), model.get(WS + r"\.git")
    assert workspace is not None
    assert git is not None
    moved = model.without(workspace, ".git").with_node(workspace, ".gone", git)
    assert moved.get(WS + r"\.gone\config") == model.get(WS + r"\.git\config")
    made = Actor(moved, attacker).create(WS + r"\.git", directory=True)
    assert made.granted
    assert made.descriptor is not None
    again = moved.with_node(workspace, ".git", tree.Node(id="new", sd=made.descriptor, directory=True))
    assert Actor(again, attacker).create(WS + r"\.git\hooks", directory=True).granted
    assert not Actor(again, attacker).write(WS + r"\.gone\config").possible
    # Handing the workspace's entries down again would open what was moved in from elsewhere.
    docs = model.get(r"C:\Users\me\docs")
    assert docs is not None
    inside = model.with_node(workspace, "docs", docs)
    assert not Actor(inside, attacker).write(WS + r"\docs\letter").possible
    assert Actor(propagate(inside, WS).tree, attacker).write(WS + r"\docs\letter").granted


def test_an_owner_can_always_change_the_list_unless_owner_rights_say_less() -> None:
    model = stamped(machine(), SANDBOXES)
    made = Actor(model, TOKENS["account"]).create(WS + r"\src\out").descriptor
    assert made is not None
    source = model.get(WS + r"\src")
    assert source is not None
    own = model.with_node(source, "out", tree.Node(id="out", sd=made))
    assert Actor(own, TOKENS["account"]).set_security(WS + r"\src\out", "dacl").granted
    workspace = model.get(WS)
    assert workspace is not None
    assert workspace.sd is not None
    bound = edit.apply(workspace.sd, edit.smallest(
        workspace.sd, (Want(kind=ALLOW, sid=Sid("S-1-3-4"), mask=bits.READ_CONTROL, flags=DOWN),))).sd
    closed = propagate(model.with_descriptors({workspace.id: bound}), WS).tree
    made = Actor(closed, TOKENS["account"]).create(WS + r"\src\out").descriptor
    assert made is not None
    source = closed.get(WS + r"\src")
    assert source is not None
    held = closed.with_node(source, "out", tree.Node(id="out", sd=made))
    assert not Actor(held, TOKENS["account"]).control(WS + r"\src\out").possible
    assert Actor(held, TOKENS["account"]).write(WS + r"\src\out").granted
