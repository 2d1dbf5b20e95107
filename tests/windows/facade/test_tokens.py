"""Tokens and starts of processes: what arrives at the functions that Wine only pretends to carry out.

Knows: structures as Windows sees them.  Must not know: which token a plan asks for.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import constants_process as process
from sidewall.platforms.windows import constants_security as constants
from sidewall.platforms.windows import layouts_accounts, memory
from sidewall.platforms.windows import layouts_process as layouts
from sidewall.platforms.windows import layouts_security as security
from sidewall.platforms.windows.errors import CallError, Win32Error
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.startup import StartInfo, environment_block

from .behind import Behind, put, text, wide

CAPABILITY, LOGON, EVERYONE = (Sid(name).to_bytes() for name in ("S-1-5-21-7-8-9-10", "S-1-5-5-0-777", "S-1-1-0"))
TOKEN, MADE = 0x11, 0x22


def token() -> Handle:
    return Handle(TOKEN, lambda _: None, "a token")


def sids(place: int | None, count: int) -> list[bytes]:
    return [memory.sid_at(entry.Sid) for entry in memory.items(security.SID_AND_ATTRIBUTES, place or 0, count)]


def test_a_restricted_token_is_asked_for_as_it_is_meant() -> None:
    asked: list[Any] = []

    def create(old: int, flags: int, disabled: int, to_disable: int, deleted: int, to_delete: int, restricting: int,
               to_restrict: int, place: int) -> int:
        luids = memory.items(security.LUID_AND_ATTRIBUTES, to_delete or 0, deleted)
        attributes = memory.items(security.SID_AND_ATTRIBUTES, to_restrict or 0, restricting)
        asked.append((old, flags, sids(to_disable, disabled), [(one.Luid.LowPart, one.Luid.HighPart) for one in luids],
                      sids(to_restrict, restricting), [one.Attributes for one in attributes]))
        put(place, ctypes.c_void_p, MADE)
        return 1

    behind = Behind(CreateRestrictedToken=create, CloseHandle=lambda value: value == MADE)
    flags = constants.DISABLE_MAX_PRIVILEGE | constants.LUA_TOKEN | constants.WRITE_RESTRICTED
    with token() as own:
        advapi32 = behind.api.advapi32
        with advapi32.CreateRestrictedToken(own, flags, disable=[EVERYONE], delete=[20, 2**33 + 5],
                                            restrict=[CAPABILITY, LOGON, EVERYONE]) as made:
            assert made.value == MADE
        advapi32.CreateRestrictedToken(own, 0).close()
    assert asked[0] == (TOKEN, 0xD, [EVERYONE], [(20, 0), (5, 2)], [CAPABILITY, LOGON, EVERYONE], [0, 0, 0])
    assert asked[1] == (TOKEN, 0, [], [], [], [])


def test_groups_are_copied_out_of_a_buffer_that_had_to_grow() -> None:
    listed = [Sid(f"S-1-5-21-1-2-3-{rid}").to_bytes() for rid in range(2000, 2100)]

    def query(old: int, kind: int, place: int, room: int, needed: int) -> int:
        size = 8 + 16 * len(listed) + sum(map(len, listed))
        put(needed, ctypes.c_uint32, size)
        if room < size:
            behind.error = 122
            return 0
        ctypes.c_uint32.from_address(place).value = len(listed)
        end = place + 8 + 16 * len(listed)
        for entry, sid in zip(memory.items(security.SID_AND_ATTRIBUTES, place + 8, len(listed)), listed, strict=True):
            ctypes.memmove(end, sid, len(sid))
            entry.Sid, entry.Attributes = end, 7
            end += len(sid)
        return 1

    behind = Behind(GetTokenInformation=query)
    with token() as own:
        assert behind.api.advapi32.TokenGroups(own) == tuple((sid, 7) for sid in listed)
    assert behind.calls.count("GetTokenInformation") == 2


def test_an_answer_that_never_fits_is_an_error_and_not_a_loop() -> None:
    def query(old: int, kind: int, place: int, room: int, needed: int) -> int:
        behind.error = 122
        return 0

    behind = Behind(GetTokenInformation=query)
    with token() as own, pytest.raises(Win32Error, match="ERROR_INSUFFICIENT_BUFFER"):
        behind.api.advapi32.TokenUser(own)


def test_level_owner_and_list_arrive() -> None:
    seen: dict[int, tuple[bytes, int]] = {}

    def set_information(old: int, kind: int, place: int, size: int) -> int:
        if kind == constants.TokenDefaultDacl:
            acl = security.TOKEN_DEFAULT_DACL.from_address(place).DefaultDacl
            seen[kind] = memory.acl_at(ctypes.addressof(acl.contents)), size
        else:
            entry = security.SID_AND_ATTRIBUTES.from_address(place)
            seen[kind] = memory.sid_at(entry.Sid), size
            if kind == constants.TokenIntegrityLevel:
                assert entry.Attributes == 0x20
        return 1

    behind = Behind(SetTokenInformation=set_information)
    low, acl = Sid("S-1-16-4096").to_bytes(), bytes.fromhex("0200080000000000")
    with token() as own:
        behind.api.advapi32.SetTokenIntegrityLevel(own, low)
        behind.api.advapi32.SetTokenOwner(own, CAPABILITY)
        behind.api.advapi32.SetTokenDefaultDacl(own, acl)
    assert seen == {constants.TokenIntegrityLevel: (low, 16 + len(low)), constants.TokenOwner: (CAPABILITY, 8),
                    constants.TokenDefaultDacl: (acl, 8)}


def test_some_privileges_set_is_a_failure() -> None:
    def adjust(old: int, every: int, place: int, size: int, previous: int, returned: int) -> int:
        listed = security.TOKEN_PRIVILEGES.from_address(place)
        entries = memory.items(security.LUID_AND_ATTRIBUTES, listed.Privileges, listed.PrivilegeCount)
        assert [(one.Luid.LowPart, one.Attributes) for one in entries] == [(20, 2), (23, 0)]
        behind.error = 1300
        return 1

    behind = Behind(AdjustTokenPrivileges=adjust)
    with token() as own, pytest.raises(Win32Error, match="ERROR_NOT_ALL_ASSIGNED"):
        behind.api.advapi32.AdjustTokenPrivileges(own, [(20, 2), (23, 0)])


def test_a_start_as_an_account_arrives_whole_and_its_password_nowhere_else() -> None:
    started: dict[str, Any] = {}
    block = environment_block({"PATH": "C:\\x", "한글": "값"})

    def start(user: int, domain: int, password: int, logon: int, program: int, line: int, flags: int, environment: int,
              directory: int, info: int, result: int) -> int:
        shown = layouts.STARTUPINFOW.from_address(info)
        started.update(user=text(user), domain=text(domain), password=text(password), logon=logon, line=text(line),
                       program=text(program), flags=flags, directory=text(directory), size=shown.cb,
                       desktop=memory.text_at(shown.lpDesktop), block=ctypes.string_at(environment, len(block)))
        made = layouts.PROCESS_INFORMATION.from_address(result)
        made.hProcess, made.hThread, made.dwProcessId, made.dwThreadId = 5, 6, 70, 71
        return 1

    behind = Behind(CreateProcessWithLogonW=start, CloseHandle=lambda _: 1)
    info = StartInfo(command_line='"C:\\a b\\python.exe" -I runner', application="C:\\a b\\python.exe",
                     directory="C:\\한글", environment=block, desktop="station\\desktop",
                     flags=process.CREATE_SUSPENDED)
    made = behind.api.advapi32.CreateProcessWithLogonW("swbx", ".", "pass\"word 한글", info)
    assert (made.process.value, made.thread.value, made.process_id, made.thread_id) == (5, 6, 70, 71)
    made.close()
    assert started == {
        "user": "swbx", "domain": ".", "password": "pass\"word 한글", "logon": process.LOGON_WITH_PROFILE,
        "line": info.command_line, "program": info.application, "directory": "C:\\한글", "size": 104,
        "desktop": "station\\desktop", "block": block,
        "flags": process.CREATE_SUSPENDED | process.CREATE_UNICODE_ENVIRONMENT,
    }  # fmt: skip
    assert behind.calls.count("CloseHandle") == 2


def test_attributes_arrive_in_their_own_ways() -> None:
    updates: list[tuple[int, object, int]] = []

    def begin(place: int | None, count: int, flags: int, size: int) -> int:
        put(size, ctypes.c_size_t, 48 + 24 * count)
        behind.error = 0 if place else 122
        return int(place is not None)

    def update(place: int, flags: int, attribute: int, value: int, size: int, previous: int, returned: int) -> int:
        if attribute in (process.PROC_THREAD_ATTRIBUTE_HANDLE_LIST, process.PROC_THREAD_ATTRIBUTE_JOB_LIST):
            updates.append((attribute, list((ctypes.c_size_t * (size // 8)).from_address(value)), size))
        elif attribute == process.PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE:
            updates.append((attribute, value, size))  # the handle itself
        else:
            updates.append((attribute, int.from_bytes(ctypes.string_at(value, size), "little"), size))
        return 1

    behind = Behind(InitializeProcThreadAttributeList=begin, UpdateProcThreadAttribute=update,
                    DeleteProcThreadAttributeList=lambda _: None)
    handles = [Handle(value, lambda _: None, "one") for value in (8, 12, 16)]
    with handles[0], handles[1], handles[2]:
        with behind.api.kernel32.ProcThreadAttributeList(handles=handles[:2], jobs=handles[2:], child_processes=1,
                                                         pseudo_console=handles[0], mitigation=2**40):
            assert sorted(updates) == sorted([
                (process.PROC_THREAD_ATTRIBUTE_HANDLE_LIST, [8, 12], 16),
                (process.PROC_THREAD_ATTRIBUTE_JOB_LIST, [16], 8),
                (process.PROC_THREAD_ATTRIBUTE_CHILD_PROCESS_POLICY, 1, 4),
                (process.PROC_THREAD_ATTRIBUTE_PSEUDOCONSOLE, 8, 8),
                (process.PROC_THREAD_ATTRIBUTE_MITIGATION_POLICY, 2**40, 8)])
        assert behind.calls[-1] == "DeleteProcThreadAttributeList"
        behind.functions["UpdateProcThreadAttribute"] = lambda *_: 0
        behind.api.dll("kernel32").__dict__.pop("UpdateProcThreadAttribute")
        with pytest.raises(Win32Error):
            behind.api.kernel32.ProcThreadAttributeList(handles=handles)
        assert behind.calls.count("DeleteProcThreadAttributeList") == 2


def test_a_descriptor_lives_as_long_as_the_call_and_is_given_whole() -> None:
    descriptor = bytes(range(1, 60))

    def create(attributes: int, manual: int, signalled: int, name: int) -> int:
        given = layouts.SECURITY_ATTRIBUTES.from_address(attributes)
        assert given.nLength == 24
        assert ctypes.string_at(given.lpSecurityDescriptor, len(descriptor)) == descriptor
        return 9

    behind = Behind(CreateEventW=create, CloseHandle=lambda _: 1)
    behind.api.kernel32.CreateEventW(security=descriptor).close()


def test_all_names_of_a_file() -> None:
    names = ["\\one", "\\two 한글", "\\three"]
    given: list[str] = []

    def name_to(place: int, size: int) -> int:
        if len(given) == len(names):
            behind.error = 38
            return 0
        given.append(names[len(given)])
        memory_ = ctypes.create_unicode_buffer(given[-1])
        ctypes.memmove(place, memory_, ctypes.sizeof(memory_))
        return 1

    behind = Behind(FindFirstFileNameW=lambda path, flags, size, place: name_to(place, size) * 3,
                    FindNextFileNameW=lambda search, size, place: name_to(place, size), FindClose=lambda _: 1)
    assert behind.api.kernel32.FileNames("C:\\one") == tuple(names)
    assert behind.calls[-1] == "FindClose"


def test_a_profile_is_unloaded_by_the_token_that_loaded_it() -> None:
    unloaded: list[tuple[int, int]] = []

    def load(own: int, place: int) -> int:
        profile = layouts_accounts.PROFILEINFOW.from_address(place)
        assert (profile.dwSize, profile.dwFlags, memory.text_at(profile.lpUserName)) == (56, 1, "swbx")
        profile.hProfile = 0x99
        return 1

    behind = Behind(LoadUserProfileW=load, UnloadUserProfile=lambda own, key: unloaded.append((own, key)) or 1)
    with token() as own, behind.api.userenv.LoadUserProfileW(own, "swbx") as profile:
        assert profile.value == 0x99
    assert unloaded == [(TOKEN, 0x99)]


def test_an_environment_block_is_read_to_its_end() -> None:
    block = environment_block({"A": "1", "Path": "C:\\한글;C:\\😀", "=C:": "C:\\"})

    def create(place: int, own: int | None, inherit: int) -> int:
        put(place, ctypes.c_void_p, behind.hand_out(ctypes.create_string_buffer(block)))
        return 1

    behind = Behind(CreateEnvironmentBlock=create, DestroyEnvironmentBlock=lambda place: behind.free(place) or 1)
    found = behind.api.userenv.CreateEnvironmentBlock(None)
    assert found == {"A": "1", "Path": "C:\\한글;C:\\😀", "=C:": "C:\\"}
    assert behind.allocated == {}


def test_the_prompt_for_an_administrator() -> None:
    def execute(place: int) -> int:
        asked = layouts.SHELLEXECUTEINFOW.from_address(place)
        words = [memory.text_at(part) for part in (asked.lpVerb, asked.lpFile, asked.lpParameters)]
        assert words == ["runas", "C:\\a b\\python.exe", "-I -m x"]
        assert (asked.cbSize, asked.nShow, asked.fMask & process.SEE_MASK_NOCLOSEPROCESS) == (112, 0, 0x40)
        behind.error = answer
        asked.hProcess = 0x55
        return int(not answer)

    behind, answer = Behind(ShellExecuteExW=execute, CloseHandle=lambda _: 1), 0
    with behind.api.shell32.ShellExecuteExW("C:\\a b\\python.exe", "-I -m x") as made:
        assert made.value == 0x55
    answer = 1223
    with pytest.raises(Win32Error, match=r"ERROR_CANCELLED \(1223\)") as caught:
        behind.api.shell32.ShellExecuteExW("C:\\a b\\python.exe", "-I -m x")
    assert "--tier token" in caught.value.hint


def test_texts_in_structures_end_where_they_should() -> None:
    with pytest.raises(CallError, match="zero in it"):
        memory.wide("a\0b")
    place = wide("한글 😀")
    assert memory.text_at(ctypes.addressof(place)) == "한글 😀"
    assert memory.text_at(None) == "" == memory.counted_text_at(None, 4)
    assert memory.sid_at(None) == b"" == memory.acl_at(None)
