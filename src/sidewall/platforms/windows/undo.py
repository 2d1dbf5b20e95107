"""Changes that belong together: what was done is taken back, the last first, when one of them fails.

Knows: the order of undoing.  Must not know: any change.

How a change is taken back is noted before it is made: a call that failed may have had its effect all the same.  So
taking back must be possible whether it was made or not.
"""

from __future__ import annotations

from sidewall.errors import SidewallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


class Changes:
    """Notes of what was done.  ``left`` are lines about what could not be taken back, after ``take_back``."""

    def __init__(self) -> None:
        self._noted: list[tuple[str, Callable[[], object]]] = []
        self.left: list[str] = []

    def note(self, what: str, back: Callable[[], object]) -> None:
        """``what`` (for people) is about to be made; ``back`` takes it back, made or not."""
        self._noted.append((what, back))

    def take_back(self) -> None:
        """Everything, the last first.  Raises nothing: what fails is in ``left``."""
        while self._noted:
            what, back = self._noted.pop()
            try:
                back()
            except SidewallError as error:
                self.left.append(f"{what}: {error}")


__all__ = ["Changes"]
