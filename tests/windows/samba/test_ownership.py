"""What the account makes on a server that enforces access lists becomes the user's, and the account loses it."""

from __future__ import annotations

from pathlib import Path

from tests.windows.acl_scenes import WORK
from tests.windows.samba import server as samba
from tests.windows.samba.conftest import Scene
from tests.windows.samba.session import lists
from tests.windows.samba.smb_store import Client

from sidewall.nt import mask as bits
from sidewall.nt.sid import Sid
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
