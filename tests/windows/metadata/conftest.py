"""The metadata, read once a worker.

Knows: where it comes from.  Must not know: what it is compared with.
"""

from __future__ import annotations

import struct
from importlib.metadata import PackageNotFoundError

import pytest

from .winmd import Metadata


@pytest.fixture(scope="session")
def metadata() -> Metadata:
    """All declarations."""
    if struct.calcsize("P") != 8:
        pytest.skip("structures are compared as 64 bits lay them out")
    try:
        return Metadata()
    except PackageNotFoundError as error:
        pytest.skip(f"the package with Microsoft's metadata is not installed: {error}")
