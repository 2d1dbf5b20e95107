"""Pipes on Windows: waiting for them, writing what they take, and the same on an event loop."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time

import pytest

if sys.platform != "win32":
    pytest.skip("a Windows Python is needed", allow_module_level=True)

from sidewall.session.loops import readiness
from sidewall.session.readiness import (
    POLLIN,
    POLLOUT,
    ROOM,
    Poller,
    pipe,
    readable,
    write,
    write_without_waiting,
)


def test_an_empty_pipe_is_not_ready_and_a_full_one_is() -> None:
    reading, writing = pipe()
    try:
        poller = Poller()
        poller.register(reading, POLLIN)
        assert poller.poll(0) == []
        assert poller.poll(20) == []
        os.write(writing, b"x")
        assert poller.poll(5000) == [(reading, POLLIN)]
        assert os.read(reading, 10) == b"x"
        assert not readable(reading)
        os.close(writing)
        assert poller.poll(5000) == [(reading, POLLIN)]
        assert os.read(reading, 10) == b""
    finally:
        os.close(reading)


def test_poll_waits_for_what_comes_later() -> None:
    reading, writing = pipe()
    threading.Timer(0.2, os.write, (writing, b"later")).start()
    poller = Poller()
    poller.register(reading, POLLIN)
    assert poller.poll(20_000) == [(reading, POLLIN)]
    assert os.read(reading, 10) == b"later"
    os.close(reading)
    os.close(writing)


def test_a_writer_that_does_not_wait_writes_all_in_the_end() -> None:
    reading, writing = pipe()
    write_without_waiting(writing)
    data = bytes(range(256)) * 4000
    rest = memoryview(data)
    got = bytearray()
    full = 0
    deadline = time.monotonic() + 60
    while rest or len(got) < len(data):
        assert time.monotonic() < deadline
        try:
            rest = rest[write(writing, rest):] if rest else rest
        except BlockingIOError:
            full += 1
        if full and readable(reading):
            got += os.read(reading, ROOM)
        elif not rest:
            full = 1
    assert got == data and full
    os.close(reading)
    with pytest.raises(OSError):
        write(writing, b"x")
    os.close(writing)


def test_a_poller_gives_writers_their_turns() -> None:
    reading, writing = pipe()
    poller = Poller()
    poller.register(writing, POLLOUT)
    assert poller.poll(1000) == [(writing, POLLOUT)]
    assert poller.poll(1000) == [(writing, POLLOUT)]
    poller.unregister(writing)
    assert poller.poll(0) == []
    os.close(reading)
    os.close(writing)


def test_what_is_no_pipe_never_waits(tmp_path: object) -> None:
    fd = os.open(f"{tmp_path}/file", os.O_RDWR | os.O_CREAT)
    try:
        assert readable(fd)
    finally:
        os.close(fd)
    assert readable(fd)


def test_callbacks_of_a_loop() -> None:
    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        ready = readiness(loop)
        assert readiness(loop) is ready
        reading, writing = pipe()
        got = bytearray()
        done = loop.create_future()

        def take() -> None:
            data = os.read(reading, 4)
            got.extend(data)
            if not data:
                ready.remove_reader(reading)
                done.set_result(None)

        ready.add_reader(reading, take)
        for piece in (b"one ", b"two ", b"three"):
            await asyncio.sleep(0.02)
            os.write(writing, piece)
        os.close(writing)
        await asyncio.wait_for(done, 20)
        os.close(reading)
        assert not ready.remove_reader(reading)
        return bytes(got)

    assert asyncio.run(main()) == b"one two three"
