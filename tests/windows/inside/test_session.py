"""``Sandbox`` and ``AsyncSandbox`` on Windows: the calls of ``subprocess``, on cells of either kind of tier."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from tests.windows.inside import runners

from sidewall import AsyncSandbox, CalledProcessError, CellGone, Sandbox, TimeoutExpired

PATIENCE = 60.0


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("work space 한글").resolve()


@pytest.fixture(scope="module", params=["token", "account"])
def sandbox(request: pytest.FixtureRequest, workspace: Path) -> Iterator[Sandbox]:
    opener = runners.opener if request.param == "account" else None
    with Sandbox(workspace=workspace, require=(), tier=request.param, opener=opener) as made:
        assert made.guarantees  # opens it: what stays open until the end belongs to no test
        yield made


def python(code: str, *words: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *words]


def test_run_gives_output_and_code(sandbox: Sandbox) -> None:
    done = sandbox.run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"),
                       capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (7, "out\n", "err\n")
    assert done.duration > 0 and done.usage.user_seconds >= 0


@pytest.mark.parametrize("code", [0, 1, 259, 0xC0000005, 0xFFFFFFFF])
def test_exit_codes_of_32_bits(sandbox: Sandbox, code: int) -> None:
    words = python(f"import ctypes; ctypes.windll.kernel32.ExitProcess({code})")
    assert sandbox.run(words, timeout=PATIENCE).returncode == code


def test_input_and_large_output(sandbox: Sandbox) -> None:
    data = bytes(range(256)) * 4096
    code = "import sys; d = sys.stdin.buffer.read(); sys.stdout.buffer.write(d * 2); sys.stderr.buffer.write(d)"
    done = sandbox.run(python(code), input=data, capture_output=True, timeout=PATIENCE)
    assert done.stdout == data * 2 and done.stderr == data


def test_no_input_is_empty_input(sandbox: Sandbox) -> None:
    done = sandbox.run(python("import sys; print(len(sys.stdin.read()))"), capture_output=True, timeout=PATIENCE)
    assert done.stdout.split() == [b"0"]


def test_arguments_arrive_as_they_are(sandbox: Sandbox) -> None:
    words = ["", "a b", 'say "hi"', "back\\slash\\", '\\"', "%PATH%", "^&|<>", "한글 😀", "tab\tand * ?", "'"]
    done = sandbox.run(python("import sys; sys.stdout.reconfigure(encoding='utf-8'); print(sys.argv[1:])", *words),
                       capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout.strip() == str(words)


def test_three_hundred_characters(sandbox: Sandbox, workspace: Path) -> None:
    """Of a word, a variable, and a path that a command makes and one that it starts from."""
    long = ("a 한글 😀 " * 50)[:300]
    place = workspace / (sandbox.session_id[:8] + " b 한 😀" * 16)
    below = place / "c" / ("d" * 180)
    assert len(str(below)) > 300
    code = ("import os, sys; p = '\\\\\\\\?\\\\' + sys.argv[2]; os.makedirs(p); "
            "open(p + '\\\\f 글', 'w').write('x'); sys.stdout.reconfigure(encoding='utf-8'); "
            "print(sys.argv[1] == os.environ['LONG'], len(sys.argv[1]), len(open(p + '\\\\f 글').read()))")
    done = sandbox.run(python(code, long, str(below)), env={"LONG": long}, capture_output=True, text=True,
                       timeout=PATIENCE)
    assert (done.returncode, done.stdout.split()) == (0, ["True", "300", "1"]), done.stderr
    assert sandbox.run(["cmd", "/c", "exit 3"], cwd=place, timeout=PATIENCE).returncode == 3


def test_variables(sandbox: Sandbox) -> None:
    code = ("import os, sys; sys.stdout.reconfigure(encoding='utf-8');"
            "print(os.environ.get('ONE'), 'SYSTEMROOT' in os.environ, 'TEMP' in os.environ)")
    done = sandbox.run(python(code), env={"ONE": "ü"}, capture_output=True, text=True,
                       timeout=PATIENCE)
    assert done.stdout.split() == ["ü", "True", "True"]


def test_the_workspace_is_where_it_starts(sandbox: Sandbox, workspace: Path) -> None:
    (workspace / "sub dir").mkdir(exist_ok=True)
    code = "import os, sys; sys.stdout.reconfigure(encoding='utf-8'); print(os.getcwd())"
    for cwd, wanted in ((None, workspace), ("sub dir", workspace / "sub dir")):
        done = sandbox.run(python(code), cwd=cwd, capture_output=True, text=True, timeout=PATIENCE)
        assert Path(done.stdout.strip()) == wanted
    with pytest.raises((FileNotFoundError, NotADirectoryError)):
        sandbox.run(python("pass"), cwd="missing", timeout=PATIENCE)


def test_what_cannot_be_started(sandbox: Sandbox, workspace: Path) -> None:
    with pytest.raises(FileNotFoundError):
        sandbox.run(["no-such-program-anywhere"], timeout=PATIENCE)
    (workspace / "text.exe").write_text("this is no program")
    with pytest.raises(OSError):
        sandbox.run([str(workspace / "text.exe")], timeout=PATIENCE)


def test_check_and_shell(sandbox: Sandbox) -> None:
    assert sandbox.run("echo one& echo two", shell=True, capture_output=True, timeout=PATIENCE).stdout.split() == [
        b"one", b"two"]
    with pytest.raises(CalledProcessError) as caught:
        sandbox.run("exit 5", shell=True, check=True, timeout=PATIENCE)
    assert caught.value.returncode == 5


def test_a_time_out_ends_the_tree_and_keeps_the_output(sandbox: Sandbox, workspace: Path) -> None:
    go, late = workspace / "go", workspace / "late"
    go.unlink(missing_ok=True)  # the other tier's
    child = (f"import os, time\nwhile not os.path.exists({str(go)!r}): time.sleep(.02)\n"
             f"open({str(late)!r}, 'w')")
    code = (f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {child!r}]);"
            "print('begun', flush=True); time.sleep(60)")
    with pytest.raises(TimeoutExpired) as caught:
        sandbox.run(python(code), capture_output=True, timeout=2)
    assert caught.value.stdout.split() == [b"begun"]
    go.touch()
    assert sandbox.run(python("import time; time.sleep(1)"), timeout=PATIENCE).returncode == 0
    assert not late.exists()


def test_output_over_the_limit(sandbox: Sandbox) -> None:
    done = sandbox.run(python("print('x' * 100000)"), capture_output=True, output_limit=1000, timeout=PATIENCE)
    assert len(done.stdout) == 1000 and done.truncated


def test_a_background_process_outlives_its_command(sandbox: Sandbox, workspace: Path) -> None:
    """... and writing to the pipe that nobody reads for it does not end it."""
    mark = workspace / "still there"
    child = ("import time; [(print('x' * 4000, flush=True), time.sleep(.05)) for _ in range(30)];"
             f"open({str(mark)!r}, 'w')")
    code = f"import subprocess, sys; subprocess.Popen([sys.executable, '-u', '-c', {child!r}]); print('over')"
    done = sandbox.run(python(code), capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0 and b"over" in done.stdout
    for _ in range(100):
        if mark.exists():
            break
        sandbox.run(python("import time; time.sleep(.2)"), timeout=PATIENCE)
    assert mark.exists()


def test_start_talks_while_it_runs(sandbox: Sandbox) -> None:
    code = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    process = sandbox.start(python(code), stdin=-1, text=True, bufsize=1)
    for word in ("one\n", "two\n"):
        process.stdin.write(word)
        process.stdin.flush()
        assert process.stdout.readline() == word.upper()
    assert process.poll() is None
    process.stdin.close()
    assert process.wait(PATIENCE) == 0
    process.stdout.close()
    process.stderr.close()


def test_kill_and_communicate(sandbox: Sandbox) -> None:
    with sandbox.popen(python("import time; print('here', flush=True); time.sleep(60)"), stdout=-1) as process:
        assert process.stdout.readline().split() == [b"here"]
        with pytest.raises(TimeoutExpired):
            process.communicate(timeout=0.3)
        process.kill()
        process.communicate(timeout=PATIENCE)
        assert process.returncode not in (None, 0)


def test_several_threads_share_one_cell(sandbox: Sandbox) -> None:
    found: dict[int, bytes] = {}

    def one(number: int) -> None:
        found[number] = sandbox.run(python(f"print({number})"), capture_output=True, timeout=PATIENCE).stdout

    threads = [threading.Thread(target=one, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert {number: int(data) for number, data in found.items()} == {number: number for number in range(4)}


def test_a_redirection_into_a_file(sandbox: Sandbox, workspace: Path) -> None:
    with (workspace / "log.txt").open("wb") as log:
        sandbox.run(python("print('into the file')"), stdout=log, stderr=-2, timeout=PATIENCE)
    assert (workspace / "log.txt").read_bytes().split() == [b"into", b"the", b"file"]


def test_changes_are_listed(sandbox: Sandbox) -> None:
    done = sandbox.run(python("open('made.txt', 'w').write('x')"), track_changes=True, timeout=PATIENCE)
    assert [change.path for change in done.changes if change.path.endswith("made.txt")]


def test_closing_ends_what_runs(workspace: Path) -> None:
    sandbox = Sandbox(workspace=workspace, require=(), tier="token")
    process = sandbox.start(python("import time; time.sleep(60)"))
    sandbox.close()
    with pytest.raises(CellGone):
        process.wait(PATIENCE)
    process.stdout.close()
    process.stderr.close()
    with pytest.raises(CellGone):
        sandbox.run(python("pass"))


def test_the_same_on_an_event_loop(workspace: Path) -> None:
    async def main() -> None:
        async with AsyncSandbox(workspace=workspace, require=(), tier="token") as sandbox:
            code = "import sys; sys.stdout.write(sys.stdin.read() * 2)"
            done = await sandbox.run(python(code), input="ab", capture_output=True, text=True, timeout=PATIENCE)
            assert done.stdout == "abab"
            both = await asyncio.gather(*[sandbox.run(python(f"print({n})"), capture_output=True, timeout=PATIENCE)
                                          for n in range(3)])
            assert [int(each.stdout) for each in both] == [0, 1, 2]
            with pytest.raises(TimeoutExpired):
                await sandbox.run(python("import time; time.sleep(60)"), timeout=1)
            await sandbox.write_bytes("async.txt", b"data")
            assert await sandbox.read_bytes("async.txt") == b"data"

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_the_environment_is_a_copy(sandbox: Sandbox) -> None:
    given = sandbox.environment
    assert os.path.isdir(given["TEMP"]) and given["SIDEWALL"] == "1"
    given["TEMP"] = "elsewhere"
    assert sandbox.environment["TEMP"] != "elsewhere"
