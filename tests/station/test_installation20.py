"""Installation of contracts in ISO 15118-20 over real sockets, with a local back end of both generations."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.session.contract_events import ContractDelivered
from tests.support.installing_site import EMAIDS, InstallingSite, make_site, play


@pytest.fixture
def site(tmp_path: Path) -> InstallingSite:
    return make_site(tmp_path)


def test_a_car_without_a_contract_gets_one_and_charges(site: InstallingSite) -> None:
    wallet = site.wallet()
    (result,) = play(site, wallet)
    assert result.error == ""
    assert result.completed
    assert [str(one.emaid) for one in wallet.contracts] == [EMAIDS[0]]
    assert len(site.outputs(ContractDelivered)) == 1
