"""What was raised behind a facade, where C would swallow it, fails the test.

Knows: ``behind``.  Must not know: any test.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .behind import RAISED


@pytest.fixture(autouse=True)
def nothing_was_raised_behind() -> Iterator[None]:
    """Raises again what a function of ours raised when it was called as C."""
    RAISED.clear()
    yield
    if RAISED:
        raise RAISED[0]
