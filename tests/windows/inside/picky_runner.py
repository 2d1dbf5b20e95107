"""A program for tests: the runner, on a machine where programs start with Everyone as a restricting SID only.

    python picky_runner.py NOTES PIPE OWNER-PROCESS OWNER-SID

Without it a program ends before its first line.  ``NOTES`` gets a line for each try.

Knows: the runner's hands.  Must not know: what the owner makes of a failure.
"""

from __future__ import annotations

import os
import sys

from sidewall.nt.wellknown import EVERYONE
from sidewall.plan.windows_unenforced import Unenforced
from sidewall.platforms.windows import api, runner, runner_hands
from sidewall.platforms.windows.errors import failure
from sidewall.platforms.windows.prototypes import STATUS
from sidewall.platforms.windows.runner_parts import Parts

NOTES = sys.argv[1]
DLL_INIT_FAILED = 0xC0000142


class Picky(runner_hands.WindowsHands):
    """Hands whose programs do not start."""

    fails = False

    def prepare(self, parts: Parts) -> tuple[Unenforced, ...]:
        """Notes what is tried."""
        everyone = EVERYONE in parts.recipe.restricting
        with open(NOTES, "a", encoding="ascii") as notes:
            notes.write("with\n" if everyone else "without\n")
        self.fails = not everyone
        return super().prepare(parts)

    def finish(self) -> tuple[Unenforced, ...]:
        """Its end."""
        found = super().finish()
        if self.fails:
            raise failure("the start of a program in the sandbox", STATUS, DLL_INIT_FAILED)
        return found


if __name__ == "__main__":
    runner_hands.WindowsHands = Picky  # type: ignore[misc]
    os._exit(runner.main(sys.argv[2:], api.native()))
