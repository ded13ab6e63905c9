"""What a connection carries: ISO 15118-20 only over TLS 1.3 with a verified vehicle certificate."""

import pytest

from secc.pki.transport import TlsVersion, Transport
from secc.pki.trust import Role
from secc.pki.vehicle import VehicleIdentity, identify
from tests.support.contracts import chain, trusted
from tests.support.pki import NOW


def test_tcp_is_not_secure_and_carries_no_iso20() -> None:
    assert not Transport().secure
    assert not Transport().carries_iso20


@pytest.mark.parametrize("version", TlsVersion)
@pytest.mark.req("V2G20-1235", "V2G20-2356")
def test_tls_without_a_vehicle_certificate_carries_no_iso20(version: TlsVersion) -> None:
    assert Transport(version=version).secure
    assert not Transport(version=version).carries_iso20


@pytest.mark.req("V2G20-1264")
def test_a_contract_shown_in_tls_does_not_carry_iso20() -> None:
    contract = identify(chain(Role.CONTRACT), trusted(), NOW)
    assert not Transport(version=TlsVersion.TLS_1_3, vehicle=contract).carries_iso20


def test_the_laboratory_switch_carries_iso20_over_anything() -> None:
    assert Transport(laboratory=True).carries_iso20


def test_nothing_else_can_make_an_identity() -> None:
    with pytest.raises(TypeError, match=r"only secc\.pki\.vehicle"):
        VehicleIdentity(Role.VEHICLE, "CN=X", "X", "00", b"", object())
