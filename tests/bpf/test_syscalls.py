"""The tables of numbers, against the headers of this machine and against themselves."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sidewall.bpf import syscalls
from sidewall.errors import MachineError

INCLUDE = Path("/usr/include")
# What asm/unistd.h of 64-bit ARM asks of asm-generic/unistd.h.
WANTED = ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT", "TIME32_SYSCALLS", "SYS_CLONE3", "MEMFD_SECRET")
# Entered by hand in the table, so entered once more here.
NEWER = {
    "uretprobe": 335, "uprobe": 336, "cachestat": 451, "fchmodat2": 452, "map_shadow_stack": 453, "futex_wake": 454,
    "futex_wait": 455, "futex_requeue": 456, "statmount": 457, "listmount": 458, "lsm_get_self_attr": 459,
    "lsm_set_self_attr": 460, "lsm_list_modules": 461, "mseal": 462, "setxattrat": 463, "getxattrat": 464,
    "listxattrat": 465, "removexattrat": 466, "open_tree_attr": 467, "file_getattr": 468, "file_setattr": 469,
    "listns": 470, "rseq_slice_yield": 471,
}  # fmt: skip
NOT_CALLS = {"syscalls", "arch_specific_syscall"}


def x86_64_headers():
    """Name to number from the header of x86_64, or a reason why not."""
    for folder in (INCLUDE / "x86_64-linux-gnu", INCLUDE):
        header = folder / "asm/unistd_64.h"
        if header.exists():
            text = header.read_text()
            return {name: int(nr) for name, nr in re.findall(r"^#define __NR_(\w+)\s+(\d+)$", text, re.M)}
    return pytest.skip("no asm/unistd_64.h on this machine")


def aarch64_headers():
    """Name to number from the generic header, preprocessed as for 64-bit ARM."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not (INCLUDE / "asm-generic/unistd.h").exists():
        pytest.skip("no C preprocessor, or no asm-generic/unistd.h on this machine")
    source = "".join(f"#define __ARCH_WANT_{word}\n" for word in WANTED) + "#include <asm-generic/unistd.h>\n"
    done = subprocess.run(
        [compiler, "-E", "-dM", "-x", "c", "-"], input=source, capture_output=True, text=True, timeout=60
    )
    if done.returncode:
        pytest.skip(f"the preprocessor failed: {done.stderr[:200]}")
    defined = dict(re.findall(r"^#define (__NR\w+) (\w+)$", done.stdout, re.M))
    found = {}
    for name, value in defined.items():
        while value in defined:
            value = defined[value]
        if name.startswith("__NR_") and value.isdigit() and name[5:] not in NOT_CALLS:
            found[name[5:]] = int(value)
    return found


@pytest.mark.parametrize(("arch", "headers"), [("x86_64", x86_64_headers), ("aarch64", aarch64_headers)])
def test_the_table_is_the_headers_and_what_is_newer(arch, headers):
    expected, table = headers(), syscalls.numbers(arch)
    assert len(expected) > 290
    newest = max(expected.values())
    unknown = {name for name in expected if name not in table}
    # A machine with headers newer than the table has calls that the filter answers with ENOSYS.
    assert all(expected[name] > max(table.values()) for name in unknown), unknown
    assert {name: table[name] for name in expected if name in table} == {
        name: number for name, number in expected.items() if name in table
    }
    by_hand = set(table) - set(expected)
    assert by_hand <= syscalls.SINCE_6_1
    assert all(table[name] > newest or table[name] in (335, 336) for name in by_hand)


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_numbers_are_unique_ascending_and_within_the_spans(arch):
    table = syscalls.numbers(arch)
    numbers = list(table.values())
    assert numbers == sorted(set(numbers))
    assert numbers == [number for first, end in syscalls.spans(arch) for number in range(first, end)]
    newer = {name: number for name, number in NEWER.items() if arch == "x86_64" or number >= 424}
    assert {name: number for name, number in table.items() if name in NEWER} == newer
    assert max(numbers) == max(NEWER.values())
    assert set(NEWER) == syscalls.SINCE_6_1


def test_from_424_on_the_machines_agree():
    ours, theirs = (
        {name: number for name, number in syscalls.numbers(arch).items() if number >= 424}
        for arch in ("x86_64", "aarch64")
    )
    assert ours == theirs
    assert ours["pidfd_send_signal"] == 424


@pytest.mark.parametrize("arch", ["i386", "riscv64", "", "X86_64"])
def test_a_machine_without_a_table_is_an_error_with_a_hint(arch):
    for question in (syscalls.numbers, syscalls.spans):
        with pytest.raises(MachineError) as caught:
            question(arch)
        assert repr(arch) in str(caught.value)
        assert caught.value.hint


def test_audit_constants_are_those_of_linux_audit_h():
    header = INCLUDE / "linux/audit.h"
    machines = INCLUDE / "linux/elf-em.h"
    if not header.exists() or not machines.exists():
        pytest.skip("no linux/audit.h on this machine")
    text = header.read_text()
    elf = dict(re.findall(r"^#define (EM_\w+)\s+(\d+)", machines.read_text(), re.M))
    flags = {"__AUDIT_ARCH_64BIT": 0x80000000, "__AUDIT_ARCH_LE": 0x40000000}
    for arch, macro in (("x86_64", "X86_64"), ("aarch64", "AARCH64"), ("i386", "I386")):
        (terms,) = re.findall(rf"^#define AUDIT_ARCH_{macro}\s+\(([^)]*)\)", text, re.M)
        value = sum(flags[term] if term in flags else int(elf[term]) for term in terms.split("|"))
        assert syscalls.AUDIT_ARCH[arch] == value
