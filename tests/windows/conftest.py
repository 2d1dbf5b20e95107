"""What the tests of the Windows backend share: no handle stays open, and a machine of 64 bits.

Knows: the ledger of handles.  Must not know: any test.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sidewall.platforms.windows.handles import ledger


@pytest.fixture(autouse=True)
def no_handle_stays_open() -> Iterator[None]:
    """Every test of this directory closes what it opened, and drops nothing that is open."""
    before, leaked = dict(ledger.open), len(ledger.leaked)
    yield
    if ledger.open.keys() - before:
        gc.collect()  # what was dropped in a circle is still counted as open; else there is nothing to find
    left = {number: what for number, what in ledger.open.items() if number not in before}
    assert not left, f"left open: {sorted(left.values())}"
    assert ledger.leaked[leaked:] == []
