"""Frames: what is written is read, however the stream is cut; whatever else comes is an error and nothing worse."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.platforms.frames import DEEPEST, LARGEST, Decoder, Frame, FrameError, encode

KINDS = "abXZ"
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20) | st.just("\ud800")
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner,
                                                                                          max_size=4), max_leaves=8)
FRAMES = st.builds(lambda kind, head, raw: Frame(kind=kind, head=head, raw=raw), st.sampled_from(KINDS),
                   st.dictionaries(st.text(max_size=8), VALUES, max_size=5), st.binary(max_size=40))


def written(frames: list[Frame]) -> bytes:
    return b"".join([encode(one.kind, one.head, one.raw) for one in frames])


@given(st.lists(FRAMES, max_size=5), st.lists(st.integers(0, 400), max_size=8))
def test_what_is_written_is_read_however_it_is_cut(frames: list[Frame], cuts: list[int]) -> None:
    stream, decoder, found, at = written(frames), Decoder(KINDS), list[Frame](), 0
    for cut in [*sorted(cuts), len(stream)]:
        found += decoder.feed(stream[at:cut])
        at = max(at, cut)
    assert found == frames and not decoder.inside


@given(st.lists(FRAMES, min_size=1, max_size=2))
def test_byte_after_byte(frames: list[Frame]) -> None:
    decoder, found = Decoder(KINDS), list[Frame]()
    stream = written(frames)
    for place in range(len(stream)):
        found += decoder.feed(stream[place : place + 1])
        assert found == frames[: len(found)]
    assert found == frames


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_anything_at_all_is_frames_or_one_error_for_ever(pieces: list[bytes]) -> None:
    decoder, broken = Decoder(KINDS, largest=200), False
    for piece in pieces:
        try:
            frames = decoder.feed(piece)
        except FrameError:
            broken = True
        else:
            assert not broken
            assert all(one.kind in KINDS and type(one.head) is dict for one in frames)


@given(FRAMES, st.integers(0, 10**6), st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_another_frame_or_waits(frame: Frame, place: int, value: int) -> None:
    stream = bytearray(written([frame]))
    stream[place % len(stream)] = value
    try:
        found = list(Decoder(KINDS).feed(bytes(stream)))
    except FrameError:
        return
    assert len(found) <= 1


def framed(head: bytes, *, kind: bytes = b"a", size: int | None = None, told: int | None = None) -> bytes:
    """A frame by hand, which may say what is not so of its lengths."""
    length = 5 + len(head) if size is None else size
    return length.to_bytes(4, "little") + kind + (len(head) if told is None else told).to_bytes(4, "little") + head


WRONG = {
    "shorter than its parts": framed(b"", size=4),
    "longer than the bound": framed(b"{}", size=LARGEST + 1),
    "of another kind": framed(b"{}", kind=b"q"),
    "with a head beyond its end": framed(b"{}", told=3),
    "with a head that is no object": framed(b"[]"),
    "without a head": framed(b""),
    "with a name twice": framed(b'{"a":1,"a":1}'),
    "with a name twice, deeper": framed(b'{"a":[{"b":1,"b":2}]}'),
    "with a fraction": framed(b'{"a":1.5}'),
    "with an exponent": framed(b'{"a":1e400}'),
    "with what is no number": framed(b'{"a":NaN}'),
    "with no end of a number": framed(b'{"a":' + b"9" * 5000 + b"}"),
    "with text that is not UTF-8": framed(b'{"a":"\xff"}'),
    "with something after its object": framed(b"{}{}"),
    "nested for ever": framed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "nested too deeply": framed(b'{"a":' + b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1) + b"}"),
}


@pytest.mark.parametrize("data", WRONG.values(), ids=WRONG)
def test_a_frame_that_is_wrong_ends_the_stream(data: bytes) -> None:
    decoder = Decoder(KINDS)
    assert [one.head for one in decoder.feed(framed(b"{}"))] == [{}]
    with pytest.raises(FrameError) as first:
        decoder.feed(data)
    with pytest.raises(FrameError) as second:
        decoder.feed(framed(b"{}"))
    assert str(first.value) == str(second.value) and len(str(first.value)) < 300


def test_a_frame_beyond_the_bound_is_refused_by_its_first_bytes() -> None:
    with pytest.raises(FrameError, match="not between"):
        Decoder(KINDS, largest=100).feed((101).to_bytes(4, "little"))
    with pytest.raises(FrameError, match="kind"):
        Decoder(KINDS).feed((50).to_bytes(4, "little") + b"?")


def test_what_cannot_be_written() -> None:
    for head in ({"a": float("nan")}, {"a": object()}, {"a": b"bytes"}):
        with pytest.raises(FrameError):
            encode("a", head)
    with pytest.raises(FrameError, match="longer than"):
        encode("a", {}, b"x" * LARGEST)
    assert json.loads(encode("a", {"b": "\ud800한"})[9:]) == {"b": "\ud800한"}
