"""What set-up rests on, on a real Windows or on Wine: the registry, DPAPI, private files, the helper behind its pipe.

Knows: which of it Wine really does.  Must not know: accounts, filters and rights there: Wine only says that it makes
them, so nothing of that is asserted here (the Windows in memory tries them, and Windows itself).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.errors import MachineError
from sidewall.nt.sddl import parse
from sidewall.nt.sid import Sid
from sidewall.platforms.windows import (
    account_processes,
    accounts,
    credentials,
    elevated,
    exchange,
    hiding,
    ledger,
    logon,
    machine,
    private_file,
    status,
)
from sidewall.platforms.windows.constants_process import CREATE_SUSPENDED
from sidewall.platforms.windows.constants_security import (
    DACL_SECURITY_INFORMATION,
    PROTECTED_DACL_SECURITY_INFORMATION,
    SE_PRIVILEGE_ENABLED,
    SE_REGISTRY_KEY,
    TOKEN_QUERY,
)
from sidewall.platforms.windows.credentials import Credential, Unreadable
from sidewall.platforms.windows.errors import ApiError, Win32Error
from sidewall.platforms.windows.machine import Caller, Machine
from sidewall.platforms.windows.registry import NativeRegistry
from sidewall.platforms.windows.startup import StartInfo, environment_block

BASE = r"SOFTWARE\SidewallTest"
OTHER = Sid("S-1-5-21-1-2-3-1001")


PLAIN = (Credential(name="sidewall-x-off", sid=OTHER, password=credentials.password(), generation=1, changed=17),
         Credential(name="sidewall-x-on", sid=Sid("S-1-5-21-1-2-3-1002"), password='a"\\ %PATH%', generation=1,
                    changed=17))
"""As set-up makes them: of ASCII."""


@pytest.fixture
def registry() -> Iterator[NativeRegistry]:
    made = NativeRegistry()
    yield made
    for key in (BASE + r"\one\two", BASE + r"\one", BASE):
        made.delete_key(key)


@pytest.fixture
def here(tmp_path: object) -> tuple[Machine, Caller]:
    made = machine.native()
    home = str(tmp_path)
    os.makedirs(home + r"\AppData\Local")
    return made, made.caller().replace(home=home)


MADE = (Credential(name="sidewall-x-off", sid=OTHER, password="p" * 8 + "é\U0001f512", generation=3, changed=17),
        Credential(name="sidewall-x-on", sid=OTHER, password='"\\', generation=3, changed=17))


def test_values_of_the_registry(registry: NativeRegistry) -> None:
    assert registry.value(BASE, "x") is None and not registry.exists(BASE)
    assert registry.keys(BASE) == registry.values(BASE) == ()
    for value in (0, 7, "text é", b"\0\1"):
        registry.set_value(BASE + r"\one", "x", value)
        assert registry.value(BASE + r"\one", "x") == value
    registry.make_key(BASE + r"\one\two")
    assert registry.keys(BASE) == ("one",) and registry.keys(BASE + r"\one") == ("two",)
    assert registry.values(BASE + r"\one") == ("x",)
    with pytest.raises(Win32Error) as caught:
        registry.delete_key(BASE + r"\one")
    assert caught.value.name and "SidewallTest" in str(caught.value)
    registry.delete_value(BASE + r"\one", "x")
    registry.delete_value(BASE + r"\one", "x")
    assert registry.value(BASE + r"\one", "x") is None
    registry.delete_key(BASE + r"\one\two")
    registry.delete_key(BASE + r"\one\two")
    assert registry.keys(BASE + r"\one") == ()


def test_hiding_and_showing() -> None:
    registry = NativeRegistry()
    there = registry.exists(hiding.USER_LIST)
    hiding.hide(registry, "sidewall-test")
    assert hiding.hidden(registry, "sidewall-test") and hiding.listed(registry, "sidewall-") == ("sidewall-test",)
    hiding.show(registry, "sidewall-test")
    assert not hiding.hidden(registry, "sidewall-test")
    assert registry.exists(hiding.USER_LIST) == there


def test_the_ledger() -> None:
    made = machine.native()
    registry = made.registry
    try:
        ledger.open_for(made, OTHER)
        ledger.remember(registry, OTHER, Sid("S-1-5-21-1-2-3-1011"))
        ledger.remember(registry, OTHER, Sid("S-1-5-21-1-2-3-1012"))
        ledger.remember(registry, OTHER, Sid("S-1-5-21-1-2-3-1011"))
        assert ledger.made(registry, OTHER) == (Sid("S-1-5-21-1-2-3-1011"), Sid("S-1-5-21-1-2-3-1012"))
        assert ledger.users(registry) == (OTHER,) and ledger.believed(made, OTHER)
        ledger.forget(registry, OTHER, Sid("S-1-5-21-1-2-3-1011"))
        assert ledger.made(registry, OTHER) == (Sid("S-1-5-21-1-2-3-1012"),)
        ledger.open_waiting(made, OTHER)
        assert registry.keys(ledger.key_of(OTHER)) == ("Waiting",)
    finally:
        assert ledger.close(registry, OTHER)
    assert not registry.exists(ledger.BASE)


def test_a_note_that_its_user_may_write_is_made_anew() -> None:
    made = machine.native()
    registry = made.registry
    try:
        ledger.open_for(made, OTHER)
        ledger.remember(registry, OTHER, Sid("S-1-5-21-1-2-3-1011"))
        weak = parse(f"D:P(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;;0x2001b;;;{OTHER})").dacl
        assert weak is not None
        made.api.advapi32.SetNamedSecurityInfoW(
            f"MACHINE\\{ledger.key_of(OTHER)}", DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
            kind=SE_REGISTRY_KEY, dacl=weak.to_bytes())
        assert not ledger.believed(made, OTHER)
        ledger.open_for(made, OTHER)
        assert ledger.believed(made, OTHER) and ledger.made(registry, OTHER) == ()
    finally:
        ledger.close(registry, OTHER)


def test_whose_a_sid_is() -> None:
    api = machine.native().api
    assert accounts.holder(api, Sid("S-1-5-32-545")) is not None
    assert accounts.holder(api, Sid("S-1-5-21-1-2-3-54321")) is None


def test_credentials_are_kept_and_read_again(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    assert credentials.load(made, caller) == {}
    credentials.store(made, caller, MADE)
    assert credentials.load(made, caller) == {one.name: one for one in MADE}
    path = credentials.path_of(caller.home)
    with open(path, "rb") as file:
        stored = file.read()
    assert all(one.password.encode() not in stored for one in MADE)
    # Again, over the file that is there.
    credentials.store(made, caller, MADE[:1])
    assert list(credentials.load(made, caller)) == [MADE[0].name]
    names = private_file.names(made.api, caller.home + credentials.DIRECTORY)
    assert names == (credentials.FILE,)
    assert private_file.remove(made.api, path) and not private_file.remove(made.api, path)


def test_a_password_is_opened_for_a_moment_and_wiped(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    credentials.store(made, caller, PLAIN)
    known = credentials.known(made, caller)
    for one in PLAIN:
        stored = known[one.name]
        assert isinstance(stored, credentials.Stored)
        assert (stored.sid, stored.generation, stored.changed) == (one.sid, one.generation, one.changed)
        with credentials.unsealed(made, caller.user, stored) as secret:
            assert secret.wide.value == one.password
        assert set(secret.wide[:]) == {"\0"}


def test_a_password_that_is_none_is_named(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    found = credentials.entries(credentials.protected(made, caller.user, MADE))[MADE[0].name]
    assert isinstance(found, credentials.Stored)
    with pytest.raises(MachineError, match="no password"):
        credentials.unsealed(made, caller.user, found)


def test_a_refusal_is_noted_until_there_are_new_passwords(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    assert credentials.refusals(made, caller) == {}
    first = credentials.Refused(sid=PLAIN[0].sid, generation=1, code=1326, when=7)
    second = credentials.Refused(sid=PLAIN[1].sid, generation=1, code=1909, when=8)
    credentials.note_refusal(made, caller, first)
    credentials.note_refusal(made, caller, second)
    assert credentials.refusals(made, caller) == {first.sid: first, second.sid: second}
    credentials.store(made, caller, PLAIN)
    assert credentials.refusals(made, caller) == {}


def test_a_password_passes_as_it_is_and_a_failed_logon_does_not_tell_it(here: tuple[Machine, Caller]) -> None:
    """Wine has no secondary logon; what goes in goes through the real function all the same."""
    made, caller = here
    stored = credentials.entries(credentials.protected(made, caller.user, PLAIN))[PLAIN[0].name]
    assert isinstance(stored, credentials.Stored)
    info = StartInfo(command_line="cmd.exe", application=made.api.kernel32.GetSystemDirectoryW() + r"\cmd.exe",
                     environment=environment_block(logon.variables(made.api)), flags=CREATE_SUSPENDED)
    with credentials.unsealed(made, caller.user, stored) as secret:
        with pytest.raises(ApiError, match="CreateProcessWithLogonW") as caught:
            made.api.advapi32.CreateProcessWithLogonW("sidewall-nobody", ".", secret, info)
    assert PLAIN[0].password not in str(caught.value) and "(secret)" in str(caught.value)


def test_another_users_blob_and_a_changed_one_are_unreadable(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    data = credentials.protected(made, OTHER, MADE)
    assert credentials.opened(made, OTHER, data) == {one.name: one for one in MADE}
    assert all(isinstance(one, Unreadable) for one in credentials.opened(made, caller.user, data).values())
    told = json.loads(data)
    secret = told["accounts"][0]["secret"]
    told["accounts"][0]["secret"] = secret[:-9] + ("A" if secret[-9] != "A" else "B") + secret[-8:]
    found = credentials.opened(made, OTHER, json.dumps(told).encode())
    assert isinstance(found[MADE[0].name], Unreadable) and found[MADE[1].name] == MADE[1]
    assert all(one.password not in repr(found) for one in MADE)


def test_a_fleets_passwords_are_taken_once(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    try:
        credentials.leave(made, caller.user, MADE)
        assert credentials.take(made, caller)
        assert not credentials.take(made, caller)
        assert credentials.load(made, caller) == {one.name: one for one in MADE}
    finally:
        ledger.close(made.registry, caller.user)


def test_a_link_is_not_read(here: tuple[Machine, Caller]) -> None:
    made, caller = here
    other, path = caller.home + r"\other", caller.home + r"\name"
    with open(other, "wb") as file:
        file.write(b"x")
    os.link(other, path)
    with pytest.raises(MachineError, match="several names"):
        private_file.read(made.api, path)


def test_the_helper_and_its_parent_know_each_other() -> None:
    """The real helper, started by the system's own call, asked to remove what is not there."""
    made = machine.native()
    result = elevated.run(made, exchange.UNINSTALL, lambda credentials_: None)
    assert isinstance(result.done, tuple)
    # What is missing here is named with its call, and has not stopped the rest.
    assert all(":" in line for line in result.left)


