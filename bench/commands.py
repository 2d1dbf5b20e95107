"""What one command costs in an open session, and what a whole cell costs.

Knows: Sidewall's interface and the peers'.  Must not know: how the figures are printed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from bench.floor import Resident
from bench.machine import descendants_pss_kib
from bench.measure import Contender, interleave
from bench.peers import Library, Program, silent
from sidewall import Sandbox
from sidewall.platforms.detect import prepare

TRUE = ("true",)
INTERPRETER = (getattr(sys, "_base_executable", sys.executable), "-I", "-S", "-c", "pass")
READY = 0.1  # seconds in which a spare has certainly come to wait for its plan
LOOP = ("sh", "-c", "i=0; while [ $i -lt 300 ]; do /bin/true; i=$((i+1)); done")


def bare(argv: Sequence[str], cwd: str) -> None:
    """The measure of all: ``subprocess.run`` with inherited stdio."""
    subprocess.run(list(argv), cwd=cwd, check=True)


def one_command(
    sandbox: Sandbox, workspace: str, beside: str, argv: Sequence[str], programs: Sequence[Program],
    libraries: Sequence[Library], rounds: int,
) -> list[Contender]:  # fmt: skip
    """One command from this process, in everything that can run one from a process; peers work in ``beside``."""
    with Resident(workspace) as resident:
        contenders = _of_one(sandbox, workspace, beside, argv, programs, libraries)
        floor = Contender("floor", partial(resident.run, argv), how="a resident process, nothing confined")
        contenders.insert(1, floor)
        interleave(contenders, rounds=rounds)
    return contenders


def _of_one(
    sandbox: Sandbox, workspace: str, beside: str, argv: Sequence[str], programs: Sequence[Program],
    libraries: Sequence[Library],
) -> list[Contender]:  # fmt: skip
    return [
        Contender("bare", partial(bare, argv, workspace), how="subprocess.run"),
        Contender("sidewall", partial(sandbox.run, list(argv), check=True), how="open session"),
        *(Contender(library.name, partial(library.run, argv), how="library") for library in libraries),
        *(Contender(program.name, partial(program.run, argv, beside), how="its program") for program in programs),
    ]


def from_threads(sandbox: Sandbox, workspace: str, threads: int, each: int, rounds: int) -> list[Contender]:
    """``threads`` threads that each run ``each`` commands at once; a call is the whole crowd."""
    contenders = [
        Contender("bare", partial(crowd, partial(bare, TRUE, workspace), threads, each)),
        Contender("sidewall", partial(crowd, partial(sandbox.run, ["true"], check=True), threads, each)),
    ]
    interleave(contenders, rounds=rounds, warm=1)
    return contenders


def crowd(call: Callable[[], object], threads: int, each: int) -> None:
    """Runs ``call`` ``each`` times in ``threads`` threads at once; raises what the first failed one raised."""
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(each):
                call()
        except Exception as error:
            failures.append(error)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    if failures:
        raise failures[0]


def opening(workspace: str, beside: str, programs: Sequence[Program], rounds: int) -> list[Contender]:
    """A cell from nothing to the end of its first command, beside whole runs of the peers' programs (in ``beside``).

    The close is not timed: a session is opened once, and nobody waits for its close.
    """
    opened: list[Sandbox] = []

    def open_and_run() -> None:
        sandbox = Sandbox(workspace=workspace)
        opened.append(sandbox)
        sandbox.__enter__()
        sandbox.run(["true"], check=True)

    def close() -> None:
        while opened:
            opened.pop().close()

    def close_and_prepare() -> None:
        close()
        prepare()
        time.sleep(READY)

    contenders = [
        Contender("bare", partial(silent, TRUE, workspace)),
        Contender("floor", partial(silent, INTERPRETER, workspace), how="a fresh interpreter, nothing confined"),
        Contender("sidewall", open_and_run, reset=close, how="new cell, first command"),
        Contender("sidewall, spare", open_and_run, reset=close_and_prepare, how="the same, with a spare init ready"),
        *(Contender(program.name, partial(program.run, TRUE, beside)) for program in programs),
    ]
    try:
        interleave(contenders, rounds=rounds)
    finally:
        close()
    return contenders


def cell_mib(workspace: str) -> float:
    """The memory of everything that a cell keeps running, in MiB; not a number where it may not be read."""
    before = descendants(os.getpid())
    with Sandbox(workspace=workspace) as sandbox:
        sandbox.run(["true"], check=True)
        after = descendants(os.getpid())
    return (after - before) / 1024


def descendants(pid: int) -> float:
    """``descendants_pss_kib``, or not a number without the right to read it."""
    try:
        return float(descendants_pss_kib(pid))
    except OSError:
        return float("nan")
