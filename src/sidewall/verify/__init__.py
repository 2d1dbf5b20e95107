"""Room: the real sandbox of this machine is attacked, and what came of it is looked at from outside.

``probes*`` are data: what is tried, and what its effect would be.  ``scene*`` makes everything that is attacked, and
takes it away again.  ``looks`` sees effects.  ``runner`` tries each probe twice, without a sandbox and inside one.
``report`` compares with what the plan promised.  The document it follows: docs/verify.md.
"""

from __future__ import annotations

__all__: list[str] = []
