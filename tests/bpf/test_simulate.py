"""The simulator: what a program does, and which programs are none."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sidewall.bpf import assemble as bpf
from sidewall.bpf.assemble import ABS, ALLOW, ALU, IMM, JMP, LD, LDX, LEN, MEM, MISC, RET, ST, STX, A, K, W, X
from sidewall.bpf.simulate import check, run, seccomp_data, simulate
from sidewall.errors import InternalError

WORD = st.integers(0, 0xFFFFFFFF)
END = (RET | K, 0, 0, ALLOW)


def program(*instructions):
    return b"".join(
        (code | jt << 16 | jf << 24 | k << 32).to_bytes(8, "little") for code, jt, jf, k in instructions
    )


def result_of(*instructions):
    return simulate(program(*instructions, (RET | A, 0, 0, 0)), 0, 0, [])


@given(WORD, WORD)
def test_arithmetic_wraps_at_32_bits_with_constant_and_with_x(a, b):
    expected = {
        bpf.ADD: (a + b) % 2**32,
        bpf.SUB: (a - b) % 2**32,
        bpf.MUL: a * b % 2**32,
        bpf.OR: a | b,
        bpf.AND: a & b,
        bpf.XOR: a ^ b,
    }
    for operation, value in expected.items():
        assert result_of((LD | IMM, 0, 0, a), (ALU | operation | K, 0, 0, b)) == value
        assert result_of((LDX | IMM, 0, 0, b), (LD | IMM, 0, 0, a), (ALU | operation | X, 0, 0, 0)) == value
    assert result_of((LD | IMM, 0, 0, a), (ALU | bpf.NEG, 0, 0, 0)) == -a % 2**32


@given(WORD, st.integers(0, 31))
def test_shifts(a, count):
    assert result_of((LD | IMM, 0, 0, a), (ALU | bpf.LSH | K, 0, 0, count)) == a << count & 0xFFFFFFFF
    assert result_of((LD | IMM, 0, 0, a), (ALU | bpf.RSH | K, 0, 0, count)) == a >> count


@given(WORD, st.integers(1, 0xFFFFFFFF))
def test_division(a, b):
    assert result_of((LD | IMM, 0, 0, a), (ALU | bpf.DIV | K, 0, 0, b)) == a // b
    assert result_of((LDX | IMM, 0, 0, b), (LD | IMM, 0, 0, a), (ALU | bpf.DIV | X, 0, 0, 0)) == a // b
    # X is 0 at the start: the filter ends at once, with the verdict that kills the thread.
    assert simulate(program((LD | IMM, 0, 0, a), (ALU | bpf.DIV | X, 0, 0, 0), END), 0, 0, []) == 0


@given(WORD, WORD)
def test_tests_compare_unsigned(a, b):
    for test, expected in ((bpf.JEQ, a == b), (bpf.JGT, a > b), (bpf.JGE, a >= b), (bpf.JSET, bool(a & b))):
        tail = ((RET | K, 0, 0, 0), (RET | K, 0, 0, 1))
        assert simulate(program((LD | IMM, 0, 0, a), (JMP | test | K, 1, 0, b), *tail), 0, 0, []) == expected
        by_x = program((LDX | IMM, 0, 0, b), (LD | IMM, 0, 0, a), (JMP | test | X, 1, 0, 0), *tail)
        assert simulate(by_x, 0, 0, []) == expected


def test_loads_stores_and_transfers():
    assert result_of((LD | W | LEN, 0, 0, 0)) == 64
    assert result_of((LDX | W | LEN, 0, 0, 0), (MISC | bpf.TXA, 0, 0, 0)) == 64
    assert result_of((LD | IMM, 0, 0, 5), (ST, 0, 0, 15), (LD | IMM, 0, 0, 6), (LD | MEM, 0, 0, 15)) == 5
    assert result_of((LDX | IMM, 0, 0, 7), (STX, 0, 0, 0), (LD | MEM, 0, 0, 0)) == 7
    stored = ((LD | IMM, 0, 0, 8), (ST, 0, 0, 3), (LDX | MEM, 0, 0, 3), (MISC | bpf.TXA, 0, 0, 0))
    assert result_of(*stored) == 8
    assert result_of((LD | IMM, 0, 0, 9), (MISC | bpf.TAX, 0, 0, 0), (ALU | bpf.ADD | X, 0, 0, 0)) == 18
    assert simulate(program((JMP | bpf.JA, 0, 0, 1), (RET | K, 0, 0, 1), (RET | K, 0, 0, 2)), 0, 0, []) == 2


@given(WORD, WORD, st.integers(0, 2**64 - 1), st.lists(st.integers(0, 2**64 - 1), min_size=6, max_size=6))
def test_seccomp_data_is_laid_out_as_in_linux_seccomp_h(nr, arch, pointer, args):
    data = seccomp_data(arch, nr, args, pointer)
    words = [int.from_bytes(data[at : at + 4], "little") for at in range(0, 64, 4)]
    expected = [nr, arch]
    for wide in (pointer, *args):
        expected += [wide & 0xFFFFFFFF, wide >> 32]
    assert words == expected
    for index, word in enumerate(words):
        assert run(check(program((LD | W | ABS, 0, 0, 4 * index), (RET | A, 0, 0, 0))), data) == word


def test_negative_numbers_and_missing_arguments():
    assert seccomp_data(1, -1, [-1])[:4] == b"\xff\xff\xff\xff"
    assert seccomp_data(1, -1, [-1])[16:32] == b"\xff" * 8 + b"\0" * 8


REFUSED = {
    "nothing": (),
    "no verdict at the end": ((LD | W | ABS, 0, 0, 0),),
    "a verdict in X": ((RET | X, 0, 0, 0),),
    "an unknown code": ((0xFFFF, 0, 0, 0), END),
    "a load of a half-word": ((LD | 0x08 | ABS, 0, 0, 0), END),
    "a load of a byte": ((LD | 0x10 | ABS, 0, 0, 0), END),
    "an indirect load": ((LD | W | 0x40, 0, 0, 0), END),
    "a load behind the data": ((LD | W | ABS, 0, 0, 64), END),
    "a load of the ancillary area": ((LD | W | ABS, 0, 0, 0xFFFFF000), END),
    "a load off the words": ((LD | W | ABS, 0, 0, 2), END),
    "a remainder": ((ALU | 0x90 | K, 0, 0, 2), END),
    "a division by zero": ((ALU | bpf.DIV | K, 0, 0, 0), END),
    "a shift by 32": ((ALU | bpf.LSH | K, 0, 0, 32), END),
    "a shift right by 32": ((ALU | bpf.RSH | K, 0, 0, 32), END),
    "memory word 16": ((ST, 0, 0, 16), END),
    "an unwritten word": ((LD | MEM, 0, 0, 0), END),
    "a word written on one way only": ((JMP | bpf.JEQ | K, 0, 1, 0), (ST, 0, 0, 0), (LD | MEM, 0, 0, 0), END),
    "a jump to the end": ((JMP | bpf.JA, 0, 0, 1), END),
    "a jump that wraps": ((JMP | bpf.JA, 0, 0, 0xFFFFFFFF), END),
    "a branch to the end": ((JMP | bpf.JEQ | K, 1, 0, 0), END),
    "a branch else to the end": ((JMP | bpf.JEQ | K, 0, 255, 0), END),
    "too many": (END,) * 4097,
}
TAKEN = {
    "one verdict": (END,),
    "the verdict in A": ((LD | IMM, 0, 0, ALLOW), (RET | A, 0, 0, 0)),
    "the last word of the data": ((LD | W | ABS, 0, 0, 60), END),
    "a word written on both ways": (
        (JMP | bpf.JEQ | K, 0, 2, 0), (ST, 0, 0, 0), (JMP | bpf.JA, 0, 0, 1), (STX, 0, 0, 0), (LD | MEM, 0, 0, 0), END,
    ),
    "the longest": (END,) * 4096,
    "unused fields": ((LD | IMM, 9, 9, 1), (MISC | bpf.TAX, 1, 2, 3), END),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_programs_that_seccomp_refuses(name):
    with pytest.raises(InternalError):
        check(program(*REFUSED[name]))


@pytest.mark.parametrize("name", TAKEN)
def test_programs_that_seccomp_takes(name):
    assert len(check(program(*TAKEN[name]))) == len(TAKEN[name])


def test_a_length_that_is_no_whole_instruction_is_refused():
    with pytest.raises(InternalError):
        check(program(END)[:-1])


def test_the_kernel_agrees_on_what_is_a_program(ask_kernel):
    cases = [(REFUSED, 22, name) for name in REFUSED] + [(TAKEN, 0, name) for name in TAKEN]
    answers = ask_kernel([{"program": program(*table[name]).hex(), "calls": []} for table, _, name in cases])
    assert [answer["installed"] for answer in answers] == [errno for _, errno, _ in cases]


# What the kernel computes, seen from outside: a filter that looks at one harmless call answers it with the low bits
# of A as its errno.
OPERATIONS = (bpf.ADD, bpf.SUB, bpf.MUL, bpf.DIV, bpf.OR, bpf.AND, bpf.XOR, bpf.LSH, bpf.RSH)
INTERESTING = st.one_of(st.sampled_from((0, 1, 31, 32, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)), WORD)


@st.composite
def computing(draw):
    steps = [(ST, 0, 0, word) for word in range(16)]
    for _ in range(draw(st.integers(1, 12))):
        code = draw(
            st.sampled_from(
                (
                    LD | IMM, LDX | IMM, LD | W | LEN, LDX | W | LEN, LD | MEM, LDX | MEM, ST, STX, ALU | bpf.NEG,
                    MISC | bpf.TAX, MISC | bpf.TXA, LD | W | ABS,
                    *(ALU | operation | source for operation in OPERATIONS for source in (K, X)),
                    *(JMP | test | source for test in (bpf.JEQ, bpf.JGT, bpf.JGE, bpf.JSET) for source in (K, X)),
                )
            )
        )  # fmt: skip
        k = draw(INTERESTING)
        if code == LD | W | ABS:
            k = k % 12 * 4 + 16
        elif code in (LD | MEM, LDX | MEM, ST, STX):
            k %= 16
        elif code in (ALU | bpf.LSH | K, ALU | bpf.RSH | K):
            k %= 32
        elif code == ALU | bpf.DIV | K:
            k = k or 1
        elif code & 7 == JMP:
            # Both ways stay inside: the steps that may be jumped over are two instructions that do nothing harmful.
            steps += [(code, draw(st.integers(0, 2)), draw(st.integers(0, 2)), k), (MISC | bpf.TAX, 0, 0, 0)]
            code, k = ALU | bpf.XOR | K, draw(WORD)
        steps.append((code, 0, 0, k))
    return steps


GETPPID = {"x86_64": 110, "aarch64": 173}


def watching(nr, steps):
    """Everything but ``nr`` goes on; for ``nr`` the steps run, and 12 bits of A come back (never 0)."""
    body = (
        *steps,
        (ST, 0, 0, 0), (ALU | bpf.RSH | K, 0, 0, 12), (MISC | bpf.TAX, 0, 0, 0), (LD | MEM, 0, 0, 0),
        (ALU | bpf.XOR | X, 0, 0, 0), (ALU | bpf.RSH | K, 0, 0, 8), (MISC | bpf.TAX, 0, 0, 0), (LD | MEM, 0, 0, 0),
        (ALU | bpf.XOR | X, 0, 0, 0), (ALU | bpf.AND | K, 0, 0, 0x7FF), (ALU | bpf.ADD | K, 0, 0, 1),
        (ALU | bpf.OR | K, 0, 0, bpf.ERRNO), (RET | A, 0, 0, 0),
    )  # fmt: skip
    return program((LD | W | ABS, 0, 0, 0), (JMP | bpf.JEQ | K, 1, 0, nr), END, *body)


# Without shrinking: each step of it would ask the kernel, for minutes.
@settings(max_examples=25, deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.data())
def test_the_kernel_computes_the_same(ask_kernel, machine, data):
    nr = GETPPID[machine]
    arch = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine]
    cases = data.draw(
        st.lists(st.tuples(computing(), st.lists(INTERESTING, min_size=6, max_size=6)), min_size=8)
    )
    programs = [watching(nr, steps) for steps, _ in cases]
    answers = ask_kernel(
        [{"program": p.hex(), "calls": [[nr, *args]]} for p, (_, args) in zip(programs, cases, strict=True)]
    )
    for text, (_, args), answer in zip(programs, cases, answers, strict=True):
        verdict = simulate(text, arch, nr, args)
        if verdict == bpf.KILL_THREAD:
            assert answer["outcomes"] == [] and answer["status"] & 0x7F == 31
        else:
            assert verdict & bpf.ACTION_MASK == bpf.ERRNO
            assert (answer["installed"], answer["outcomes"]) == (0, [verdict & 0xFFFF])
