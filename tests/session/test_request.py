"""From a sandbox's arguments to its policy.

Knows: which arguments go together.  Must not know: cells; how layers are merged.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import sidewall
from sidewall import Limits, Sandbox
from sidewall.policy.decide import decide
from sidewall.policy.model import GUARANTEES, Request


def allowed(sandbox: Sandbox, action: str, path: Path) -> bool:
    return decide(sandbox.policy, Request(action=action, target=str(path))).allowed


def test_no_arguments_are_the_present_directory(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workspace)
    sandbox = Sandbox()
    monkeypatch.chdir("/")
    assert sandbox.policy.workspace == str(workspace.resolve())
    assert allowed(sandbox, "write", workspace / "x") and not allowed(sandbox, "write", workspace.parent / "x")
    assert sandbox.policy == Sandbox(workspace=workspace).policy


def test_paths_count_from_where_the_call_is_made(workspace: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("w", "d"):
        (place / name).mkdir()
    monkeypatch.chdir(place)
    sandbox = Sandbox(workspace="workspace", write=["w"], deny=[Path("d")], read="w/inner")
    monkeypatch.chdir("/")
    assert allowed(sandbox, "write", place / "w/x") and not allowed(sandbox, "write", place / "w/inner")
    assert not allowed(sandbox, "read", place / "d/x")


def test_a_profile_by_name_or_as_the_policy(workspace: Path) -> None:
    one, other = Sandbox(":read-only", workspace=workspace), Sandbox(profile=":read-only", workspace=workspace)
    assert one.policy == other.policy and not allowed(one, "write", workspace / "x")


def test_a_policy_file(workspace: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "rules.toml").write_text(f'schema = 1\n[files]\ndeny = ["{place}/d"]\n')
    monkeypatch.chdir(place)
    for path in ("rules.toml", place / "rules.toml"):
        assert not allowed(Sandbox(path, workspace=workspace), "read", place / "d")
    (place / "wrong.toml").write_text("schema = 1\nno-such-key = 1\n")
    sandbox = Sandbox("wrong.toml", workspace=workspace)
    with pytest.raises(sidewall.ConfigError) as caught:
        sandbox.run(["true"])
    assert "no-such-key" in str(caught.value) and caught.value.hint


def test_what_is_set_on_top(workspace: Path) -> None:
    base = Sandbox(workspace=workspace, environ={"A": "1", "B": "2"}, limits=Limits(wall_seconds=5), require=["limits"])
    assert dict(base.policy.environ.set)["A"] == "1"
    assert base.policy.limits == Limits(wall_seconds=5) and base.policy.require == ("limits",)
    again = Sandbox(base.policy, environ={"A": "3"}, require=())
    assert dict(again.policy.environ.set) == {**dict(base.policy.environ.set), "A": "3"}
    assert Sandbox(base.policy, require="none").policy.require == ()
    assert set(Sandbox(workspace=workspace, require="all").policy.require) == set(GUARANTEES)
    assert again.policy.require == () and again.policy.limits == base.policy.limits
    assert Sandbox(workspace=workspace, network="on").policy.network.mode == "on"


def test_arguments_that_do_not_go_together(workspace: Path) -> None:
    policy = Sandbox(workspace=workspace).policy
    for wrong in ({"write": ["/x"]}, {"profile": ":read-only"}, {"workspace": "/"}, {"network": "on"}, {"deny": "x"}):
        with pytest.raises(sidewall.UsageError):
            Sandbox(policy, **wrong)
    with pytest.raises(sidewall.UsageError):
        Sandbox(":workspace", profile=":read-only")


@pytest.mark.parametrize("wrong", [{"workspace": "/no/such/directory"}, {"profile": ":no-such"}, {"network": "perhaps"},
                                   {"require": ["no-such-guarantee"]}, {"workspace": "/etc/passwd"},
                                   {"policy": "/no/such.toml"}], ids=str)
def test_wrong_arguments_say_so_at_first_use(wrong: dict[str, str], workspace: Path) -> None:
    sandbox = Sandbox(**{"workspace": workspace, **wrong})
    with pytest.raises(sidewall.SidewallError) as caught:
        sandbox.run(["true"])
    assert str(caught.value)


def test_a_present_directory_that_is_gone(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "gone").mkdir()
    monkeypatch.chdir(place / "gone")
    os.rmdir(place / "gone")
    sandbox = Sandbox()
    with pytest.raises(sidewall.MachineError) as caught:
        sandbox.run(["true"])
    assert caught.value.hint
    monkeypatch.chdir("/")
