"""Handles: counted while open, closed once, useless afterwards, and missed when they are dropped.

Knows: the ledger.  Must not know: any DLL.
"""

from __future__ import annotations

import gc

import pytest

from sidewall.errors import InternalError
from sidewall.platforms.windows.handles import Borrowed, Handle, HandleError, ledger


def test_one_is_counted_while_it_is_open() -> None:
    closed: list[int] = []
    before = len(ledger.open)
    handle = Handle(42, closed.append, "a thing")
    assert len(ledger.open) == before + 1
    assert "a thing" in ledger.open.values()
    assert handle.value == 42
    handle.close()
    assert closed == [42]
    assert len(ledger.open) == before


def test_closing_twice_and_use_after_close_are_errors() -> None:
    closed: list[int] = []
    handle = Handle(42, closed.append, "a thing")
    handle.close()
    with pytest.raises(HandleError, match="a thing is closed twice"):
        handle.close()
    with pytest.raises(InternalError, match="a thing is used after it was closed"):
        assert handle.value
    assert closed == [42]
    assert handle.closed


def test_a_with_statement_closes_it_whatever_happens() -> None:
    closed: list[int] = []
    with pytest.raises(KeyError), Handle(1, closed.append, "a thing"):
        raise KeyError
    with Handle(2, closed.append, "another") as handle:
        handle.close()  # early is allowed
    assert closed == [1, 2]


def test_one_that_was_given_away_is_somebody_elses() -> None:
    closed: list[int] = []
    before = len(ledger.open)
    handle = Handle(7, closed.append, "a thing")
    assert handle.detach() == 7
    assert len(ledger.open) == before
    assert handle.closed
    with pytest.raises(HandleError):
        handle.close()
    assert closed == []


def test_one_that_was_dropped_is_closed_and_remembered() -> None:
    closed: list[int] = []
    Handle(9, closed.append, "a dropped thing")
    gc.collect()
    assert closed == [9]
    assert ledger.leaked.pop() == "a dropped thing"


def test_a_closer_that_fails_closes_all_the_same() -> None:
    def refuse(value: int) -> None:
        raise OSError(value)

    before = len(ledger.open)
    handle = Handle(3, refuse, "a thing")
    with pytest.raises(OSError, match="3"):
        handle.close()
    assert handle.closed
    assert len(ledger.open) == before


def test_a_borrowed_one_is_never_given_back() -> None:
    before = len(ledger.open)
    with Borrowed(5, "the process") as handle:
        assert handle.value == 5
        assert len(ledger.open) == before
    with pytest.raises(HandleError):
        handle.close()
    Borrowed(6, "another")
    gc.collect()
    assert "another" not in ledger.leaked
