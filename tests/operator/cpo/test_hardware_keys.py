"""Keys of the service in hardware: SoftHSM2 behind PKCS#11, on the curves of both generations."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp

from secc.errors import CertificateError, ConfigError
from secc.operator.cpo import keys
from secc.operator.cpo.keys import Hsm, HsmKey, KeyPlace
from secc.pki.certificates import Certificate
from secc.pki.chains import ChainPolicy, verify_chain
from secc.pki.installation import verify_installation
from secc.pki.issuing import Holder
from secc.pki.keys import KeyType, new_private_key
from secc.pki.kinds import Generation, Kind
from secc.pki.trust import Role, TrustStore
from tests.operator.cpo.support import client_of, make_service, place, settings, written
from tests.operator.cpo.test_installation import newer_keys, wanted
from tests.operator.cpo.test_leaves import chain_of, ocsp_status, request_of, sign
from tests.support import contracts, installation
from tests.support.contracts import NOW

SOFTHSM = next(
    (path for path in Path("/usr/lib").glob("**/libsofthsm2.so") if shutil.which("softhsm2-util")), None
)
Put = Callable[[Generation, Kind], Hsm]
ROLES = (Kind.CPO_SUB_CA_2, Kind.MO_SUB_CA_2, Kind.CPS_LEAF)


@pytest.fixture(scope="module")
def put(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Put]:
    """The place of the key of a role. All are in one token, which exists before the process loads SoftHSM."""
    if SOFTHSM is None:
        pytest.skip("no SoftHSM on this machine (apt install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    (folder / "pin").write_text("1234\n")
    token = f"t{os.getpid()}"
    init = ["--init-token", "--free", "--label", token, "--pin", "1234", "--so-pin", "1234"]
    commands = [init]
    roles = itertools.product((Generation.ISO2, Generation.ISO20), ROLES)
    for number, (generation, kind) in enumerate(roles, start=1):
        pem = folder / f"{number}.pem"
        pem.write_bytes(of_generation(generation)[0][kind].key_pem)
        named = ["--label", f"{generation} {kind}", "--id", f"{number:02x}", "--pin", "1234"]
        commands.append(["--import", str(pem), "--token", token, *named])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
        for command in commands:
            subprocess.run(["softhsm2-util", *command], check=True, capture_output=True, timeout=30)
        module, pin = SOFTHSM, folder / "pin"
        yield lambda of, kind: Hsm(module=module, token=token, label=f"{of} {kind}", pin_file=pin)


def of_generation(generation: Generation) -> tuple[dict[Kind, Holder], TrustStore]:
    if generation is Generation.ISO2:
        return dict(contracts.hierarchy()), contracts.trusted()
    return dict(installation.hierarchy()), installation.trusted()


@pytest.mark.parametrize("generation", [Generation.ISO2, Generation.ISO20])
def test_a_sub_ca_in_hardware_signs_certificates_lists_and_answers(
    tmp_path: Path, put: Put, generation: Generation
) -> None:
    pki, trusted = of_generation(generation)
    folder = written(pki, tmp_path.parent / f"hsm-{generation}")
    hsm = put(generation, Kind.CPO_SUB_CA_2)
    role = KeyPlace(chain=place(folder, "cpo", Kind.CPO_SUB_CA_2).chain, hsm=hsm)
    older = generation is Generation.ISO2
    changes: dict[str, Any] = {"cpo": role} if older else {"iso20_cpo": role}
    service = make_service(tmp_path, **changes)
    with client_of(service) as client:
        key = new_private_key(KeyType.SECP256R1 if older else KeyType.SECP521R1, b"a station")
        made = chain_of(sign(client, request_of(key=key)))
        verify_chain(made, Role.SECC, trusted, NOW, ChainPolicy(generation=generation))
        issuer = pki[Kind.CPO_SUB_CA_2].certificate
        assert ocsp_status(client, made[0], issuer) is ocsp.OCSPCertStatus.GOOD
        crl = x509.load_der_x509_crl(client.get(f"/crl/{issuer.fingerprint}").content)
        assert crl.is_signature_valid(issuer.to_cryptography().public_key())  # type: ignore[arg-type]


def test_mo_and_cps_in_hardware_make_bundles_on_secp521r1(tmp_path: Path, put: Put) -> None:
    """A contract issued in one token, and its bundle signed in another: the car's check passes."""
    pki, given = installation.hierarchy(), newer_keys(tmp_path)
    for name, kind in (("iso20_mo", Kind.MO_SUB_CA_2), ("iso20_cps", Kind.CPS_LEAF)):
        given[name] = KeyPlace(chain=given[name].chain, hsm=put(Generation.ISO20, kind))
    service = make_service(tmp_path, **given)
    service.contracts.put(installation.EMAID_TEXT)
    service.installation.store.put_car(pki[Kind.OEM_LEAF].certificate, installation.EMAID_TEXT)
    answer = service.installation.answer(wanted())
    assert answer.source == "made", answer.text
    found = verify_installation(answer.payload, installation.trusted(), NOW, installation.POLICY)
    assert str(found.emaid) == installation.EMAID_TEXT
    service.close()


@pytest.mark.parametrize("generation", [Generation.ISO2, Generation.ISO20])
def test_a_key_in_hardware_only_signs_and_only_with_the_hash_of_its_curve(
    put: Put, generation: Generation
) -> None:
    pki, _ = of_generation(generation)
    key = HsmKey(put(generation, Kind.CPO_SUB_CA_2), pki[Kind.CPO_SUB_CA_2].certificate)
    with pytest.raises(CertificateError, match="exported"):
        key.private_numbers()
    with pytest.raises(CertificateError, match="signs with sha"):
        key.sign(b"", ec.ECDSA(hashes.SHA384()))


def test_the_key_of_another_certificate_is_refused_at_the_start(put: Put) -> None:
    pki, _ = of_generation(Generation.ISO20)
    hsm, other = put(Generation.ISO20, Kind.MO_SUB_CA_2), pki[Kind.CPO_SUB_CA_2].certificate
    with pytest.raises(CertificateError, match="does not match the certificate"):
        HsmKey(hsm, other)


def test_an_ed448_key_is_not_expected_in_hardware(tmp_path: Path) -> None:
    hsm = Hsm(module=tmp_path / "none.so", token="t", label="x", pin_file=tmp_path / "pin")
    leaf: Certificate = installation.hierarchy(KeyType.ED448)[Kind.CPS_LEAF].certificate
    with pytest.raises(ConfigError, match="on secp256r1 or secp521r1"):
        HsmKey(hsm, leaf)


def test_a_token_that_is_not_there_is_named(tmp_path: Path, put: Put) -> None:
    hsm, role = put(Generation.ISO2, Kind.CPO_SUB_CA_2), settings(tmp_path).cpo
    assert role is not None
    nowhere = Hsm(module=hsm.module, token="nowhere", label="x", pin_file=hsm.pin_file)
    with pytest.raises(ConfigError, match="nowhere"):
        keys.load(KeyPlace(chain=role.chain, hsm=nowhere))
