"""``sidewall run -- true`` from a shell, beside the peers' programs.

Knows: Sidewall's command line.  Must not know: how the figures are printed.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from bench.commands import TRUE
from bench.measure import Contender, interleave
from bench.peers import Program, silent


def start_up(workspace: str, beside: str, programs: Sequence[Program], rounds: int) -> list[Contender]:
    """The console script as installed, and every peer's program (in the workspace ``beside``)."""
    script = os.fspath(Path(sys.executable).parent / "sidewall")
    contenders = [
        Contender("bare", partial(silent, TRUE, workspace), how="/bin/true"),
        Contender("python", partial(silent, [sys.executable, "-c", "pass"], workspace), how="python -c pass"),
        Contender("sidewall", partial(silent, [script, "run", "--", *TRUE], workspace), how="sidewall run -- true"),
        *(Contender(program.name, partial(program.run, TRUE, beside)) for program in programs),
    ]
    interleave(contenders, rounds=rounds)
    return contenders
