"""What the tests of seccomp filters share: the simulator's word on one call, and the running kernel as a witness.

Knows: the filters and ``kernel_probe``.  Must not know: what the answers should be.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sidewall.bpf import filters, syscalls
from sidewall.bpf.simulate import check, run, seccomp_data

PROBE = Path(__file__).with_name("kernel_probe.py")


@pytest.fixture(scope="session")
def verdict_on():
    """The verdict on one call by name, of the filter with these parameters (the narrowest, unless told)."""
    programs = {}

    def ask(name, *args, arch="x86_64", inet=False, unix="none", mediate_unix=False):
        key = (arch, inet, unix, mediate_unix)
        if key not in programs:
            programs[key] = check(filters.build(arch, inet=inet, unix=unix, mediate_unix=mediate_unix))
        data = seccomp_data(syscalls.AUDIT_ARCH[arch], syscalls.numbers(arch)[name], args, 0x7F0000)
        return run(programs[key], data)

    return ask


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
