"""What the account makes on a server that enforces access lists becomes the user's, and the account loses it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.windows.acl_scenes import WORK
from tests.windows.samba import server as samba
from tests.windows.samba.conftest import Scene
from tests.windows.samba.session import lists
from tests.windows.samba.smb_store import CREATE, Client, SmbStore

from sidewall.nt import mask as bits
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import returning
from sidewall.platforms.windows.ownership import give_back


def test_what_the_account_made_is_the_users(scene: Scene, tmp_path: Path) -> None:
    owner, account = Sid(scene.server.sids[samba.USER]), Sid(scene.server.sids[samba.BOX])
    new = (WORK + "\\src\\out", WORK + "\\src\\out\\made 😀.o")
    applied = lists(scene.user, str(tmp_path)).apply(scene.plan)
    box = Client(scene.server.port, samba.BOX)
    try:
        box.create(new[0], directory=True)
        box.create(new[1])
        for path in new:
            with scene.store.open(path, change=False) as found:
                assert found.descriptor().owner == account
            assert not box.can(path, bits.WRITE_DAC), "the entry for OWNER RIGHTS is there"
        before = scene.texts()
        assert give_back(scene.store, WORK, owner, account, ("src\\out",)) == ()
        assert give_back(scene.store, WORK, owner, account, None) == ()
        after = scene.texts()
        assert {path for path in after if after[path] != before[path]} == set(new)
        for path in new:
            with scene.store.open(path, change=False) as found:
                assert found.descriptor().owner == owner
        assert box.can(new[1], bits.FILE_WRITE_DATA), "while the cell is open it may still write it"
        assert applied.release() == ()
        for right in (bits.WRITE_DAC, bits.WRITE_OWNER, bits.FILE_WRITE_DATA, bits.DELETE):
            assert not any(box.can(path, right) for path in new)
    finally:
        box.close()
        for path in reversed(new):
            if path in scene.texts():
                scene.user.delete(path)
        applied.release()
    assert scene.texts() == scene.before


def test_what_the_account_closed_to_the_user_is_opened_by_it_and_becomes_his(scene: Scene, tmp_path: Path) -> None:
    """The list that Python 3.12.4 and later gives a directory of mode 0o700: tempfile, pytest and pip make such."""
    owner, account = Sid(scene.server.sids[samba.USER]), Sid(scene.server.sids[samba.BOX])
    above, below = WORK + "\\src\\pytest-of-box", WORK + "\\src\\pytest-of-box\\made 😀"
    applied = lists(scene.user, str(tmp_path)).apply(scene.plan)
    box = Client(scene.server.port, samba.BOX)
    asked: list[str] = []

    def unlock(places: Sequence[str]) -> str:
        asked.extend(places)
        return returning.let_in(SmbStore(box), places, owner, account, until=float("inf"))[1]

    try:
        # The file system below the server knows nothing of OWNER RIGHTS, so the account is named too.
        shut = parse(f"D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;OW)(A;OICI;FA;;;{account})")
        box.open(above, bits.FILE_READ_ATTRIBUTES, disposition=CREATE, options=0x1, descriptor=shut).close(False)
        box.create(below)
        for right in (bits.READ_CONTROL, bits.FILE_LIST_DIRECTORY, bits.WRITE_DAC, bits.WRITE_OWNER):
            assert not scene.user.can(above, right), "the user is locked out"
        (held,) = give_back(scene.store, WORK, owner, account, ("src\\pytest-of-box",))
        assert held.path == above
        assert give_back(scene.store, WORK, owner, account, ("src\\pytest-of-box",), unlock) == ()
        assert asked == [above]
        for path in (above, below):
            with scene.store.open(path, change=True) as found:
                assert found.descriptor().owner == owner
        with scene.store.open(above, change=False) as found:
            assert found.names() == ("made 😀",)
        scene.user.delete(below)
        scene.user.delete(above)
    finally:
        box.close()
        applied.release()
    assert scene.texts() == scene.before
