"""SIDs: text and bytes, both ways, and what is refused.

Knows: MS-DTYP 2.4.2.  Must not know: descriptors.
"""

from __future__ import annotations

import pytest

from sidewall.nt.sid import Sid


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("S-1-5-32-544", "S-1-5-32-544"),
        ("s-1-5-032-0544", "S-1-5-32-544"),
        ("S-1-0x000000000005-32-544", "S-1-5-32-544"),
        ("S-1-0x100000000000-1", "S-1-0x100000000000-1"),
    ],
)
def test_text_becomes_canonical(text: str, canonical: str) -> None:
    assert Sid(text) == canonical
    assert Sid.from_bytes(Sid(text).to_bytes()) == canonical
