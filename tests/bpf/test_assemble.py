"""The assembler: encodings, jumps of every length, and what it must refuse."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sidewall.bpf import assemble as bpf
from sidewall.bpf.assemble import ALLOW, ERRNO, JEQ, JGE, JGT, JSET, Assembler
from sidewall.bpf.simulate import check, simulate
from sidewall.errors import InternalError

COMPARE = {
    JEQ: lambda a, b: a == b,
    JGT: lambda a, b: a > b,
    JGE: lambda a, b: a >= b,
    JSET: lambda a, b: bool(a & b),
}


def test_the_bytes_of_a_small_program_are_those_of_linux_filter_h():
    asm = Assembler()
    asm.load(bpf.ARCH)
    asm.branch(JEQ, 0xC000003E, "", "no")
    asm.load(bpf.low(1))
    asm.mask(0xF)
    asm.branch(JSET, 8, "no", "")
    asm.ret(ALLOW)
    asm.label("no")
    asm.ret(ERRNO | 38)
    assert asm.assemble().hex(" ", 8) == " ".join(
        (
            "2000000004000000",  # ld [4]
            "150000043e0000c0",  # jeq #0xc000003e, 0, 4
            "2000000018000000",  # ld [24]
            "540000000f000000",  # and #15
            "4500010008000000",  # jset #8, 1, 0
            "060000000000ff7f",  # ret allow
            "0600000026000500",  # ret errno 38
        )
    )


@pytest.mark.parametrize("side", ["then", "otherwise", "both"])
@pytest.mark.parametrize("distance", [0, 1, 254, 255, 256, 257, 600, 4000])
def test_a_jump_of_any_length_arrives(side, distance):
    asm = Assembler()
    asm.load(bpf.NR)
    asm.branch(JEQ, 7, *{"then": ("far", ""), "otherwise": ("", "far"), "both": ("far", "more")}[side])
    for _ in range(distance):
        asm.op(bpf.LD | bpf.IMM, 1)
    asm.ret(1)
    asm.label("far")
    asm.ret(2)
    asm.label("more")
    asm.ret(3)
    program = asm.assemble()
    check(program)
    hit, miss = simulate(program, 0, 7, []), simulate(program, 0, 8, [])
    assert (hit, miss) == {"then": (2, 1), "otherwise": (1, 2), "both": (2, 3)}[side]


def test_near_jumps_cost_no_hop_and_far_ones_one_each():
    def hops(filler, then, otherwise):
        asm = Assembler()
        asm.branch(JEQ, 7, then, otherwise)
        for _ in range(filler):
            asm.op(bpf.LD | bpf.IMM, 1)
        asm.label("a")
        asm.ret(1)
        asm.label("b")
        asm.ret(2)
        return len(asm.assemble()) // 8 - 3 - filler

    assert [hops(filler, "a", "") for filler in (0, 255, 256, 999)] == [0, 0, 1, 1]
    assert [hops(filler, "", "a") for filler in (0, 255, 256, 999)] == [0, 0, 1, 1]
    # With 255, "b" is one too far, and its hop pushes "a" out of reach.
    assert [hops(filler, "a", "b") for filler in (0, 254, 255, 256)] == [0, 0, 2, 2]


def test_a_hop_that_pushes_another_label_out_of_reach_is_noticed():
    # Between a branch and its label, exactly at the limit, lies another branch that needs a hop.
    asm = Assembler()
    asm.load(bpf.NR)
    asm.branch(JEQ, 1, "near")
    asm.branch(JEQ, 2, "far")
    for _ in range(254):
        asm.op(bpf.LD | bpf.IMM, 9)
    asm.label("near")
    asm.ret(1)
    for _ in range(100):
        asm.op(bpf.LD | bpf.IMM, 9)
    asm.label("far")
    asm.ret(2)
    program = asm.assemble()
    assert [simulate(program, 0, nr, []) for nr in (1, 2, 3)] == [1, 2, 1]


@st.composite
def labelled(draw):
    """Blocks in order: filler, a compare of the number or a plain jump with labels of later blocks, or a verdict."""
    count = draw(st.integers(2, 9))
    blocks = []
    for index in range(count - 1):
        later = st.one_of(st.none(), st.integers(index + 1, count - 1))
        kind = draw(st.sampled_from(("branch", "branch", "branch", "jump", "verdict")))
        blocks.append(
            (
                draw(st.sampled_from((0, 1, 3, 100, 253, 254, 255, 256, 400))),
                kind,
                draw(st.sampled_from(tuple(COMPARE))),
                draw(st.integers(0, 5)),
                draw(later) if kind == "branch" else draw(st.integers(index + 1, count - 1)),
                draw(later),
            )
        )
    return blocks, count


def assembled(blocks):
    asm = Assembler()
    for index, (filler, kind, test, k, then, otherwise) in enumerate(blocks):
        asm.label(str(index))
        for number in range(filler):
            asm.op(bpf.LD | bpf.IMM, number)
        if kind == "branch":
            asm.load(bpf.NR)
            asm.branch(
                test, k, "" if then is None else str(then), "" if otherwise is None else str(otherwise)
            )
        elif kind == "jump":
            asm.jump(str(then))
        else:
            asm.ret(1000 + index)
    asm.label(str(len(blocks)))
    asm.ret(1000 + len(blocks))
    return asm.assemble()


def walked(blocks, nr):
    here = 0
    while here < len(blocks):
        _, kind, test, k, then, otherwise = blocks[here]
        if kind == "verdict":
            break
        goal = then if kind == "jump" or COMPARE[test](nr, k) else otherwise
        here = here + 1 if goal is None else goal
    return 1000 + here


@settings(max_examples=60, deadline=None)
@given(labelled())
def test_labels_mean_what_they_say_at_any_distance(case):
    blocks, _ = case
    program = assembled(blocks)
    check(program)
    assert program == assembled(blocks)
    for nr in range(8):
        assert simulate(program, 0, nr, []) == walked(blocks, nr)


def refused(*steps):
    asm = Assembler()
    with pytest.raises(InternalError) as caught:
        for step in steps:
            step(asm)
        asm.assemble()
    return str(caught.value)


def test_mistakes_are_refused_with_their_reason():
    assert "not a verdict" in refused()
    assert "not a verdict" in refused(lambda a: a.load(0))
    assert "'gone' is not defined" in refused(lambda a: a.jump("gone"), lambda a: a.ret(0))
    assert "backward" in refused(
        lambda a: a.label("top"), lambda a: a.load(0), lambda a: a.jump("top"), lambda a: a.ret(0)
    )
    assert "to the end" in refused(lambda a: a.jump("end"), lambda a: a.ret(0), lambda a: a.label("end"))
    assert "twice" in refused(lambda a: a.label("one"), lambda a: a.ret(0), lambda a: a.label("one"))
    assert "empty" in refused(lambda a: a.label(""))
    assert "32 bits" in refused(lambda a: a.ret(1 << 32))
    assert "32 bits" in refused(lambda a: a.branch(JEQ, -1), lambda a: a.ret(0))
    assert "4097 instructions" in refused(*[lambda a: a.load(0)] * 4096, lambda a: a.ret(0))


def test_the_longest_program_fits_and_hops_count():
    def program(filler):
        asm = Assembler()
        asm.branch(JEQ, 0, "end", "")
        for _ in range(filler):
            asm.load(0)
        asm.label("end")
        asm.ret(ALLOW)
        return asm.assemble()

    assert len(program(4093)) == 4096 * 8
    with pytest.raises(InternalError, match="4097"):
        program(4094)
