"""A program for tests: the runner, which writes down every function of Windows that it calls.

    python traced_runner.py LISTING PIPE OWNER-PROCESS OWNER-SID
"""

from __future__ import annotations

import os
import sys

from sidewall.platforms.windows import api, dll, runner

if __name__ == "__main__":
    listing = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    dll.trace = lambda library, function: os.write(listing, function.encode() + b"\n")
    os._exit(runner.main(sys.argv[2:], api.native()))
