"""``python -m tests.nt.mutation [TARGET ...]``: every mutant of the targets against their tests.

Knows: how one mutant is run in a process of its own, and what is told about it.  Must not know: how mutants are made.

A mutant is *killed* when a test fails, or when the tests do not end in time.  Survivors must be listed, with a reason,
in ``survivors.txt``: one that is not fails the run, and so does one that is listed and gets killed.
"""

from __future__ import annotations

import argparse
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import hypothesis
import hypothesis.strategies
import pytest
from tests.nt.mutation.mutants import Mutant, mutants
from tests.nt.mutation.targets import TARGETS, Target

import sidewall  # noqa: F401  with all that it imports; see `warm`

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
ROOM = "sidewall.nt"
DEADLINE = 120.0


class Changed(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module its mutated source."""

    def __init__(self, module: str, source: str, origin: str) -> None:
        self.module, self.source, self.origin = module, source, origin

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None,
                  ) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self, origin=self.origin) if name == self.module else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, self.origin, "exec"), module.__dict__)


def warm() -> None:
    """Import all that a run needs but what is mutated, so that a child begins where its tests begin.

    That is nine tenths of a run's time.
    """
    out = os.dup(1)
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    pytest.main(["-q", "--collect-only", os.fspath(HERE / "targets.py")])
    sys.stdout.flush()
    os.dup2(out, 1)
    os.close(out)
    os.close(silence)
    loaded = sorted(name for name in sys.modules if name.startswith(ROOM))
    if loaded:
        raise SystemExit(f"already imported, so that mutants would not be: {', '.join(loaded)}")


def survives(module: str, mutant: Mutant | None, target: Target) -> bool:
    """Whether the tests pass with the mutant in place (None: without any)."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        code = 1
        try:
            silence = os.open(os.devnull, os.O_RDWR)
            for descriptor in (0, 1, 2):
                os.dup2(silence, descriptor)
            if mutant is not None:
                name = f"{ROOM}.{module}"
                sys.meta_path.insert(0, Changed(name, mutant.source, f"<mutant of {name}>"))
            phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)  # a small example helps nobody here
            hypothesis.settings.register_profile("mutation", database=None, phases=phases)
            hypothesis.settings.load_profile("mutation")
            tests = [os.fspath(HERE.parent / test) for test in target.tests]
            code = int(pytest.main(["-x", "-q", "--no-header", "--tb=no", *tests]))
        finally:
            os._exit(code)
    return _wait(child) == 0


def _wait(child: int) -> int:
    end = time.monotonic() + DEADLINE
    pause = 0.005
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(0.1, pause * 1.5)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return -1


def listed() -> dict[str, str]:
    """Known survivors and why each is none of the tests' business: a line with its name, indented lines with why."""
    known: dict[str, str] = {}
    name = ""
    for line in (HERE / "survivors.txt").read_text(encoding="utf-8").splitlines():
        if line[:1].isspace():
            known[name] = f"{known[name]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            name = line
            known[name] = ""
    return known


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.nt.mutation", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all if none is named")
    parser.add_argument("--part", default="0/1", help="the first of three parts is 0/3: parts may run side by side")
    parser.add_argument("--only", default="", help="only mutants whose name holds this text")
    arguments = parser.parse_args()
    known = listed()
    warm()
    failed = False
    for name in arguments.targets or TARGETS:
        failed |= run(name, TARGETS[name], known, arguments.only, arguments.part)
    return int(failed)


def run(name: str, target: Target, known: dict[str, str], only: str, part: str) -> bool:
    """All mutants of one target; whether something is not as it should be."""
    if not survives("", None, target):
        print(f"{name}: the tests fail without any mutant", file=sys.stderr)
        return True
    total = turn = 0
    place, _, parts = part.partition("/")
    surprises: list[str] = []
    left: list[str] = []
    for entry in target.modules:
        module, _, within = entry.partition(":")
        source = (ROOT / "src" / "sidewall" / "nt" / f"{module}.py").read_text(encoding="utf-8")
        for mutant in mutants(source, within=within):
            title = f"{module}: {mutant.name}"
            if only not in title:
                continue
            turn += 1
            if turn % int(parts) != int(place):
                continue
            total += 1
            if not total % 25:
                print(f"{name}: {total} done, {len(left)} survived, now in {module}", file=sys.stderr, flush=True)
            if survives(module, mutant, target):
                left.append(title)
                note = known.get(title, "")
                print(f"survived, {'known' if note else 'UNKNOWN'}: {title} (line {mutant.line})", flush=True)
                if not note:
                    surprises.append(title)
            elif title in known:
                print(f"killed, but listed as a survivor: {title}", flush=True)
                surprises.append(title)
    print(f"{name}: {total} mutants, {total - len(left)} killed, {len(left)} survived, {len(surprises)} unexpected")
    return bool(surprises)


if __name__ == "__main__":
    sys.exit(main())
