"""A user's own configuration on a Windows in memory: ordinary files are obeyed, none that others may write."""

from __future__ import annotations

import pytest
from tests.windows.memory.people import set_up
from tests.windows.memory.windows import ANN, BOB, DOMAIN, File, Windows

from sidewall.errors import ConfigError
from sidewall.nt import wellknown as known
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import user_config

PATH = r"C:\Users\ann\AppData\Roaming\sidewall\config.toml"
INHERITED = f"(A;ID;FA;;;SY)(A;ID;FA;;;BA)(A;ID;FA;;;{ANN})"
ORDINARY = f"O:{ANN}G:{DOMAIN}-513D:AI{INHERITED}"
CORPORATION = "S-1-5-21-9-9-9"


def check(sddl: str, *, windows: Windows | None = None, user: Sid = ANN) -> None:
    made = windows or Windows()
    made.files[PATH.upper()] = File(parse(sddl), b"")
    api = made.machine(user).api
    with api.kernel32.CreateFileW(PATH, 0x20000, 3) as opened:
        user_config.check(api, opened, PATH)


def refused(sddl: str, windows: Windows | None = None) -> ConfigError:
    with pytest.raises(ConfigError, match="is not obeyed") as caught:
        check(sddl, windows=windows)
    assert PATH in str(caught.value) and PATH in caught.value.hint
    return caught.value


@pytest.mark.parametrize("sddl", [
    ORDINARY,
    f"O:BAG:SYD:AI{INHERITED}",
    f"O:{known.TRUSTED_INSTALLER}G:SYD:AI{INHERITED}",
    f"O:SYG:SYD:AI{INHERITED}",
    ORDINARY + "(A;ID;0x1200a9;;;BU)(A;ID;0x1200a9;;;WD)",
    f"O:{ANN}G:{ANN}D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;OW)",
    f"O:{ANN}G:{ANN}D:AI(A;ID;FA;;;{CORPORATION}-512)(A;ID;FA;;;{CORPORATION}-519)(A;ID;FA;;;CO){INHERITED}",
    ORDINARY + f"(A;OICIIO;FA;;;{BOB})",
    f"O:{ANN}G:{ANN}D:P(A;;FR;;;{ANN})",
], ids=["a profile", "written by an elevated program", "installed", "rolled out", "read by all", "Python's own mode",
        "redirected to a server", "for what is made below", "read-only"])
def test_ordinary_files_are_obeyed(sddl: str) -> None:
    check(sddl)


@pytest.mark.parametrize("owner", [str(BOB), "BU", "WD", "AU", "S-1-5-21-8-8-8-1001"])
def test_a_file_of_somebody_else_is_refused(owner: str) -> None:
    told = refused(ORDINARY.replace(f"O:{ANN}", f"O:{owner}"))
    assert "belongs to" in str(told) and "takeown" in told.hint
    if owner == BOB:
        assert "bob" in str(told)


@pytest.mark.parametrize("mask", ["0x2", "0x4", "0x10", "0x10000", "0x40000", "0x80000", "GW", "GA", "0x1301bf"])
@pytest.mark.parametrize("who", ["WD", "BU", "AU", "IU", str(BOB), f"{CORPORATION}-513", "S-1-15-2-1"])
def test_a_file_that_others_may_write_is_refused(mask: str, who: str) -> None:
    told = refused(ORDINARY + f"(A;ID;{mask};;;{who})")
    assert "can be changed by" in str(told) and "icacls" in told.hint


def test_what_a_sandbox_made_or_may_write_is_refused_and_named() -> None:
    windows = Windows()
    set_up(windows)
    group, offline, online = account_names(ANN)
    for name in (offline, online):
        account = windows.accounts[name].sid
        assert name in str(refused(ORDINARY.replace(f"O:{ANN}", f"O:{account}"), windows))
        assert name in str(refused(ORDINARY + f"(A;;0x2;;;{account})", windows))
    refused(ORDINARY + f"(A;;0x1301bf;;;{windows.groups[group][0]})", windows)


def test_without_a_list_everybody_may_write() -> None:
    assert "everybody" in str(refused(f"O:{ANN}G:{ANN}D:NO_ACCESS_CONTROL"))


def test_one_user_does_not_obey_the_other() -> None:
    shared = f"O:{ANN}G:{ANN}D:P(A;;FA;;;{ANN})(A;;FR;;;{BOB})(A;;RC;;;{BOB})"
    check(shared)
    with pytest.raises(ConfigError, match="ann"):
        check(shared, user=BOB)
