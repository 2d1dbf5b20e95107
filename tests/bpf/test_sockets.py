"""Which sockets the filters let be made, by the simulator: family, type and protocol under every disguise."""

from __future__ import annotations

import itertools

import pytest

from sidewall.bpf import filters
from sidewall.bpf.assemble import ALLOW, ERRNO

EPERM, EACCES, EPROTONOSUPPORT, EAFNOSUPPORT = (ERRNO | n for n in (1, 13, 93, 97))
PARAMETERS = [
    {"inet": inet, "unix": unix} for inet, unix in itertools.product((False, True), filters.UNIX_MODES)
]

# SOCK_CLOEXEC, SOCK_NONBLOCK, both; and bits above the 32 that the kernel reads.
TYPE_FLAGS = (0, 0o2000000, 0o4000, 0o2004000, 0xDEADBEEF00000000)
HIGH = (0, 0xDEADBEEF00000000)


@pytest.fixture(scope="module")
def socket(verdict_on):
    """One answer for socket(2), the same under every flag and every high half, on both machines."""

    def answer(family, kind, protocol=0, **parameters):
        answers = {
            verdict_on("socket", family | high, kind | flags, protocol | high, arch=arch, **parameters)
            for arch in ("x86_64", "aarch64")
            for flags in TYPE_FLAGS
            for high in HIGH
        }
        assert len(answers) == 1, answers
        return answers.pop()

    return answer


@pytest.fixture(scope="module")
def pair(verdict_on):
    """The same for socketpair(2)."""

    def answer(family, kind, **parameters):
        answers = {
            verdict_on("socketpair", family | high, kind | flags, 0, arch=arch, **parameters)
            for arch in ("x86_64", "aarch64")
            for flags in TYPE_FLAGS
            for high in HIGH
        }
        assert len(answers) == 1, answers
        return answers.pop()

    return answer


@pytest.mark.parametrize("family", [2, 10])
@pytest.mark.parametrize("unix", filters.UNIX_MODES)
def test_internet_sockets(socket, family, unix):
    ordinary = ((1, 0), (1, 6), (1, 262), (2, 0), (2, 17), (2, 1), (2, 58))
    for kind, protocol in (*ordinary, (3, 255), (3, 0), (10, 768)):
        assert socket(family, kind, protocol, inet=False, unix=unix) == EACCES
    for kind, protocol in ordinary:
        assert socket(family, kind, protocol, inet=True, unix=unix) == ALLOW
    for kind in (0, 3, 4, 5, 6, 7, 10, 15):
        assert socket(family, kind, inet=True, unix=unix) == EPERM
    # SCTP, SMC, UDP-Lite, L2TP, DCCP, IGMP, raw IP
    for kind, protocol in ((1, 132), (1, 256), (2, 136), (2, 115), (1, 33), (2, 2), (2, 255)):
        assert socket(family, kind, protocol, inet=True, unix=unix) == EPROTONOSUPPORT


@pytest.mark.parametrize("inet", [False, True])
def test_unix_sockets(socket, pair, inet):
    for kind in range(16):
        connected = kind in (1, 5)
        assert socket(1, kind, inet=inet, unix="none") == EACCES
        assert socket(1, kind, inet=inet, unix="mediated") == (ALLOW if connected else EACCES)
        assert socket(1, kind, inet=inet, unix="open") == ALLOW
        for unix in ("none", "mediated"):
            assert pair(1, kind, inet=inet, unix=unix) == (ALLOW if connected else EACCES)
        assert pair(1, kind, inet=inet, unix="open") == ALLOW


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_all_other_families_are_not_supported(socket, pair, parameters):
    for family in {*range(64), 1 << 31, 2**32 - 1, 0x101, 0x10002} - {1, 2, 10, 16}:
        for kind in (1, 3):
            assert socket(family, kind, **parameters) == EAFNOSUPPORT
            assert pair(family, kind, **parameters) == EAFNOSUPPORT
    for family in (2, 10, 16):
        assert pair(family, 1, **parameters) == EAFNOSUPPORT


@pytest.mark.parametrize("parameters", PARAMETERS, ids=str)
def test_netlink_is_for_routes(socket, parameters):
    for kind in (2, 3):
        assert socket(16, kind, 0, **parameters) == ALLOW
        for protocol in (1, 2, 4, 6, 9, 10, 12, 15, 16, 20, 21, 0x10000, 2**32 - 1):
            assert socket(16, kind, protocol, **parameters) == EPERM
