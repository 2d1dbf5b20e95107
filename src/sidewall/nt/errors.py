"""What is wrong with a SID, a descriptor, an SDDL text or a token that somebody gave.

Knows: the place of a fault (character or byte) and its remedy.  Must not know: how anything is parsed.
Follows no document; the tree is that of `sidewall.errors`, on the side of him who gave the input.
"""

from __future__ import annotations

from sidewall.errors import PolicyError


class NtError(PolicyError):
    """Base of the room's errors: what was given is not what the Windows documents describe."""


class SidError(NtError):
    """A text is not a SID."""


class SddlError(NtError):
    """A text is not SDDL, or a descriptor has no SDDL text.

    ``position`` is the index of the first character that cannot be right, -1 where there is no text.
    """

    def __init__(self, message: str, *, position: int = -1, hint: str = "") -> None:
        where = f"character {position}: " if position >= 0 else ""
        super().__init__(where + message, hint=hint)
        self.position = position


class DescriptorError(NtError):
    """Bytes are not a SID, an ACE, an ACL or a self-relative descriptor, or values do not fit into these.

    ``offset`` is the index of the first byte that cannot be right, -1 where there are no bytes.
    """

    def __init__(self, message: str, *, offset: int = -1, hint: str = "") -> None:
        where = f"byte {offset}: " if offset >= 0 else ""
        super().__init__(where + message, hint=hint)
        self.offset = offset


class TokenError(NtError):
    """A description of a token is incomplete or contradicts itself."""
