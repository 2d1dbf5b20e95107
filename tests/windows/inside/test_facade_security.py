"""advapi32 and crypt32 on a real Windows, or on Wine: each call's effect is read back by another way.

Knows: which effects Wine has.  Must not know: plans.  What Wine only pretends to do is not asserted here.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import api
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows.errors import NetError, Win32Error
from sidewall.platforms.windows.handles import Handle

WINDOWS = api.native()
ADMINISTRATORS, EVERYONE = Sid("S-1-5-32-544").to_bytes(), Sid("S-1-1-0").to_bytes()
MAPPING = (1, 2, 4, 7)


@pytest.fixture
def token() -> Iterator[Handle]:
    with WINDOWS.advapi32.OpenProcessToken(WINDOWS.kernel32.GetCurrentProcess(), constants.TOKEN_ALL_ACCESS) as own:
        yield own


def test_whose_token_it_is(token: Handle) -> None:
    user = WINDOWS.advapi32.TokenUser(token)
    name, domain, use = WINDOWS.advapi32.LookupAccountSidW(user)
    assert use == constants.SidTypeUser
    assert name.lower() == os.environ["USERNAME"].lower()
    assert WINDOWS.advapi32.LookupAccountNameW(f"{domain}\\{name}") == (user, domain, use)
    assert WINDOWS.advapi32.SidOf(WINDOWS.advapi32.TextOf(user)) == user == Sid.from_bytes(user).to_bytes()


def test_what_a_token_tells(token: Handle) -> None:
    advapi32 = WINDOWS.advapi32
    groups = dict(advapi32.TokenGroups(token))
    assert EVERYONE in groups
    assert advapi32.TokenNumber(token, constants.TokenType) == constants.TokenPrimary
    assert advapi32.TokenNumber(token, constants.TokenElevationType) in (1, 2, 3)
    assert advapi32.TextOf(advapi32.TokenSid(token, constants.TokenIntegrityLevel)).startswith("S-1-16-")
    assert len(advapi32.TokenSid(token, constants.TokenOwner)) >= 12
    assert advapi32.TokenDefaultDacl(token)
    assert advapi32.TokenStatistics(token).TokenType == constants.TokenPrimary
    names = [advapi32.LookupPrivilegeNameW(luid) for luid, _ in advapi32.TokenPrivileges(token)]
    assert "SeChangeNotifyPrivilege" in names
    assert [advapi32.LookupPrivilegeNameW(advapi32.LookupPrivilegeValueW(name)) for name in names] == names


def test_a_privilege_is_set_and_one_that_is_not_there_is_an_error(token: Handle) -> None:
    advapi32 = WINDOWS.advapi32
    luid = advapi32.LookupPrivilegeValueW("SeShutdownPrivilege")
    for attributes in (constants.SE_PRIVILEGE_ENABLED, 0):
        advapi32.AdjustTokenPrivileges(token, [(luid, attributes)])
        assert dict(advapi32.TokenPrivileges(token))[luid] & constants.SE_PRIVILEGE_ENABLED == attributes
    with pytest.raises(Win32Error, match="ERROR_NOT_ALL_ASSIGNED"):
        advapi32.AdjustTokenPrivileges(token, [(2**20, constants.SE_PRIVILEGE_ENABLED)])


def test_a_restricted_copy_has_lost_what_it_should(token: Handle) -> None:
    advapi32 = WINDOWS.advapi32
    deleted = advapi32.LookupPrivilegeValueW("SeShutdownPrivilege")
    with advapi32.CreateRestrictedToken(token, 0, disable=[EVERYONE], delete=[deleted]) as copy:
        assert dict(advapi32.TokenGroups(copy))[EVERYONE] & 0x10
        assert deleted not in dict(advapi32.TokenPrivileges(copy))
        with advapi32.DuplicateTokenEx(copy, constants.TOKEN_ALL_ACCESS, kind=constants.TokenImpersonation) as worn:
            assert not advapi32.CheckTokenMembership(worn, EVERYONE)
            descriptor = advapi32.DescriptorOf("O:BAG:BAD:(A;;0x1;;;WD)(A;;0x2;;;AU)")
            assert advapi32.AccessCheck(descriptor, worn, 1, MAPPING) == (False, 0)
            assert advapi32.AccessCheck(descriptor, worn, 2, MAPPING) == (True, 2)
            advapi32.ImpersonateLoggedOnUser(worn)
            try:
                with advapi32.OpenThreadToken(WINDOWS.kernel32.GetCurrentThread(), constants.TOKEN_QUERY) as seen:
                    assert dict(advapi32.TokenGroups(seen))[EVERYONE] & 0x10
            finally:
                advapi32.RevertToSelf()
        with pytest.raises(Win32Error, match="ERROR_NO_TOKEN"):
            advapi32.OpenThreadToken(WINDOWS.kernel32.GetCurrentThread(), constants.TOKEN_QUERY)
        dacl = advapi32.TokenDefaultDacl(token)
        assert dacl is not None
        advapi32.SetTokenDefaultDacl(copy, dacl[:2] + (8).to_bytes(2, "little") + bytes(4))
        assert advapi32.TokenDefaultDacl(copy) == dacl[:2] + (8).to_bytes(2, "little") + bytes(4)


@pytest.mark.parametrize("sddl", ["O:BAG:SYD:P(A;OICI;FA;;;SY)(D;;0x10;;;WD)", "D:", "O:SY"])
def test_texts_of_descriptors_as_the_model_has_them(sddl: str) -> None:
    descriptor = WINDOWS.advapi32.DescriptorOf(sddl)
    assert WINDOWS.advapi32.SddlOf(descriptor, 7) == WINDOWS.advapi32.SddlOf(parse(sddl).to_bytes(), 7)
    with pytest.raises(Win32Error):
        WINDOWS.advapi32.DescriptorOf("D:(nonsense")


def test_a_new_object_has_the_descriptor_that_it_was_given() -> None:
    advapi32, kernel32 = WINDOWS.advapi32, WINDOWS.kernel32
    with kernel32.CreateEventW(security=advapi32.DescriptorOf("D:(A;;0x1f0003;;;WD)")) as event:
        what = constants.DACL_SECURITY_INFORMATION
        assert advapi32.SddlOf(advapi32.GetKernelObjectSecurity(event, what), what) == "D:(A;;0x1f0003;;;WD)"
        advapi32.SetKernelObjectSecurity(event, what, advapi32.DescriptorOf("D:(A;;0x100003;;;BA)(A;;0x20000;;;WD)"))
        read = advapi32.GetSecurityInfo(event, constants.SE_KERNEL_OBJECT, what)
        assert advapi32.SddlOf(read, what) == "D:(A;;0x100003;;;BA)(A;;RC;;;WD)"


def test_a_name_that_is_nobodys() -> None:
    with pytest.raises(Win32Error, match=r"ERROR_NONE_MAPPED .*'no-such-account-here'"):
        WINDOWS.advapi32.LookupAccountNameW("no-such-account-here")
    with pytest.raises(NetError, match="NERR_UserNotFound"):
        WINDOWS.netapi32.NetUserGetInfo("no-such-account-here")


def test_protected_data_comes_back_and_only_whole() -> None:
    secret = "geheim 한글 😀".encode()
    sealed = WINDOWS.crypt32.CryptProtectData(secret, description="Sidewall", entropy=b"salt")
    assert secret not in sealed
    assert WINDOWS.crypt32.CryptUnprotectData(sealed, entropy=b"salt") == (secret, "Sidewall")
    for broken, entropy in ((sealed, b"pepper"), (sealed[:-1], b"salt")):
        with pytest.raises(Win32Error, match="CryptUnprotectData"):
            WINDOWS.crypt32.CryptUnprotectData(broken, entropy=entropy)


def test_a_profile_and_its_variables(token: Handle) -> None:
    home = WINDOWS.userenv.GetUserProfileDirectoryW(token)
    assert home.lower() == os.environ["USERPROFILE"].lower()
    assert home.lower().startswith(WINDOWS.userenv.GetProfilesDirectoryW().lower())
    machine, own = WINDOWS.userenv.CreateEnvironmentBlock(None), WINDOWS.userenv.CreateEnvironmentBlock(token)
    assert {name.upper() for name in machine} >= {"SYSTEMROOT", "COMSPEC"}
    assert len(own) >= len(machine)


def test_window_stations_and_desktops() -> None:
    user32 = WINDOWS.user32
    station = user32.GetProcessWindowStation()
    with user32.CreateWindowStationW("sidewall-station", 0x37F) as made:
        assert user32.UserObjectName(made) == "sidewall-station"
        user32.SetProcessWindowStation(made)
        try:
            with user32.CreateDesktopW("sidewall-desktop", 0xF01FF) as desktop:
                assert user32.UserObjectName(desktop) == "sidewall-desktop"
                with user32.OpenDesktopW("sidewall-desktop", 0x20000) as again:
                    assert user32.UserObjectName(again) == "sidewall-desktop"
            with pytest.raises(Win32Error, match="OpenDesktopW"):
                user32.OpenDesktopW("sidewall-desktop", 0x20000)
        finally:
            user32.SetProcessWindowStation(station)
    assert user32.UserObjectName(user32.GetThreadDesktop(threading.get_native_id()))
