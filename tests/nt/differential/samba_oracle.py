"""Samba's access check as a program: JSON lines in, one answer a line out.

Knows: the Python bindings of Debian's python3-samba, which only the system's interpreter has.
Must not know: Sidewall.  Run as ``/usr/bin/python3 samba_oracle.py``; it prints a first line when it is ready.

A question is ``[owner, group, entries, [SID, ...], [privilege, ...], mask]``, an answer the granted mask, null where
access is denied, or a text that says what failed.  ``entries`` are the DACL's as ``[type, flags, mask, SID]``; null
stands for a NULL DACL, false for none.  Samba maps no generic bits, so the question holds none.
"""

import json
import sys

from samba import NTSTATUSError
from samba.dcerpc import security
from samba.security import access_check

PRIVILEGES = {
    "SeSecurityPrivilege": security.SEC_PRIV_SECURITY,
    "SeTakeOwnershipPrivilege": security.SEC_PRIV_TAKE_OWNERSHIP,
}
DENIED = (0xC0000022, 0xC0000061)  # access denied, privilege not held
SIDS = {}


def sid(text):
    if text not in SIDS:
        SIDS[text] = security.dom_sid(text)
    return SIDS[text]


def descriptor(owner, group, entries):
    result = security.descriptor()
    result.owner_sid, result.group_sid = sid(owner), sid(group)
    if entries is False:
        return result
    result.type |= security.SEC_DESC_DACL_PRESENT
    if entries is not None:
        dacl = security.acl()
        dacl.revision = security.SECURITY_ACL_REVISION_NT4
        aces = []
        for kind, flags, mask, trustee in entries:
            ace = security.ace()
            ace.type, ace.flags, ace.access_mask, ace.trustee = kind, flags, mask, sid(trustee)
            aces.append(ace)
        dacl.aces, dacl.num_aces = aces, len(aces)
        result.dacl = dacl
    return result


def answer(question):
    owner, group, entries, sids, privileges, mask = question
    token = security.token()
    token.sids = [sid(each) for each in sids]
    token.num_sids = len(sids)
    for name in privileges:
        token.set_privilege(PRIVILEGES[name])
    try:
        return access_check(descriptor(owner, group, entries), token, mask)
    except NTSTATUSError as error:
        return None if error.args[0] & 0xFFFFFFFF in DENIED else repr(error)
    except Exception as error:
        return repr(error)


print("ready", flush=True)
for line in sys.stdin:
    print(json.dumps([answer(question) for question in json.loads(line)]), flush=True)
