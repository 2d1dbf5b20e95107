"""The machine's configuration on a Windows in memory: obeyed when only administrators can have written it."""

from __future__ import annotations

import pytest
from tests.windows.memory.windows import ANN, BOB, File, Windows

from sidewall.errors import ConfigError
from sidewall.nt import wellknown as known
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import machine_config

PATH = r"C:\ProgramData\sidewall\config.toml"
DIRECTORY = r"C:\ProgramData\sidewall"
TEXT = b'profile = ":read-only"\n'
ROOT_SDDL = (f"O:{known.TRUSTED_INSTALLER}G:SYD:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
             "(A;OICI;0x1200a9;;;BU)")
DATA_SDDL = ("O:SYG:SYD:PAI(A;OICIIO;GA;;;CO)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
             "(A;CI;DCLCRPCR;;;BU)")
OURS = "O:BAG:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
GOOD = {"C:\\": ROOT_SDDL, r"C:\ProgramData": DATA_SDDL, DIRECTORY: OURS, PATH: OURS.replace("OICI", "")}
"""As Windows has them, and as the remedy makes the last two."""


def windows(**changes: str) -> Windows:
    made = Windows()
    for path, sddl in {**GOOD, **{PATHS[name]: text for name, text in changes.items()}}.items():
        made.files[path.upper()] = File(parse(sddl), TEXT if path == PATH else None)
    return made


PATHS = {"root": "C:\\", "data": r"C:\ProgramData", "directory": DIRECTORY, "file": PATH}


def read(made: Windows, user: Sid = ANN) -> bytes | None:
    return machine_config.read(made.machine(user).api, PATH)


def refused(made: Windows) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(made)
    assert caught.value.file == PATH and PATH in str(caught.value)
    assert caught.value.hint
    assert not any(file.opens for file in made.files.values())
    return caught.value


def test_an_administrators_file_is_read_by_everybody() -> None:
    for user in (ANN, BOB):
        assert read(windows(), user) == TEXT
    made = windows()
    read(made)
    assert not any(file.opens for file in made.files.values())


@pytest.mark.parametrize("owner", ["SY", "BA", str(known.TRUSTED_INSTALLER)])
def test_whom_it_may_belong_to(owner: str) -> None:
    assert read(windows(file=f"O:{owner}G:SYD:P(A;;FA;;;BA)(A;;FR;;;BU)")) == TEXT


@pytest.mark.parametrize("place", ["file", "directory", "data"])
def test_a_file_of_anybody_else_is_not_obeyed(place: str) -> None:
    sddl = GOOD[PATHS[place]]
    told = refused(windows(**{place: f"O:{BOB}G:SY" + sddl[sddl.index("D:"):]}))
    assert "bob" in str(told) and "belongs to" in str(told)
    assert "icacls" in told.hint and DIRECTORY in told.hint and "/setowner" in told.hint


@pytest.mark.parametrize("mask", ["0x2", "0x4", "0x10", "0x100", "0x10000", "0x40000", "0x80000", "GW", "GA", "FA"])
@pytest.mark.parametrize("place", ["file", "directory"])
@pytest.mark.parametrize("who", ["WD", "BU", "AU", "IU", str(BOB), str(ANN)])
def test_a_file_that_others_can_change_is_not_obeyed(place: str, mask: str, who: str) -> None:
    told = refused(windows(**{place: GOOD[PATHS[place]] + f"(A;;{mask};;;{who})"}))
    assert "can be changed by" in str(told)


@pytest.mark.parametrize("place", ["root", "data"])
@pytest.mark.parametrize(("mask", "so"), [("0x40", True), ("0x40000", True), ("0x80000", True), ("0x2", False),
                                          ("0x4", False), ("0x100", False)])
def test_a_directory_above_from_which_it_can_be_exchanged(place: str, mask: str, so: bool) -> None:
    made = windows(**{place: GOOD[PATHS[place]] + f"(A;;{mask};;;AU)"})
    if so:
        assert PATHS[place] in str(refused(made))
    else:
        assert read(made) == TEXT


def test_what_is_for_what_will_be_made_below_does_not_count() -> None:
    assert read(windows(directory=OURS + "(A;OICIIO;FA;;;BU)")) == TEXT


def test_what_denies_is_not_relied_on() -> None:
    refused(windows(file="O:BAG:SYD:P(D;;FA;;;BU)(A;;FA;;;BU)(A;;FR;;;WD)"))


@pytest.mark.parametrize("kind", ["XA", "OA"])
def test_conditions_and_objects_are_no_excuse(kind: str) -> None:
    sddl = {"XA": '(XA;;FA;;;BU;(Member_of{SID(BA)}))', "OA": "(OA;;FA;00000000-0000-0000-0000-000000000001;;BU)"}
    refused(windows(file="O:BAG:SYD:P(A;;FR;;;BU)" + sddl[kind]))


def test_without_an_access_list_everybody_may_write() -> None:
    assert "no access list" in str(refused(windows(directory="O:BAG:SYD:NO_ACCESS_CONTROL")))


@pytest.mark.parametrize("place", ["data", "directory", "file"])
def test_a_link_on_the_way_is_not_followed(place: str) -> None:
    made = windows()
    made.files[PATHS[place].upper()].attributes |= 0x400
    assert "link" in str(refused(made))


@pytest.mark.parametrize("place", ["directory", "file"])
def test_without_a_file_there_is_none(place: str) -> None:
    made = windows()
    del made.files[PATH.upper()]
    if place == "directory":
        del made.files[DIRECTORY.upper()]
    assert read(made) is None


def test_a_directory_in_its_place() -> None:
    made = windows()
    made.files[PATH.upper()] = File(parse(OURS), None)
    assert "directory" in str(refused(made))


def test_a_file_without_end() -> None:
    made = windows()
    made.files[PATH.upper()].data = b"#" * (machine_config.MOST_BYTES + 1)
    assert "longer" in str(refused(made))


def test_a_file_that_this_user_may_not_read() -> None:
    assert "ERROR_ACCESS_DENIED" in str(refused(windows(file="O:BAG:SYD:P(A;;FA;;;BA)")))


def test_no_name_on_the_way_can_be_exchanged_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    made = windows()
    api = made.machine().api
    seen = []
    kernel = api.kernel32._facade  # type: ignore[attr-defined]
    reading = kernel.ReadFile

    def look(handle: object, size: int) -> bytes:
        seen.append([bool(made.files[path.upper()].opens) and
                     all(not share & 4 for _, share in made.files[path.upper()].opens) for path in PATHS.values()])
        data: bytes = reading(handle, size)
        return data

    monkeypatch.setattr(kernel, "ReadFile", look)
    assert machine_config.read(api, PATH) == TEXT
    assert seen and all(all(one) for one in seen)


def test_its_place_is_the_registrys_and_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROGRAMDATA", r"D:\workspace")
    made = Windows()
    registry = made.machine().registry
    assert machine_config.place(registry, r"E:\Windows") == r"E:\ProgramData\sidewall\config.toml"
    made.keys[machine_config.PROFILES.upper()]["ProgramData"] = r"%SystemDrive%\Data"
    assert machine_config.place(registry, r"E:\Windows") == r"E:\Data\sidewall\config.toml"
    made.keys[machine_config.PROFILES.upper()]["ProgramData"] = "F:\\Shared\\"
    assert machine_config.place(registry, r"E:\Windows") == r"F:\Shared\sidewall\config.toml"
