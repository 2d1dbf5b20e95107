"""The private copy of this Python, for real: it starts, imports what the runner imports, and opens nothing elsewhere.

Wine keeps no access lists of files, so these are left out of what is compared here; a Windows in memory has them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sidewall.nt.sid import Sid
from sidewall.platforms.windows import machine, private_file, runtime, runtime_files, runtime_removal
from sidewall.platforms.windows.machine import Caller, Machine

GROUP = Sid("S-1-5-21-1-2-3-1900")
TELL = """import sys
import ctypes
for name in sys.argv[3:]:
    __import__(name)
def place(name):
    text = ctypes.create_unicode_buffer(600)
    handle = ctypes.windll.kernel32.GetModuleHandleW
    handle.restype = ctypes.c_void_p
    ctypes.windll.kernel32.GetModuleFileNameW(ctypes.c_void_p(handle(name)), text, 600)
    return text.value
loaded = [place(name) for name in sys.argv[2].split()]
with open(sys.argv[1], "w", encoding="utf-8") as file:
    print(repr((loaded, sys.path, sys.flags.isolated, sys.flags.no_site, sys.prefix,
                sorted((name, getattr(one, "__file__", None) or "") for name, one in sys.modules.items()))), file=file)
sys.exit(7)
"""
WHOLE = runtime_files.ROOTS


@pytest.fixture
def here(tmp_path: Path) -> tuple[Machine, Caller]:
    made = machine.native()
    home = tmp_path / "home of \u00e9\ud55c"
    (home / "AppData" / "Local").mkdir(parents=True)
    return made, made.caller().replace(home=str(home))


@pytest.fixture(scope="module")
def contents() -> runtime_files.Contents:
    return runtime_files.gather(runtime_files.here(), runtime.package(), WHOLE, TELL)


@pytest.fixture
def copy(here: tuple[Machine, Caller], contents: runtime_files.Contents) -> Iterator[runtime.Runtime]:
    made, caller = here
    runtime.make(made, caller, GROUP, contents)
    found = runtime.find(made, caller, GROUP, lists=False)
    assert found is not None
    with found:
        yield found


def test_it_runs_and_takes_nothing_from_anywhere_else(copy: runtime.Runtime, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    hostile.mkdir()
    for name in ("ctypes", "sitecustomize", "encodings", "struct"):
        (hostile / f"{name}.py").write_text("raise SystemExit(99)\n")
    told = tmp_path / "told"
    environment = {"SystemRoot": os.environ["SYSTEMROOT"], "PYTHONPATH": str(hostile), "PYTHONHOME": sys.base_prefix}
    binaries = [name for name in os.listdir(copy.directory) if name.endswith((".dll", ".pyd", ".exe"))]
    assert len(binaries) >= 4
    words = [copy.python, *runtime_files.FLAGS, copy.start, str(told), " ".join(binaries), *WHOLE]
    done = subprocess.run(words, env=environment, cwd=hostile, capture_output=True, text=True, timeout=60)
    assert done.returncode == 7, done
    loaded, path, isolated, no_site, prefix, modules = eval(told.read_text(encoding="utf-8"))
    assert (isolated, no_site) == (1, 1)
    below = os.path.normcase(copy.directory + "\\")
    assert all(os.path.normcase(one + "\\").startswith(below) for one in (*path, prefix)), path
    assert len(loaded) == len(binaries) and all(os.path.normcase(one).startswith(below) for one in loaded), loaded
    files = [file for _, file in modules if file]
    assert len(files) > 30
    elsewhere = [file for file in files if not os.path.normcase(file).startswith(below)]
    assert elsewhere == []
    assert set(WHOLE) <= {name for name, _ in modules}


def test_it_has_no_console_however_it_is_started(copy: runtime.Runtime, tmp_path: Path) -> None:
    """The host of a console would be a process of the account too, made before the runner can close anything."""
    told = tmp_path / "told"
    script = ("import ctypes, sys; kernel = ctypes.WinDLL('kernel32'); room = (ctypes.c_uint32 * 8)();"
              "open(sys.argv[1], 'wb').write(b'%d' % kernel.GetConsoleProcessList(room, 8))")
    for program, most in ((copy.python, 0), (sys.executable, 8)):
        for flags in (subprocess.CREATE_NO_WINDOW, subprocess.CREATE_NEW_CONSOLE):
            done = subprocess.run([program, *runtime_files.FLAGS, "-c", script, str(told)], creationflags=flags,
                                  timeout=60)
            assert done.returncode == 0
            found = int(told.read_text(encoding="ascii"))
            assert bool(most) <= found <= most, (program, flags)


def test_the_imports_of_the_program_are_in_it(copy: runtime.Runtime, contents: runtime_files.Contents) -> None:
    """Each module alone: what one of them needs is not there by chance."""
    ours = [name for name in contents.modules if name.startswith("sidewall.platforms.windows.")]
    script = "import sys\n" + "".join([f"import {name}\n" for name in ours]) + "sys.exit(5)\n"
    assert len(ours) > 20
    done = subprocess.run([copy.python, *runtime_files.FLAGS, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 5, done.stderr


def test_it_is_found_again_and_a_changed_file_is_not(here: tuple[Machine, Caller], copy: runtime.Runtime) -> None:
    made, caller = here
    again = runtime.find(made, caller, GROUP, lists=False)
    assert again is not None and again.directory == copy.directory
    again.close()
    with open(f"{copy.directory}\\{runtime_files.START}", "ab") as file:
        file.write(b"#")
    assert runtime.find(made, caller, GROUP, lists=False) is None


def test_it_stays_whole_while_it_is_held_and_then_goes(here: tuple[Machine, Caller], copy: runtime.Runtime) -> None:
    made, caller = here
    done, left = runtime_removal.uninstall(made.api, caller.home)
    assert done == () and "runs from it" in left[0]
    again = runtime.find(made, caller, GROUP, lists=False)
    assert again is not None, "nothing of it is missing"
    again.close()
    copy.close()
    done, left = runtime_removal.uninstall(made.api, caller.home)
    assert left == () and len(done) == 2
    assert private_file.names(made.api, caller.home + runtime.PLACE) is None
