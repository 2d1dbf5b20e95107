"""The public face: names, where they say they live, how errors travel, what importing costs.

Knows: the package's names.  Must not know: cells.
"""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys

import pytest

import sidewall
from sidewall import AccessDenied, CalledProcessError, Completed, Denial, TimeoutExpired
from sidewall.policy.model import Decision

DENIAL = Denial(kind="path", action="write", target="/etc/x", rule="default", source="built-in",
                reason="/etc/x cannot be written: no rule allows it", suggestion="--write /etc")
DONE = Completed(["make"], 2, b"out", b"err", denials=(DENIAL,), duration=1.5, session_id="s")


@pytest.mark.parametrize("error", [
    CalledProcessError(DONE), TimeoutExpired(["sleep", "9"], 1.5, b"out", b"err", completed=DONE),
    TimeoutExpired("x", 2.0),
    AccessDenied("read", "/x", Decision(allowed=False, reason="cannot be read"), "/x cannot be read", hint="h"),
    sidewall.UsageError("wrong", hint="do right"), sidewall.ConfigError("bad", file="f", key="k", hint="h"),
    sidewall.GuaranteeError("no", guarantees=("limits",), hint="h"), sidewall.CellGone("gone"),
    sidewall.SystemCallError("failed", step="s", call="mount", target="/x", errno=1, hint="h"),
], ids=lambda error: type(error).__name__)
def test_errors_travel_between_processes(error: sidewall.SidewallError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error) and str(copy) == str(error) and copy.hint == error.hint
    assert copy.exit_code == error.exit_code
    for name in ("cmd", "returncode", "output", "stdout", "stderr", "timeout", "filename", "errno", "decision", "file",
                 "key", "guarantees", "call"):
        assert getattr(copy, name, None) == getattr(error, name, None)


def test_errors_are_those_of_subprocess_too() -> None:
    with pytest.raises(subprocess.CalledProcessError) as wrong:
        DONE.check_returncode()
    error = wrong.value
    assert isinstance(error, sidewall.SidewallError) and isinstance(error, subprocess.SubprocessError)
    assert (error.returncode, error.cmd, error.output) == (2, ["make"], b"out")
    assert (error.stdout, error.stderr) == (b"out", b"err")
    assert str(error) == ("Command '['make']' returned non-zero exit status 2. "
                          "/etc/x cannot be written: no rule allows it.")
    assert error.hint == "--write /etc"
    late = TimeoutExpired(["x"], 3, "out")
    assert isinstance(late, subprocess.TimeoutExpired) and (late.stdout, late.timeout) == ("out", 3)
    assert str(late) == "Command '['x']' timed out after 3 seconds"


def test_a_result_says_what_it_is() -> None:
    assert "denials=" in repr(DONE) and repr(DONE).startswith("Completed(args=['make'], returncode=2")
    assert "timed_out=True" in repr(Completed(["x"], -9, timed_out=True))


def test_every_public_name_says_that_it_is() -> None:
    for name in sidewall.__all__:
        value = getattr(sidewall, name)
        if inspect.isclass(value) and value.__module__.startswith("sidewall.session"):
            pytest.fail(f"{name} says it lives in {value.__module__}")
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, name
    assert set(sidewall.__all__) <= set(dir(sidewall))
    with pytest.raises(AttributeError):
        sidewall.no_such_name  # noqa: B018


def test_public_methods_are_documented() -> None:
    for value in (sidewall.Sandbox, sidewall.AsyncSandbox, sidewall.Process, sidewall.AsyncProcess, sidewall.Popen):
        for name, member in inspect.getmembers(value):
            if not name.startswith("_") and callable(member):
                assert inspect.getdoc(member), f"{value.__name__}.{name}"


def test_the_numbers_are_those_of_subprocess() -> None:
    theirs = (subprocess.PIPE, subprocess.STDOUT, subprocess.DEVNULL)
    assert theirs == (sidewall.PIPE, sidewall.STDOUT, sidewall.DEVNULL)


@pytest.mark.parametrize(("names", "absent"), [
    ("Policy, Limits, SidewallError", ("subprocess", "asyncio", "threading", "re")),
    ("Sandbox, Completed", ("asyncio", "dataclasses", "json", "msgspec", "pathlib", "ctypes")),
])
def test_names_bring_their_own_modules_only(names: str, absent: tuple[str, ...]) -> None:
    code = (f"import sys; sys.path[:0] = {sys.path!r}; before = set(sys.modules); from sidewall import {names}; "
            "print(*set(sys.modules) - before)")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60,
                          check=True)
    assert not set(done.stdout.split()) & set(absent)
