"""The asynchronous twin: the same results, many tasks at once, cancellation, several event loops.

Knows: asyncio's promises.  Must not know: how a cell is made.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sidewall
from sidewall import AsyncSandbox

Make = Callable[..., AsyncSandbox]
pytestmark = pytest.mark.usefixtures("descriptors")


def using(make: Make, work: Callable[[AsyncSandbox], Any], **given: Any) -> Any:
    """Runs ``work`` with a sandbox in an event loop of its own, for a minute at most."""

    async def main() -> Any:
        async with make(**given) as sandbox:
            return await asyncio.wait_for(work(sandbox), 60)

    return asyncio.run(main())


def test_the_same_results(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        done = await s.run(["sh", "-c", "cat; echo err >&2; exit 4"], input="in é\n", capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (4, "in é\n", "err\n")
        assert (await s.run(["true"])).stdout is None
        assert (await s.run(["cat"], stdout=-1)).stdout == b""
        big = os.urandom(1000) * 3000
        assert (await s.run(["cat"], input=big, stdout=-1)).stdout == big
        assert (await s.run(["sh", "-c", "kill -9 $$"])).returncode == -9
        assert (await s.run("echo $((1+1))", shell=True, stdout=-1)).stdout == b"2\n"
        capped = await s.run(["head", "-c", "9000000", "/dev/zero"], capture_output=True, output_limit=10)
        assert (capped.truncated, capped.stdout) == (True, bytes(10))
        with pytest.raises(subprocess.CalledProcessError):
            await s.run(["false"], check=True)
        with pytest.raises(FileNotFoundError):
            await s.run(["no-such-program"], capture_output=True, input=b"x" * 200_000)
        with pytest.raises(ValueError):
            await s.run(["true"], input=b"", stdin=-1)

    using(make_async, work)


def test_fifty_tasks_at_once(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> list[bytes]:
        runs = [s.run(["sh", "-c", f"cat; sleep 0.0{number % 10}; echo {number}; exit {number}"], input=b"%d " % number,
                      capture_output=True) for number in range(50)]
        done = await asyncio.gather(*runs)
        assert [one.returncode for one in done] == list(range(50))
        return [one.stdout for one in done]

    assert using(make_async, work) == [b"%d %d\n" % (number, number) for number in range(50)]


def test_first_use_by_many_tasks_makes_one_cell(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> int:
        done = await asyncio.gather(*[s.run(["true"]) for _ in range(5)])
        return len({one.session_id for one in done})

    assert using(make_async, work) == 1


def test_a_time_out_keeps_the_output_and_kills_the_tree(make_async: Make, survivor: Any) -> None:
    async def work(s: AsyncSandbox) -> None:
        with pytest.raises(sidewall.TimeoutExpired) as caught:
            await s.run(["sh", "-c", f"echo early; {survivor.script} & sleep 600"], timeout=0.5, capture_output=True)
        assert caught.value.output == b"early\n"
        with pytest.raises(subprocess.TimeoutExpired):
            await s.run(["sleep", "600"], timeout=0)
        assert not survivor.survives()

    using(make_async, work)


def test_the_policys_wall_time_gives_a_result(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> Any:
        process = await s.start(["sleep", "600"])
        done = await s.run(["sleep", "600"])
        assert await process.wait() == -signal.SIGKILL
        return done.timed_out, done.returncode

    assert using(make_async, work, limits=sidewall.Limits(wall_seconds=0.3)) == (True, -9)


@pytest.mark.parametrize("capture", [False, True])
def test_cancelling_kills_the_tree(make_async: Make, workspace: Path, survivor: Any, capture: bool) -> None:
    async def work(s: AsyncSandbox) -> None:
        script = f"touch up; {survivor.script} & sleep 600"
        task = asyncio.create_task(s.run(["sh", "-c", script], capture_output=capture))
        while not (workspace / "up").exists():
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)
        task.cancel()  # impatience changes nothing
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await s.run(["echo", "on"], stdout=-1)).stdout == b"on\n"
        assert not survivor.survives()

    using(make_async, work)


def test_a_held_pipe_does_not_hold_the_task(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> bytes:
        return bytes((await s.run(["sh", "-c", "echo now; sleep 600 &"], capture_output=True)).stdout)

    assert using(make_async, work) == b"now\n"


def test_a_conversation(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        process = await s.start(["sh", "-c", 'while read l; do echo "<$l>"; done; echo bye >&2; exit 3'], stdin=-1)
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        for word in (b"one", b"two"):
            process.stdin.write(word + b"\n")
            await process.stdin.drain()
            assert await process.stdout.readline() == b"<" + word + b">\n"
        assert process.returncode is None
        process.stdin.close()
        await process.stdin.wait_closed()
        assert await process.wait() == 3 == process.returncode
        assert (await process.stdout.read(), await process.stderr.read()) == (b"", b"bye\n")
        process.kill()

    using(make_async, work)


def test_a_slow_reader_slows_the_writer(make_async: Make, workspace: Path) -> None:
    async def work(s: AsyncSandbox) -> None:
        process = await s.start(["sh", "-c", "head -c 30000000 /dev/zero; touch done"])
        assert process.stdout is not None
        await process.stdout.read(1)
        await asyncio.sleep(0.3)
        assert not (workspace / "done").exists()
        size = 1
        while data := await process.stdout.read(1 << 20):
            size += len(data)
        assert size == 30_000_000
        assert await process.wait() == 0

    using(make_async, work)


def test_communicate(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        data = os.urandom(1000) * 2000
        process = await s.start(["sh", "-c", "cat; echo e >&2; exit 2"], stdin=-1)
        assert await process.communicate(data) == (data, b"e\n")
        assert process.returncode == 2
        process = await s.start(["sh", "-c", "echo out; sleep 600 &"])
        assert await process.communicate() == (b"out\n", b"")
        process = await s.start(["true"], stdin=-1, stdout=None, stderr=None)
        assert await process.communicate(b"x" * 1_000_000) == (None, None)

    using(make_async, work)


def test_input_that_nobody_reads(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        process = await s.start(["true"], stdin=-1)
        await process.wait()
        assert process.stdin is not None
        with pytest.raises(BrokenPipeError):
            for _ in range(100):
                process.stdin.write(b"x" * 100_000)
                await process.stdin.drain()
        process.close()
        process.close()

    using(make_async, work)


def test_a_terminal(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        process = await s.start(["sh", "-c", "trap 'stty size' WINCH; stty size; while :; do sleep 0.05; done"],
                                tty=(30, 100))
        assert process.stdout is not None and process.stdin is not None and process.stderr is None
        assert await process.stdout.readline() == b"30 100\r\n"
        process.resize(41, 123)
        assert await process.stdout.readline() == b"41 123\r\n"
        process.stdin.write(b"\x03")
        assert await process.wait() == -signal.SIGINT
        await process.stdout.read()
        process.close()

    using(make_async, work)


def test_files(make_async: Make, workspace: Path) -> None:
    async def work(s: AsyncSandbox) -> None:
        await s.write_bytes("a/b.txt", b"\0\xff")
        assert await s.read_bytes("a/b.txt") == b"\0\xff"
        assert [entry.name for entry in await s.list("a")] == ["b.txt"]
        assert (await s.stat("a/b.txt")).size == 2
        await s.mkdir("c/d")
        assert await s.exists("c/d") and not await s.exists("c/e")
        assert await s.realpath("c/../a") == str(workspace.resolve() / "a")
        await s.remove("c")
        assert (await s.run(["ls", "a", "c"], capture_output=True)).stdout == b"a:\nb.txt\n"
        assert (await s.environment())["PATH"] == os.environ["PATH"]

    using(make_async, work)


def test_closing_while_a_task_runs(make_async: Make) -> None:
    async def work(s: AsyncSandbox) -> None:
        task = asyncio.create_task(s.run(["sleep", "600"]))
        process = await s.start(["sleep", "600"])
        await asyncio.sleep(0.3)
        await s.close()
        with pytest.raises(sidewall.CellGone):
            await task
        with pytest.raises(sidewall.CellGone):
            await process.wait()
        with pytest.raises(sidewall.CellGone):
            await s.run(["true"])
        process.close()

    using(make_async, work)


def test_one_sandbox_in_several_loops(make_async: Make) -> None:
    sandbox = make_async()
    results: list[bytes] = []

    async def work(number: int) -> None:
        for _ in range(5):
            results.append((await sandbox.run(["echo", str(number)], stdout=-1)).stdout)

    threads = [threading.Thread(target=lambda number=number: asyncio.run(work(number))) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(results) == sorted(b"%d\n" % number for number in range(4) for _ in range(5))
    asyncio.run(sandbox.close())
