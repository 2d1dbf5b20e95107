"""Durations and sizes.

Knows: what people write.  Must not know: keys.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidewall.config import units


@pytest.mark.parametrize(("text", "value"), [
    ("90s", 90), ("10m", 600), ("1h30m", 5400), ("1.5h", 5400), ("250ms", 0.25), ("1d2h3m4s", 93784), (60, 60),
    (0.5, 0.5), ("0s", 0),
    (" 10M ", 600),
])
def test_durations(text: str | float, value: float) -> None:
    assert units.seconds(text) == value


@pytest.mark.parametrize("text", [
    "", "10", "m", "10x", "1m1h", "1m1m", "-1s", "1..5s", ".s", "9999999d", 1e10, "1h 30m", "٣s",
])
def test_what_is_no_duration(text: str | float) -> None:
    with pytest.raises(ValueError, match=r"is \w+"):
        units.seconds(text)


@pytest.mark.parametrize(("text", "value"), [
    ("512MiB", 512 << 20), ("2GiB", 2 << 30), ("1.5GB", 1_500_000_000), ("10kb", 10_000), ("4k", 4096), ("1b", 1),
    (7, 7), ("0.5KiB", 512),
])
def test_sizes(text: str | int, value: int) -> None:
    assert units.size(text) == value


@pytest.mark.parametrize("text", ["", "10", "GiB", "1 GiB", "1GiB2", "-1k", "1PiB", "99999999999TiB", "1e3k", "٣k"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(ValueError, match=r"is \w+"):
        units.size(text)


@given(st.text(alphabet="0123456789.hmskKiMGB ", max_size=10))
def test_every_text_is_a_number_or_refused(text: str) -> None:
    for convert in (units.seconds, units.size):
        try:
            value = convert(text)
        except ValueError:
            continue
        assert value >= 0
