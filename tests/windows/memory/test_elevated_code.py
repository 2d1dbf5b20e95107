"""What becomes an administrator at the prompt, on a Windows in memory: code that others can change never does."""

from __future__ import annotations

import ntpath
import os
import subprocess
import venv
from pathlib import Path

import pytest
from tests.windows.memory.people import set_up
from tests.windows.memory.windows import ANN, BOB, File, Windows

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.plan.windows_sids import account_names
from sidewall.platforms.windows import elevated, elevated_code, provision, setup

MINE = rf"O:{ANN}G:SYD:P(A;OICI;FA;;;{ANN})(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
SYSTEMS = "O:SYG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICIIO;GA;;;CO)"
ROOT = "O:SYG:SYD:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
OPEN = "O:SYG:SYD:AI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1301bf;;;AU)"
FOR_ALL, OWN = r"C:\Program Files\Python", r"C:\Users\ann\venv"


def windows(**files: str) -> Windows:
    """``python`` and ``module`` and their directories as one likes, the rest as Windows has it."""
    made = Windows()
    for path, sddl in {"C:\\": ROOT, r"C:\Program Files": SYSTEMS, r"C:\Users": SYSTEMS, FOR_ALL: SYSTEMS, OWN: MINE,
                       FOR_ALL + r"\python.exe": SYSTEMS, OWN + r"\module.py": MINE,
                       FOR_ALL + r"\module.py": SYSTEMS, **files}.items():
        made.files[path.upper()] = File(parse(sddl), b"" if ntpath.splitext(path)[1] else None)
    return made


def look(made: Windows, *paths: str) -> elevated_code.Changeable:
    return elevated_code.look(made.machine().api, ANN, paths)


def test_an_installation_for_all_users_needs_no_warning() -> None:
    found = look(windows(), FOR_ALL + r"\python.exe", FOR_ALL + r"\module.py")
    assert found == elevated_code.Changeable()
    elevated_code.check(found)
    assert elevated_code.warning(found) == ""


def test_code_in_the_profile_is_warned_of() -> None:
    found = look(windows(), FOR_ALL + r"\python.exe", OWN + r"\module.py")
    assert found.others == () and found.own
    elevated_code.check(found)
    assert "every program that runs as you" in elevated_code.warning(found)


@pytest.mark.parametrize("place", [FOR_ALL, FOR_ALL + r"\module.py", FOR_ALL + r"\python.exe"])
@pytest.mark.parametrize("sddl", [
    OPEN, SYSTEMS + "(A;;0x2;;;BU)", SYSTEMS + "(A;;WD;;;WD)", SYSTEMS + f"(A;;GW;;;{BOB})", SYSTEMS + "(A;;SD;;;IU)",
    SYSTEMS.replace("O:SY", f"O:{BOB}"), "O:SYG:SYD:NO_ACCESS_CONTROL",
])
def test_code_that_others_can_change_is_not_elevated(place: str, sddl: str) -> None:
    found = look(windows(**{place: sddl}), FOR_ALL + r"\python.exe", FOR_ALL + r"\module.py")
    assert place in [path for path, _ in found.others]
    with pytest.raises(MachineError, match="others than you can change") as caught:
        elevated_code.check(found)
    assert "icacls" in caught.value.hint and "elevated prompt" in caught.value.hint


@pytest.mark.parametrize(("mask", "so"), [("0x40", True), ("SD", True), ("WD", True), ("WO", True), ("0x2", False)])
def test_a_directory_above_from_which_it_can_be_exchanged(mask: str, so: bool) -> None:
    found = look(windows(**{r"C:\Program Files": SYSTEMS + f"(A;;{mask};;;AU)"}), FOR_ALL + r"\module.py")
    assert bool(found.others) is so


def test_a_workspace_that_a_sandbox_may_write_just_now() -> None:
    made = windows()
    set_up(made)
    group = made.groups[account_names(ANN)[0]][0]
    made.files[OWN.upper()].descriptor = parse(MINE + f"(A;OICI;0x1301bf;;;{group})")
    assert look(made, OWN + r"\module.py").others


def test_the_prompt_comes_after_the_look(monkeypatch: pytest.MonkeyPatch) -> None:
    made = windows()
    machine = made.machine()
    order: list[str] = []
    monkeypatch.setattr(elevated_code, "files", lambda: (OWN + r"\module.py",))
    monkeypatch.setattr(elevated, "run", lambda *values: order.append("prompt"))
    setup.elevation(machine, lambda text: order.append("warning"))(machine, "setup", lambda made: None)
    assert order == ["warning", "prompt"]
    made.files[OWN.upper()].descriptor = parse(OPEN)
    with pytest.raises(MachineError, match="others than you"):
        setup.elevation(machine, lambda text: order.append("warning"))(machine, "setup", lambda made: None)
    assert order == ["warning", "prompt"], "nobody was asked"


def test_everything_that_the_helper_runs_is_looked_at() -> None:
    import json
    import sys

    listed = elevated_code.files()
    assert json.__file__ in listed and elevated.__file__ in listed
    assert any(path.endswith("provision.py") for path in listed)
    assert (getattr(sys, "_base_executable", "") or sys.executable) in listed
    assert json.__spec__ is not None and json.__spec__.cached in listed, "what was compiled runs in its place"


def test_the_helper_starts_where_no_stranger_writes_and_without_other_packages() -> None:
    made = Windows()
    with pytest.raises(MachineError, match="ShellExecuteExW"):
        elevated.run(made.machine(), "setup", lambda made: None)
    (_program, parameters, directory), = made.prompts
    assert directory == r"C:\Windows\System32"
    assert parameters == f'-I -S -X utf8 "{os.path.abspath(elevated.__file__)}"'


def test_another_sidewall_among_the_packages_of_python_is_not_imported(tmp_path: Path) -> None:
    venv.EnvBuilder(symlinks=os.name != "nt").create(tmp_path)
    other = next(tmp_path.rglob("site-packages")) / "sidewall"
    other.mkdir()
    (other / "__init__.py").write_text("raise SystemExit(77)")
    python = tmp_path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    for flags, code in (("-I", 77), (elevated.FLAGS, elevated.REFUSED)):
        told = subprocess.run([python, *flags.split(), elevated.__file__, "an argument"], capture_output=True,
                              timeout=60)
        assert told.returncode == code, told


def test_nobody_else_takes_the_names_of_the_pipes() -> None:
    made = Windows()
    for name in (provision.LOCK_PIPE, elevated.PIPE.format(4711)):
        with pytest.raises(MachineError, match="ERROR_ACCESS_DENIED"):
            made.machine(BOB).api.kernel32.CreateNamedPipeW(name, 0, 0)
    with provision.lock(made.machine(elevated=True)):
        assert made.pipes == {provision.LOCK_PIPE}
