"""Well-known SIDs: names both ways, and every alias of SDDL.

Knows: MS-DTYP 2.4.2.4 and 2.5.1.1, Win32's "SID Strings".  Must not know: descriptors.
"""

from __future__ import annotations

import pytest

from sidewall.nt import sddl, wellknown
from sidewall.nt.errors import SddlError, SidError
from sidewall.nt.sid import Sid

DOMAIN, MACHINE = Sid("S-1-5-21-10-20-30"), Sid("S-1-5-21-40-50-60")

# The sid-token production, in its order, with what MS-DTYP 2.4.2.4 says each is; D is the domain, M the machine.
TOKENS = """
DA=D-512 DG=D-514 DU=D-513 ED=S-1-5-9 DD=D-516 DC=D-515 BA=S-1-5-32-544 BG=S-1-5-32-546 BU=S-1-5-32-545
LA=M-500 LG=M-501 AO=S-1-5-32-548 BO=S-1-5-32-551 PO=S-1-5-32-550 SO=S-1-5-32-549 AU=S-1-5-11 PS=S-1-5-10
CO=S-1-3-0 CG=S-1-3-1 SY=S-1-5-18 PU=S-1-5-32-547 WD=S-1-1-0 RE=S-1-5-32-552 IU=S-1-5-4 NU=S-1-5-2 SU=S-1-5-6
RC=S-1-5-12 WR=S-1-5-33 AN=S-1-5-7 SA=D-518 CA=D-517 RS=D-553 EA=D-519 PA=D-520 RU=S-1-5-32-554 LS=S-1-5-19
NS=S-1-5-20 RD=S-1-5-32-555 NO=S-1-5-32-556 MU=S-1-5-32-558 LU=S-1-5-32-559 IS=S-1-5-32-568 CY=S-1-5-32-569
OW=S-1-3-4 ER=S-1-5-32-573 RO=D-498 CD=S-1-5-32-574 AC=S-1-15-2-1 RA=S-1-5-32-575 ES=S-1-5-32-576
MS=S-1-5-32-577 UD=S-1-5-84-0-0-0-0-0 HA=S-1-5-32-578 CN=D-522 AA=S-1-5-32-579 RM=S-1-5-32-580 LW=S-1-16-4096
ME=S-1-16-8192 MP=S-1-16-8448 HI=S-1-16-12288 SI=S-1-16-16384
"""
# What Win32's page and header have beyond it.
MORE = "AS=S-1-18-1 SS=S-1-18-2 AP=D-525 KA=D-526 EK=D-527 HO=S-1-5-32-584 SH=S-1-5-32-585"
PAIRS = [tuple(pair.split("=")) for pair in (TOKENS + MORE).split()]


@pytest.mark.parametrize(("alias", "meaning"), PAIRS)
def test_every_alias_means_what_the_documents_say(alias: str, meaning: str) -> None:
    expected = meaning.replace("D-", f"{DOMAIN}-").replace("M-", f"{MACHINE}-")
    assert sddl.sid(alias, domain=DOMAIN, machine=MACHINE) == expected
    assert sddl.sid(alias.lower(), domain=DOMAIN, machine=MACHINE) == expected
    assert sddl.parse(f"O:{alias}", domain=DOMAIN, machine=MACHINE).owner == expected


def test_there_are_no_other_aliases() -> None:
    known = {*wellknown.ALIASES, *wellknown.DOMAIN_ALIASES, *wellknown.MACHINE_ALIASES}
    assert known == {alias for alias, _ in PAIRS}


@pytest.mark.parametrize("alias", [*wellknown.DOMAIN_ALIASES, *wellknown.MACHINE_ALIASES])
def test_an_alias_of_a_domain_needs_one(alias: str) -> None:
    with pytest.raises(SddlError, match="no domain is given") as caught:
        sddl.parse(f"D:(A;;FA;;;{alias})")
    assert caught.value.position == 11
    assert "S-1-5-21-" in caught.value.hint


def test_an_alias_alone_has_no_place_in_a_text() -> None:
    for word in ("DA", "ZZ", ""):
        with pytest.raises(SddlError) as caught:
            sddl.sid(word)
        assert caught.value.position == -1


def test_a_machine_outside_a_domain_is_its_own() -> None:
    assert sddl.sid("LA", domain=DOMAIN) == f"{DOMAIN}-500"
    with pytest.raises(SddlError):
        sddl.sid("DA", machine=MACHINE)


def test_written_aliases_mean_the_same_on_every_machine() -> None:
    for alias, sid in wellknown.ALIASES.items():
        assert sddl.sid(sddl.sid_text(sid)) == sid
        assert wellknown.alias_of(sid) in (alias, "")
    assert sddl.sid_text(DOMAIN.child(512)) == f"{DOMAIN}-512"
    assert sddl.sid_text(Sid("S-1-5-32-584")) == "S-1-5-32-584", "older versions cannot read HO"


def test_names_lead_back_to_their_sids() -> None:
    assert wellknown.name_of(wellknown.AUTHENTICATED_USERS) == "authenticated users"
    assert wellknown.named("Authenticated Users") == "S-1-5-11"
    constants = {name: value for name, value in vars(wellknown).items() if isinstance(value, Sid)}
    assert len(constants) == len(set(constants.values())) > 40
    for name, sid in constants.items():
        assert wellknown.named(wellknown.name_of(sid)) == sid
        assert wellknown.named(name) == sid
    assert wellknown.name_of(DOMAIN) == ""
    with pytest.raises(SidError):
        wellknown.named("\u017fystem")
    with pytest.raises(SidError) as caught:
        wellknown.named("nobody in particular")
    assert caught.value.hint
