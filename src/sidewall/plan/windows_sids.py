"""Names made from other names: the synthetic SID of a policy, the sandbox's accounts of a Windows user.

Knows: what an access list of a plan depends on; how long a name of a local account may be (NetUserAdd: 20).
Must not know: this machine, random numbers.

A SID made so is the same at every start, so that nothing is written again; another policy, another user or another
installation has another one, so that what one policy was granted is worth nothing under the next.  There is one for a
policy, not one for a directory, and an access token holds one, so neither grows for ever.
"""

from __future__ import annotations

import sys

from sidewall.nt.sid import Sid
from sidewall.plan.windows_edits import key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sidewall.policy.model import Policy

NT_AUTHORITY, NON_UNIQUE = 5, 21
LOWEST_RID = 1000
"""Below it are the accounts that every domain has."""
PREFIX = "sidewall-"
LONGEST_NAME = 20
_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"


def sha256(text: str) -> bytes:
    """The digest of a text."""
    if sys.version_info >= (3, 12):
        from _sha2 import sha256 as algorithm
    else:
        from _sha256 import sha256 as algorithm  # type: ignore[import-not-found,unused-ignore]
    return bytes(algorithm(text.encode("utf-8", "surrogatepass")).digest())


def policy_key(policy: Policy) -> str:
    """What of a policy its access lists depend on, as one text: the same for the same rules in any order and case."""

    def fold(path: str, glob: bool = False) -> str:
        return path.upper() if glob else "\\".join(key(path))

    rules = sorted({(fold(rule.path, rule.glob), rule.access, rule.glob) for rule in policy.files})
    return repr((rules, sorted({name.upper() for name in policy.protected}), policy.git,
                 sorted({fold(path) for path in policy.gitdirs}), sorted({fold(path) for path in policy.private})))


def capability(install: str, user: Sid, policy: Policy) -> Sid:
    """The synthetic SID that stands for "this policy of this user, here": S-1-5-21-a-b-c-d, which belongs to nobody.

    Raises PolicyError for a path in the policy that cannot be read.
    """
    digest = sha256("\0".join(("capability", install, user, policy_key(policy))))
    numbers = [int.from_bytes(digest[at : at + 4], "little") for at in (0, 4, 8, 12)]
    numbers[3] = max(numbers[3], LOWEST_RID)
    return Sid.of(NT_AUTHORITY, NON_UNIQUE, *numbers)


def account_names(user: Sid) -> tuple[str, str, str]:
    """The names of the group, of the account without network and of the account with it, for this Windows user."""
    number = int.from_bytes(sha256("account\0" + user)[:8], "little")
    name = ""
    for _ in range(LONGEST_NAME - len(PREFIX) - len("-off")):
        number, digit = divmod(number, len(_ALPHABET))
        name += _ALPHABET[digit]
    return PREFIX + name, f"{PREFIX}{name}-off", f"{PREFIX}{name}-on"
