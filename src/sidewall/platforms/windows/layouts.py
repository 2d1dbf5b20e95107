"""Where a structure that a prototype names is defined.

Knows: the modules of structures.  Must not know: any structure.  The modules are imported one after the other until the
name is found, those that starting a command needs first.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MODULES = ("layouts_process", "layouts_security", "layouts_files", "layouts_accounts", "layouts_filtering")


def find(name: str) -> Any:
    """The ctypes structure or union of this name.  Raises KeyError when no module defines it."""
    for module in MODULES:
        full = f"sidewall.platforms.windows.{module}"
        __import__(full)
        found = getattr(sys.modules[full], name, None)
        if found is not None:
            return found
    raise KeyError(f"no structure {name}")


__all__ = ["MODULES", "find"]
