"""The probes for Windows, all of them in the order in which they are told.

Knows: which files they are in.  Must not know: what they try.
"""

from __future__ import annotations

from sidewall.verify import (
    probes_windows_deputies,
    probes_windows_files,
    probes_windows_reach,
    probes_windows_state,
)

PROBES = (
    *probes_windows_files.PROBES,
    *probes_windows_reach.PROBES,
    *probes_windows_deputies.PROBES,
    *probes_windows_state.PROBES,
)
