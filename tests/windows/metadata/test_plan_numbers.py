"""The numbers that a plan speaks in are Windows' own: the pure room cannot import them from here, so they are compared.

Knows: the plan's names and Microsoft's for the same.  Must not know: what a plan does with them.
"""

from __future__ import annotations

import pytest

from sidewall.plan import windows_network, windows_session, windows_token

from .compare import compare_constant
from .winmd import Metadata

NUMBERS = {
    "FWP_CONDITION_FLAG_IS_LOOPBACK": windows_network.LOOPBACK,
    "FWP_CONDITION_FLAG_IS_RAW_ENDPOINT": windows_network.RAW_ENDPOINT,
    "DISABLE_MAX_PRIVILEGE": windows_token.DISABLE_MAX_PRIVILEGE,
    "SANDBOX_INERT": windows_token.SANDBOX_INERT,
    "LUA_TOKEN": windows_token.LUA_TOKEN,
    "WRITE_RESTRICTED": windows_token.WRITE_RESTRICTED,
    "JOB_OBJECT_LIMIT_ACTIVE_PROCESS": windows_session.JOB_PROCESSES,
    "JOB_OBJECT_LIMIT_JOB_MEMORY": windows_session.JOB_MEMORY,
    "JOB_OBJECT_LIMIT_DIE_ON_UNHANDLED_EXCEPTION": windows_session.JOB_NO_ERROR_BOX,
    "JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE": windows_session.JOB_KILL_ON_CLOSE,
    "IPPROTO_ICMP": windows_network.ICMP,
    "IPPROTO_TCP": windows_network.TCP,
    "IPPROTO_UDP": windows_network.UDP,
    "IPPROTO_ICMPV6": windows_network.ICMPV6,
    "IPPROTO_RAW": windows_network.RAW,
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_of_the_plan(name: str, metadata: Metadata) -> None:
    assert compare_constant(name, NUMBERS[name], metadata) == []


STATION = """ACCESSCLIPBOARD ACCESSGLOBALATOMS CREATEDESKTOP ENUMDESKTOPS ENUMERATE READATTRIBUTES READSCREEN
    WRITEATTRIBUTES"""
DESKTOP = "READOBJECTS CREATEWINDOW CREATEMENU HOOKCONTROL JOURNALRECORD JOURNALPLAYBACK ENUMERATE WRITEOBJECTS"


@pytest.mark.parametrize(("use", "every", "words"), [
    (windows_session.STATION_USE, windows_session.STATION_ALL, STATION),
    (windows_session.DESKTOP_USE, windows_session.DESKTOP_ALL, DESKTOP),
])
def test_rights_of_windows(use: int, every: int, words: str, metadata: Metadata) -> None:
    """Each by its name; left out are ending the session and switching to the desktop, and what changes the list."""
    station = every == windows_session.STATION_ALL
    names = [f"{'WINSTA' if station else 'DESKTOP'}_{word}" for word in words.split()]
    found = [metadata.constants(name) for name in names]
    assert all(len(values) == 1 for values in found), names
    assert sum(int(value) for values in found for value in values) == use & 0xFFFF
    left, = metadata.constants("WINSTA_EXITWINDOWS" if station else "DESKTOP_SWITCHDESKTOP")
    assert every == use | 0xD0000 and not every & int(left)