def test_the_privilege_of_debuggers_and_back() -> None:
    api = machine.native().api
    luid = api.advapi32.LookupPrivilegeValueW(account_processes.DEBUG)

    def bits() -> int:
        with api.advapi32.OpenProcessToken(api.kernel32.GetCurrentProcess(), TOKEN_QUERY) as token:
            return dict(api.advapi32.TokenPrivileges(token))[luid] & SE_PRIVILEGE_ENABLED

    before = bits()
    with account_processes.debugging(api):
        assert bits() == SE_PRIVILEGE_ENABLED
    assert bits() == before
    assert not account_processes.end(api, OTHER), "nobody runs as that"


STRANGER = """
import sys, time
from sidewall.platforms.windows import api, elevated, exchange
from sidewall.platforms.windows.errors import ApiError
import sidewall.platforms.windows.constants_files as files
windows = api.native()
for _ in range(400):
    try:
        pipe = windows.kernel32.CreateFileW(elevated.PIPE.format(sys.argv[1]), elevated.TALK, 3, share=0,
                                            flags=files.FILE_FLAG_OVERLAPPED)
        break
    except ApiError as error:
        if error.code not in (2, 231): raise
        time.sleep(0.05)
try:
    print(exchange.ask(elevated.PipeChannel(windows, pipe, 30), "uninstall", None))
except Exception as error:
    print("refused", type(error).__name__)
    sys.exit(9)
"""


