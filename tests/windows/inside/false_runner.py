"""A program for tests: a runner that is who it should be, and says what it must not.

    python false_runner.py LIE PIPE OWNER-PROCESS OWNER-SID

Knows: the conversation up to the lie.  Must not know: which answer the owner gives.
"""

from __future__ import annotations

import os
import sys

from tests.windows.inside import runners

from sidewall.nt.sid import Sid
from sidewall.plan.windows_unenforced import RESTRICTING
from sidewall.platforms.frames import Frame
from sidewall.platforms.windows import runner_messages as says
from sidewall.platforms.windows import runner_pipe

GREETING_LIES = {
    "another word": {"echo": "mine"}, "another version": {"version": 99}, "a text of no end": {"user": "x" * 70_000},
}


def main(lie: str, name: str, process: str, owner: str) -> None:
    """Speaks until the lie, then waits for the owner to end it."""
    pipe = runner_pipe.Pipe(runners.REAL, runner_pipe.connect(runners.REAL, name, int(process), Sid(owner)))
    decoder, frames = says.decoder(says.OWNER), list[Frame]()

    def heard() -> Frame:
        while not frames:
            data = pipe.receive()
            if not data:
                os._exit(3)
            frames.extend(decoder.feed(data))
        return frames.pop(0)

    hello = heard().head
    told = {"version": says.VERSION, "nonce": "n", "echo": hello["nonce"], "user": owner, "restricted": False}
    pipe.send(says.made(says.GREETING, **told | GREETING_LIES.get(lie, {})))
    heard()
    if lie == "two answers":
        pipe.send(says.made(says.MADE, missing=[]) * 2)
        heard()
    # What it says of the token keeps the access lists of this machine out of the test.
    wrong = [["no such facility" if lie == "an unknown facility" else RESTRICTING, "x"]]
    for kind in (says.MADE, says.TRYING, says.DONE):
        pipe.send(says.made(kind, missing=wrong))
        heard()
    heard()  # the command
    if lie == "an end":
        os._exit(9)
    started = says.made(says.STARTED, id=1, pid=4)
    if lie == "cut off":
        pipe.send(started[:-1])
        os._exit(0)
    if lie == "a start and no more":
        pipe.send(started)
    while True:
        heard()


if __name__ == "__main__":
    main(*sys.argv[1:])
