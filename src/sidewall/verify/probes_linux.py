"""The probes for Linux, all of them in the order in which they are told.

Knows: which files they are in.  Must not know: what they try.
"""

from __future__ import annotations

from sidewall.verify import probes_linux_files, probes_linux_reach, probes_linux_state

PROBES = (
    *probes_linux_files.PROBES,
    *probes_linux_reach.PROBES,
    *probes_linux_state.PROBES,
)