def test_the_helper_takes_no_arguments() -> None:
    script = os.path.abspath(elevated.__file__)
    told = subprocess.run([sys.executable, *elevated.FLAGS.split(), script, "S-1-5-32-544"],
                          capture_output=True, timeout=90)
    assert told.returncode == elevated.REFUSED


def test_the_helper_serves_no_stranger() -> None:
    """Another process than the one that started the helper asks it."""
    windows = machine.native().api
    script = os.path.abspath(elevated.__file__)
    with windows.shell32.ShellExecuteExW(sys.executable, f'{elevated.FLAGS} "{script}"') as helper:
        number = windows.kernel32.GetProcessId(helper)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        done = subprocess.run([sys.executable, "-c", STRANGER, str(number)], env=environment, capture_output=True,
                              text=True, timeout=90)
        assert done.returncode == 9 and done.stdout.startswith("refused"), done
        assert windows.kernel32.WaitForSingleObject(helper, 60_000) == 0
        assert windows.kernel32.GetExitCodeProcess(helper) == elevated.REFUSED


def test_status_looks_everywhere() -> None:
    found = status.look(machine.native())
    assert not [one for one in found.traces if one.kind in ("account", "group", "registry", "hidden")]
    assert all(": " in line for line in found.unseen)


@pytest.mark.parametrize("words", [["status", "--json"], ["setup", "--help"], ["uninstall", "--help"]])
def test_the_command_line(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", "sidewall", *words], capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done
    if words[0] == "status":
        assert json.loads(done.stdout)["schema"] == 1
