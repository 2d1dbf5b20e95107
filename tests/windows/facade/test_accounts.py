"""Accounts, groups and rights: what arrives at the network management functions and the security authority.

Knows: structures as Windows sees them.  Must not know: which accounts there are to be.
"""

from __future__ import annotations

import ctypes
from typing import Any

import pytest

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import layouts_accounts as layouts
from sidewall.platforms.windows import layouts_security as security
from sidewall.platforms.windows import memory
from sidewall.platforms.windows.errors import NetError, StatusError
from sidewall.platforms.windows.handles import Handle
from sidewall.platforms.windows.netapi32 import PasswordPolicy, User

from .behind import Behind, put, text, wide

ALICE, BOB = Sid("S-1-5-21-1-2-3-1004").to_bytes(), Sid("S-1-5-21-1-2-3-1005").to_bytes()
POLICY = 0x77


class Machine(Behind):
    """Accounts and groups in memory; lists come in parts of two, so that they must be asked for again."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {}
        self.groups: dict[str, list[bytes]] = {}
        self.rights: dict[bytes, set[str]] = {}
        self.passwords: list[int] = []
        super().__init__(
            NetUserAdd=self.user_add, NetUserGetInfo=self.user_get, NetUserEnum=self.user_enum,
            NetUserSetInfo=self.user_set, NetLocalGroupAdd=self.group_add, NetLocalGroupAddMembers=self.member_add,
            NetLocalGroupGetMembers=self.member_list, NetUserModalsGet=self.modals, NetApiBufferFree=self.free,
            LsaOpenPolicy=self.policy, LsaClose=lambda policy: 0, LsaAddAccountRights=self.right_add,
            LsaRemoveAccountRights=self.right_remove, LsaEnumerateAccountRights=self.right_list,
            LsaEnumerateAccountsWithUserRight=self.right_holders, LsaFreeMemory=self.free,
        )  # fmt: skip

    def answer(self, place: int, memory_: Any, *kept: Any) -> None:
        address = self.hand_out(memory_)
        self.allocated[address] = (memory_, kept)
        put(place, ctypes.c_void_p, address)

    def user_add(self, server: int, level: int, place: int, wrong: int) -> int:
        assert (server, level) == (None, 1)
        given = layouts.USER_INFO_1.from_address(place)
        name = memory.text_at(given.usri1_name)
        if name in self.users:
            return 2224
        self.passwords.append(given.usri1_password)
        self.users[name] = {"password": memory.text_at(given.usri1_password), "flags": given.usri1_flags,
                            "comment": memory.text_at(given.usri1_comment), "priv": given.usri1_priv}
        return 0

    def user_get(self, server: int, name: int, level: int, place: int) -> int:
        assert level == 4
        user = self.users.get(text(name) or "")
        if user is None:
            return 2221
        texts = [wide(text(name) or ""), wide(user["comment"]), ctypes.create_string_buffer(ALICE)]
        found = layouts.USER_INFO_4(usri4_flags=user["flags"], usri4_bad_pw_count=3, usri4_password_expired=1)
        found.usri4_name, found.usri4_comment, found.usri4_user_sid = [ctypes.addressof(one) for one in texts]
        self.answer(place, found, texts)
        return 0

    def user_set(self, server: int, name: int, level: int, place: int, wrong: int) -> int:
        user = self.users[text(name) or ""]
        if level == 1003:
            self.passwords.append(layouts.USER_INFO_1003.from_address(place).usri1003_password)
            user["password"] = memory.text_at(self.passwords[-1])
        elif level == 1007:
            user["comment"] = memory.text_at(layouts.USER_INFO_1007.from_address(place).usri1007_comment)
        else:
            assert level == 1008
            user["flags"] = layouts.USER_INFO_1008.from_address(place).usri1008_flags
        return 0

    def user_enum(self, server: int, level: int, kinds: int, place: int, most: int, count: int, total: int,
                  resume: int) -> int:
        assert (level, kinds) == (1, 2)
        start = ctypes.c_uint32.from_address(resume).value
        names = list(self.users)[start : start + 2]
        array, texts = (layouts.USER_INFO_1 * 2)(), []
        for entry, name in zip(array, names, strict=False):
            texts.append(wide(name))
            entry.usri1_name, entry.usri1_flags = ctypes.addressof(texts[-1]), self.users[name]["flags"]
        self.answer(place, array, texts)
        put(count, ctypes.c_uint32, len(names))
        put(resume, ctypes.c_uint32, start + 2)
        return 234 if start + 2 < len(self.users) else 0

    def group_add(self, server: int, level: int, place: int, wrong: int) -> int:
        name = memory.text_at(layouts.LOCALGROUP_INFO_1.from_address(place).lgrpi1_name)
        self.groups[name] = []
        return 0

    def member_add(self, server: int, name: int, level: int, place: int, count: int) -> int:
        assert level == 0
        listed = memory.items(layouts.LOCALGROUP_MEMBERS_INFO_0, place, count)
        self.groups[text(name) or ""] += [memory.sid_at(entry.lgrmi0_sid) for entry in listed]
        return 0

    def member_list(self, server: int, name: int, level: int, place: int, most: int, count: int, total: int,
                    resume: int) -> int:
        members = self.groups.get(text(name) or "")
        if members is None:
            return 2220
        start = ctypes.c_size_t.from_address(resume).value
        part = [ctypes.create_string_buffer(sid) for sid in members[start : start + 2]]
        array = (layouts.LOCALGROUP_MEMBERS_INFO_0 * 2)(*[(ctypes.addressof(sid),) for sid in part])
        self.answer(place, array, part)
        put(count, ctypes.c_uint32, len(part))
        put(resume, ctypes.c_size_t, start + 2)
        return 234 if start + 2 < len(members) else 0

    def modals(self, server: int, level: int, place: int) -> int:
        self.answer(place, layouts.USER_MODALS_INFO_0(14, 86400) if level == 0 else
                    layouts.USER_MODALS_INFO_3(1800, 900, 10))
        return 0

    def policy(self, system: int, attributes: int, access: int, place: int) -> int:
        assert security.LSA_OBJECT_ATTRIBUTES.from_address(attributes).Length == 48
        put(place, ctypes.c_void_p, POLICY)
        return 0

    def names(self, place: int, count: int) -> set[str]:
        listed = memory.items(security.LSA_UNICODE_STRING, place, count)
        assert all(entry.MaximumLength == entry.Length + 2 for entry in listed)
        return {memory.counted_text_at(entry.Buffer, entry.Length) for entry in listed}

    def right_add(self, policy: int, sid: int, place: int, count: int) -> int:
        assert policy == POLICY
        self.rights.setdefault(memory.sid_at(sid), set()).update(self.names(place, count))
        return 0

    def right_remove(self, policy: int, sid: int, every: int, place: int, count: int) -> int:
        held = self.rights.get(memory.sid_at(sid))
        if held is None:
            return 0xC0000034 - 2**32
        held.difference_update(held.copy() if every else self.names(place, count))
        if not held:
            del self.rights[memory.sid_at(sid)]
        return 0

    def right_list(self, policy: int, sid: int, place: int, count: int) -> int:
        held = sorted(self.rights.get(memory.sid_at(sid), ()))
        if not held:
            return 0xC0000034 - 2**32
        texts = [wide(name) for name in held]
        array = (security.LSA_UNICODE_STRING * len(held))()
        for entry, own, name in zip(array, texts, held, strict=True):
            entry.Length, entry.Buffer = 2 * len(name), ctypes.addressof(own)
        self.answer(place, array, texts)
        put(count, ctypes.c_uint32, len(held))
        return 0

    def right_holders(self, policy: int, right: int, place: int, count: int) -> int:
        (name,) = self.names(right, 1)
        sids = [ctypes.create_string_buffer(sid) for sid, held in self.rights.items() if name in held]
        if not sids:
            return 0x8000001A - 2**32
        array = (security.LSA_ENUMERATION_INFORMATION * len(sids))(*[(ctypes.addressof(sid),) for sid in sids])
        self.answer(place, array, sids)
        put(count, ctypes.c_uint32, len(sids))
        return 0


def test_an_account_is_made_read_and_changed() -> None:
    machine = Machine()
    net = machine.api.netapi32
    net.NetUserAdd("swbx-한글", "Aa1!" + "x" * 20, comment="Sidewall's", flags=0x10201)
    assert machine.users["swbx-한글"] == {"password": "Aa1!" + "x" * 20, "flags": 0x10201, "comment": "Sidewall's",
                                        "priv": 1}
    net.SetUserFlags("swbx-한글", 0x203)
    net.SetUserComment("swbx-한글", "mine")
    net.SetUserPassword("swbx-한글", "Bb2?")
    assert machine.users["swbx-한글"]["password"] == "Bb2?"
    assert net.NetUserGetInfo("swbx-한글") == User(
        name="swbx-한글", sid=ALICE, full_name="", comment="mine", flags=0x203, password_age=0, password_expired=True,
        bad_passwords=3, expires=0)
    assert machine.allocated == {}


def test_a_failure_names_the_account_and_not_its_password() -> None:
    machine = Machine()
    net = machine.api.netapi32
    net.NetUserAdd("swbx", "hunter2hunter2")
    with pytest.raises(NetError, match=r"NERR_UserExists .*\[name 'swbx'\]") as caught:
        net.NetUserAdd("swbx", "hunter2hunter2")
    assert "hunter2" not in str(caught.value) + repr(vars(caught.value))
    with pytest.raises(NetError, match="NERR_UserNotFound"):
        net.NetUserGetInfo("other")


def test_a_list_is_read_to_its_end_and_every_part_freed() -> None:
    machine = Machine()
    net = machine.api.netapi32
    for index in range(5):
        net.NetUserAdd(f"user{index}", "p", flags=index)
    assert net.NetUserEnum() == tuple((f"user{index}", "", index) for index in range(5))
    assert machine.calls.count("NetUserEnum") == 3
    net.NetLocalGroupAdd("group", comment="c")
    net.NetLocalGroupAddMembers("group", [ALICE, BOB, ALICE])
    assert net.NetLocalGroupGetMembers("group") == (ALICE, BOB, ALICE)
    with pytest.raises(NetError, match="NERR_GroupNotFound"):
        net.NetLocalGroupGetMembers("none")
    assert net.NetUserModalsGet() == PasswordPolicy(minimum_length=14, maximum_age=86400, lockout_threshold=10,
                                                    lockout_seconds=1800)
    assert machine.allocated == {}


def test_rights_are_given_listed_and_taken() -> None:
    machine = Machine()
    rights = machine.api.advapi32
    denied = ["SeDenyNetworkLogonRight", "SeDenyBatchLogonRight", "SeDenyServiceLogonRight"]
    with rights.LsaOpenPolicy(0x811) as policy:
        assert rights.LsaEnumerateAccountRights(policy, ALICE) == ()
        rights.LsaRemoveAccountRights(policy, ALICE, ["SeDenyBatchLogonRight"])  # one without rights is no error
        rights.LsaAddAccountRights(policy, ALICE, denied)
        rights.LsaAddAccountRights(policy, BOB, denied[:1])
        assert rights.LsaEnumerateAccountRights(policy, ALICE) == tuple(sorted(denied))
        assert rights.LsaEnumerateAccountsWithUserRight(policy, denied[0]) == (ALICE, BOB)
        assert rights.LsaEnumerateAccountsWithUserRight(policy, "SeTcbPrivilege") == ()
        rights.LsaRemoveAccountRights(policy, ALICE, denied[:2])
        assert rights.LsaEnumerateAccountRights(policy, ALICE) == (denied[2],)
        rights.LsaRemoveAccountRights(policy, ALICE, [], every=True)
        assert machine.rights == {BOB: {denied[0]}}
    assert machine.allocated == {}


def test_an_authority_that_refuses_is_an_error() -> None:
    machine = Machine()
    machine.functions["LsaEnumerateAccountRights"] = lambda *_: 0xC0000022 - 2**32
    with Handle(POLICY, lambda _: None, "policy") as policy:
        with pytest.raises(StatusError, match="STATUS_ACCESS_DENIED") as caught:
            machine.api.advapi32.LsaEnumerateAccountRights(policy, ALICE)
    assert "account sid S-1-5-21-1-2-3-1004" in str(caught.value)
