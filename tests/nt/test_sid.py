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
        ("s-1-5-32-0x220", "S-1-5-32-544"),
        ("S-1-0x000000000005-32-544", "S-1-5-32-544"),
        ("S-1-0x00012a05f200-30", "S-1-0x12A05F200-30"),
        ("S-1-5000000000-30", "S-1-0x12A05F200-30"),
    ],
)
def test_text_becomes_canonical(text: str, canonical: str) -> None:
    assert Sid(text) == canonical
    assert Sid.from_bytes(Sid(text).to_bytes()) == canonical
