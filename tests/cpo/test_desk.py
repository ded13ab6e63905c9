"""Cars' questions: a request as EXI over HTTP, a signed bundle back that the car can open."""

from __future__ import annotations

import base64
from pathlib import Path

from secc.messages import iso2
from secc.pki.certificates import read_certificate
from secc.pki.delivery import DeliveredKey, decrypt_key
from secc.pki.profiles import Kind
from secc.pki.provisioning import Action, verify_bundle
from tests.cpo.support import EMAID, ask, client_of, installation, make_service, with_car
from tests.support.contracts import NOW, identity, trusted


def test_a_known_car_gets_a_bundle_that_only_it_can_open(tmp_path: Path) -> None:
    with client_of(with_car(make_service(tmp_path))) as client:
        answer = ask(client, installation())
    assert answer["status"] == "Accepted"
    bundle = verify_bundle(base64.b64decode(answer["response"]), Action.INSTALL, trusted(), NOW)
    body = bundle.message.body
    assert isinstance(body, iso2.CertificateInstallationRes)
    assert body.emaid.value == EMAID
    leaf = read_certificate(body.contract_signature_cert_chain.certificate)
    delivered = DeliveredKey(body.contract_signature_encrypted_private_key.value, body.dh_public_key.value)
    assert decrypt_key(delivered, identity(Kind.OEM_LEAF).key, leaf.public_key)


def test_the_same_question_gets_the_same_answer(tmp_path: Path) -> None:
    with client_of(with_car(make_service(tmp_path))) as client:
        first = ask(client, installation())
        assert ask(client, installation()) == first
