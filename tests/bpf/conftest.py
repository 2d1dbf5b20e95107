"""The running kernel as a witness for the tests of seccomp filters."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = Path(__file__).with_name("kernel_probe.py")


@pytest.fixture(scope="session")
def machine():
    """The name of this machine in the tables; skips where there is no kernel to ask."""
    name = platform.machine()
    if sys.platform != "linux" or name not in ("x86_64", "aarch64"):
        pytest.skip(f"no Linux kernel on x86_64 or aarch64 to ask (this is {sys.platform} on {name})")
    return name


@pytest.fixture(scope="session")
def ask_kernel(machine):
    """Questions in, answers out: see ``kernel_probe``."""

    def ask(questions):
        done = subprocess.run(
            [sys.executable, "-S", str(PROBE)],
            input=json.dumps(questions).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)

    (answer,) = ask([{"program": b"\x06\0\0\0\0\0\xff\x7f".hex(), "calls": []}])
    if answer["installed"]:
        pytest.skip(f"this kernel takes no seccomp filter (errno {answer['installed']})")
    return ask
