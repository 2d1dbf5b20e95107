"""Accounts that the sign-in screen does not show.

Knows: the ``UserList`` key of Winlogon.  Must not know: how accounts are made.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.platforms.windows.registry import Registry

SPECIAL = r"SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon\SpecialAccounts"
USER_LIST = SPECIAL + r"\UserList"
NOT_SHOWN = 0


def hide(registry: Registry, name: str) -> None:
    """Raises Win32Error."""
    registry.set_value(USER_LIST, name, NOT_SHOWN)


def hidden(registry: Registry, name: str) -> bool:
    """Raises Win32Error."""
    return registry.value(USER_LIST, name) == NOT_SHOWN


def show(registry: Registry, name: str) -> None:
    """Removes the account's value, and the keys when they are empty then.  Raises Win32Error."""
    registry.delete_value(USER_LIST, name)
    for key in (USER_LIST, SPECIAL):
        if registry.values(key) or registry.keys(key):
            return
        registry.delete_key(key)


def listed(registry: Registry, prefix: str) -> tuple[str, ...]:
    """The names that begin so and are in the list.  Raises Win32Error."""
    return tuple([name for name in registry.values(USER_LIST) if name.lower().startswith(prefix)])


__all__ = ["USER_LIST", "hidden", "hide", "listed", "show"]
