"""A site as `[pnc.site]` names it: what is opened, what is read again, what it signs and what ends soon."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from secc.errors import CertificateError, ConfigError
from secc.pki.certificates import read_certificate
from secc.pki.hierarchy import make_hierarchy, make_iso20_hierarchy, write_hierarchy
from secc.pki.identifiers import EMAID
from secc.pki.issuing import key_pem, make_crl, make_request, new_key
from secc.pki.keys import KeyType, new_private_key
from secc.pki.profiles import Generation, Kind
from secc.settings.pnc import ExpiryConfig, SiteConfig, SiteIso20Config
from secc.site import ContractStore, SigningSite, open_site
from secc.site.site import RevocationLists

NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
DAY = datetime.timedelta(days=1)
PKI = make_hierarchy(not_before=NOW - DAY, seed=b"a site")
E = "DEABC000000001G"


def settings(folder: Path, **changes: object) -> SiteConfig:
    write_hierarchy(PKI, folder, NOW)
    store = ContractStore(folder / "site.db")
    if store.contract(EMAID.parse(E)) is None:
        contract = store.add_contract(E)
        store.add_car(PKI[Kind.OEM_LEAF].certificate, contract.emaid)
    store.close()
    fields: dict[str, object] = {
        "store": folder / "site.db",
        "mo_chain": folder / "contract_chain.pem",
        "mo_key": folder / "mo_sub_ca_2_key.pem",
        "cps_chain": folder / "cps_chain.pem",
        "cps_key": folder / "cps_leaf_key.pem",
        **changes,
    }
    return SiteConfig(**fields)  # type: ignore[arg-type]


def crl(number: int) -> bytes:
    return make_crl(PKI[Kind.MO_SUB_CA_2], (), number=number, this_update=NOW, next_update=NOW + DAY)


def test_the_authority_is_found_in_a_chain_by_its_key(tmp_path: Path) -> None:
    site = open_site(settings(tmp_path))
    site.delivery.prepare(EMAID.parse(E))
    assert site.issuers.issuer is not None
    assert site.issuers.issuer.authority.certificate == PKI[Kind.MO_SUB_CA_2].certificate
    chain = site.issuers.issuer.issue(E, NOW).chain
    assert chain[1:] == (PKI[Kind.MO_SUB_CA_2].certificate, PKI[Kind.MO_SUB_CA_1].certificate)


def test_a_key_with_a_password(tmp_path: Path) -> None:
    made = settings(tmp_path, mo_key_password=tmp_path / "password")
    (tmp_path / "password").write_text("secret\n")
    (tmp_path / "mo_sub_ca_2_key.pem").write_bytes(key_pem(PKI[Kind.MO_SUB_CA_2].key, b"secret"))
    assert open_site(made).issuers.issuer is not None
    (tmp_path / "password").write_text("wrong")
    with pytest.raises(ConfigError, match="password"):
        open_site(made)


def test_a_site_without_keys_authorises_and_provisions_nothing(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("mo_chain", "mo_key", "cps_chain", "cps_key"))
    site = open_site(settings(tmp_path, **nothing))
    with pytest.raises(CertificateError, match="no issuer of iso15118-2 is configured"):
        site.delivery.prepare(EMAID.parse(E))


def test_a_site_without_an_authority_signs_nothing(tmp_path: Path) -> None:
    assert not hasattr(open_site(settings(tmp_path)), "sign_certificate")


async def test_the_sub_ca_renews_the_stations_certificate(tmp_path: Path) -> None:
    site = open_site(settings(tmp_path, authority=tmp_path))
    assert isinstance(site, SigningSite)
    key = new_key()
    name = PKI[Kind.SECC_LEAF].certificate.subject.common_name
    request = make_request(key, Kind.SECC_LEAF, common_name=name, organization="Test only", country="DE")
    leaf, *above = [read_certificate(der) for der in await site.sign_certificate(request)]
    assert leaf.public_key == key.public_key()
    assert above == [PKI[Kind.CPO_SUB_CA_2].certificate, PKI[Kind.CPO_SUB_CA_1].certificate]


def test_lists_are_read_again_when_they_change(tmp_path: Path) -> None:
    path = tmp_path / "mo.crl"
    path.write_bytes(crl(1))
    lists = RevocationLists([path])
    first = lists().crls
    assert len(first) == 1
    path.write_bytes(crl(2))
    os.utime(path, (1, 1))
    second = lists().crls
    assert second != first
    path.write_bytes(b"half a li")
    os.utime(path, (2, 2))
    assert lists().crls == second  # the last one that could be read
    path.unlink()
    assert lists().crls == second


def test_a_list_may_be_pem(tmp_path: Path) -> None:
    der = crl(1)
    path = tmp_path / "mo.pem"
    path.write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    assert RevocationLists([path])().crls == (der,)


async def test_what_ends_soon_is_renewed_on_the_way(tmp_path: Path) -> None:
    site = open_site(settings(tmp_path), ExpiryConfig(levels=(10, 3), renew=5))
    assert site.issuers.issuer is not None
    site.store.add_certificate(site.issuers.issuer.issue(E, NOW, not_after=NOW + 8 * DAY).leaf)
    (found,) = await site.expiring(NOW)
    assert (found.level, found.prepared) == (10, False)
    (found,) = await site.expiring(NOW + 4 * DAY)
    assert (found.level, found.prepared) == (10, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"mo_key": None},
        {"store": None},
        {"contract_days": 0},
    ],
)
def test_half_a_site_is_a_wrong_configuration(tmp_path: Path, changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"pnc\.site"):
        settings(tmp_path, **changes)


# --- both generations -------------------------------------------------------------------------------------

NEWER = make_iso20_hierarchy(not_before=NOW - DAY, seed=b"a site")


def newer_keys(folder: Path, **changes: object) -> SiteIso20Config:
    newer = folder / "iso20"
    write_hierarchy(NEWER, newer, NOW)
    fields: dict[str, object] = {
        "mo_chain": newer / "contract_chain.pem",
        "mo_key": newer / "mo_sub_ca_2_key.pem",
        "cps_chain": newer / "cps_chain.pem",
        "cps_key": newer / "cps_leaf_key.pem",
        **changes,
    }
    return SiteIso20Config(**fields)  # type: ignore[arg-type]


def test_a_site_issues_contracts_of_both_generations(tmp_path: Path) -> None:
    site = open_site(settings(tmp_path, iso20=newer_keys(tmp_path)))
    assert site.issuers.issuer is not None
    assert site.issuers.iso20_issuer is not None
    assert site.issuers.issuer.generation is Generation.ISO2
    assert site.issuers.iso20_issuer.generation is Generation.ISO20
    assert site.issuers.iso20_service is not None
    assert site.issuers.iso20_service.signer.certificate == NEWER[Kind.CPS_LEAF].certificate


async def test_each_sub_ca_renews_the_certificate_of_its_generation(tmp_path: Path) -> None:
    newer = newer_keys(tmp_path, authority=tmp_path / "iso20")
    site = open_site(settings(tmp_path, authority=tmp_path, iso20=newer))
    assert isinstance(site, SigningSite)
    for keys, issuer in (
        (KeyType.SECP256R1, PKI[Kind.CPO_SUB_CA_2]),
        (KeyType.SECP521R1, NEWER[Kind.CPO_SUB_CA_2]),
    ):
        key = new_private_key(keys)
        request = make_request(
            key, Kind.SECC_LEAF, common_name="DE*ABC*E1", organization="Test only", country="DE"
        )
        chain = [read_certificate(der) for der in await site.sign_certificate(request)]
        assert chain[0].key == key.public_key()
        assert chain[1] == issuer.certificate


async def test_a_site_with_one_sub_ca_refuses_requests_of_the_other_generation(tmp_path: Path) -> None:
    site = open_site(settings(tmp_path, iso20=newer_keys(tmp_path, authority=tmp_path / "iso20")))
    assert isinstance(site, SigningSite)
    key = new_private_key(KeyType.SECP256R1)
    request = make_request(key, Kind.SECC_LEAF, common_name="X", organization="Test only", country="DE")
    with pytest.raises(CertificateError) as caught:
        await site.sign_certificate(request)
    assert caught.value.rule == "no_authority"


def test_keys_of_the_other_generation_are_a_wrong_configuration(tmp_path: Path) -> None:
    older = {"mo_chain": tmp_path / "contract_chain.pem", "mo_key": tmp_path / "mo_sub_ca_2_key.pem"}
    with pytest.raises(ConfigError, match="expected one of iso15118-20"):
        open_site(settings(tmp_path, iso20=newer_keys(tmp_path, **older)))


def test_half_the_keys_of_iso_15118_20_are_a_wrong_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"pnc\.site\.iso20"):
        newer_keys(tmp_path, cps_key=None)
