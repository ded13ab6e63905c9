"""What a simulated car shows of its contract."""

from __future__ import annotations

import pytest

from secc import exi
from secc.pki.certificates import read_certificate
from secc.pki.kinds import Kind
from secc.pki.names import COMMON_NAME, ORGANIZATION
from secc.pki.trust import Role
from secc.sim.wallet import Wallet
from tests.support import requests as r
from tests.support.contracts import identity
from tests.support.pki import name, tree


@pytest.mark.parametrize(
    ("common_name", "emaid"),
    [
        ("DE-ABC-C00000000-1", "DEABCC000000001"),
        ("de-abc-c00000000", "DEABCC00000000"),
        ("DEABCC000000001", "DEABCC000000001"),
    ],
)
def test_a_contract_with_hyphens_in_its_name_is_shown_in_the_normal_form(
    common_name: str, emaid: str
) -> None:
    subject = name((COMMON_NAME, common_name), (ORGANIZATION, "Test"))
    made = tree(Role.CONTRACT).but(leaf=lambda one: one.but(subject=subject))
    chain = tuple(read_certificate(der) for der in made.certificates[:3])
    wallet = Wallet(identity(Kind.OEM_LEAF), [], chain=chain)
    request = wallet.payment_details()
    assert request.emaid == emaid
    assert exi.ISO2.encode(r.message(bytes(8), request))
