"""Tokens from JSON: every field arrives, and what is wrong is named.

Knows: the object that vectors and worlds hold.  Must not know: access checks.
"""

from __future__ import annotations

from typing import Any

import pytest

from sidewall.nt.errors import TokenError
from sidewall.nt.token import MEDIUM, Group, Token

FULL: dict[str, Any] = {
    "user": "S-1-5-21-1-2-3-1001",
    "groups": [["S-1-1-0", "enabled"], ["S-1-5-32-544", "deny_only"], ["S-1-5-32-545", "disabled"], ["S-1-5-4", 12]],
    "restricted": ["S-1-5-12"],
    "write_restricted": True,
    "privileges": ["SeBackupPrivilege"],
    "integrity": 4096,
    "user_deny_only": True,
    "no_write_up": False,
    "package": "S-1-15-2-1-2-3-4-5-6-7",
    "capabilities": ["S-1-15-3-1"],
    "lpac": True,
    "owner": "S-1-5-32-544",
    "primary_group": "S-1-5-32-545",
}


def test_every_field_arrives() -> None:
    token = Token.from_json(FULL)
    assert token.user == "S-1-5-21-1-2-3-1001"
    assert [(group.sid, group.enabled, group.deny_only) for group in token.groups] == [
        ("S-1-1-0", True, False),
        ("S-1-5-32-544", False, True),
        ("S-1-5-32-545", False, False),
        ("S-1-5-4", True, False),
    ]
    assert token.groups[3] == Group(sid=token.groups[3].sid, attributes=12)
    assert token.restricting == ("S-1-5-12",)
    assert (token.write_restricted, token.user_deny_only, token.no_write_up, token.lpac) == (True, True, False, True)
    assert (token.privileges, token.integrity) == (frozenset({"SeBackupPrivilege"}), 4096)
    assert (token.owner, token.primary_group) == ("S-1-5-32-544", "S-1-5-32-545")
    assert (token.package, token.capabilities) == ("S-1-15-2-1-2-3-4-5-6-7", ("S-1-15-3-1",))


def test_what_is_left_out_is_ordinary() -> None:
    token = Token.from_json({"user": "S-1-5-18"})
    assert token == Token(user=token.user)
    assert (token.restricting, token.integrity, token.no_write_up, token.package) == (None, MEDIUM, True, None)


def test_restricted_to_nothing_is_not_unrestricted() -> None:
    assert Token.from_json({"user": "S-1-5-18", "restricted": []}).restricting == ()
    assert Token.from_json({"user": "S-1-5-18", "restricted": None}).restricting is None


@pytest.mark.parametrize(("key", "value"), [
    ("user", None), ("user", 5), ("user", "nobody"), ("users", []), ("groups", "S-1-1-0"), ("groups", ["S-1-1-0"]),
    ("groups", [["S-1-1-0"]]), ("groups", [["S-1-1-0", "enabled", 1]]), ("groups", [["x", "enabled"]]),
    ("groups", [["S-1-1-0", "ENABLED"]]), ("groups", [["S-1-1-0", True]]), ("groups", [["S-1-1-0", -1]]),
    ("groups", [["S-1-1-0", 1 << 32]]), ("groups", [["S-1-1-0", []]]), ("groups", [[None, "enabled"]]), ("groups", {}),
    ("restricted", "S-1-5-12"), ("restricted", [None]), ("restricted", ["x"]), ("restricted", False),
    ("write_restricted", 1), ("write_restricted", "false"), ("write_restricted", None), ("user_deny_only", []),
    ("no_write_up", "no"), ("lpac", 0), ("privileges", "SeBackupPrivilege"), ("privileges", [1]), ("integrity", "low"),
    ("integrity", True), ("integrity", -1), ("integrity", 1.5), ("integrity", None), ("package", ""), ("package", []),
    ("capabilities", [1]), ("owner", "x"), ("primary_group", 7),
])
def test_what_is_wrong_is_named(key: str, value: Any) -> None:
    with pytest.raises(TokenError) as caught:
        Token.from_json({**FULL, key: value})
    assert caught.value.hint
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("given", [None, [], "S-1-5-18", 5])
def test_what_is_no_object_is_refused(given: Any) -> None:
    with pytest.raises(TokenError):
        Token.from_json(given)
