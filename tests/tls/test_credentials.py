"""Which chain an EV gets, and what may be presented at all."""

import datetime
import hashlib
from pathlib import Path

import pytest

from secc.errors import ConfigError
from secc.pki.certificates import read_certificate
from secc.tls import CredentialFiles, Credentials, IdentifierType, TlsContext, TrustedAuthority
from secc.tls.credentials import choose, load_credentials
from tests.support import certificates
from tests.support.certificates import NOW, Identity
from tests.support.client_hello import client_hello, extension

ROOT_A, ROOT_B = certificates.root("V2G Root A"), certificates.root("V2G Root B")
DEPOT = certificates.root("Depot Root", None)
LEAF_A, LEAF_B = certificates.station(ROOT_A, "DEABCSAAA"), certificates.station(ROOT_B, "DEABCSBBB")
LEAF_D = certificates.issue("DEABCSDEPOT", "CPO", DEPOT, leaf=True)


def by_certificate(root: Identity) -> TrustedAuthority:
    return TrustedAuthority(IdentifierType.CERT_SHA1_HASH, hashlib.sha1(root.der).digest())


def by_key(root: Identity) -> TrustedAuthority:
    point = read_certificate(root.der).point
    return TrustedAuthority(IdentifierType.KEY_SHA1_HASH, hashlib.sha1(point).digest())


def by_name(root: Identity) -> TrustedAuthority:
    return TrustedAuthority(IdentifierType.X509_NAME, root.certificate.subject.public_bytes())


STRANGER = TrustedAuthority(IdentifierType.CERT_SHA1_HASH, bytes(20))
PRE_AGREED = TrustedAuthority(IdentifierType.PRE_AGREED)


@pytest.fixture
def chains(tmp_path: Path) -> dict[str, Credentials]:
    leaves = {"a": LEAF_A, "b": LEAF_B, "d": LEAF_D}
    return {
        stem: load_credentials(certificates.store(tmp_path, leaf, stem), NOW) for stem, leaf in leaves.items()
    }


# --- the choice --------------------------------------------------------------------------------------------


@pytest.mark.req("V2G2-871", "V2G2-923")
@pytest.mark.parametrize(
    ("held", "wanted", "chosen"),
    [
        ("abd", [], "a"),
        ("abd", [by_certificate(ROOT_B)], "b"),
        ("abd", [by_key(ROOT_B)], "b"),
        ("abd", [by_name(ROOT_B)], "b"),
        ("abd", [by_certificate(ROOT_B), by_certificate(ROOT_A)], "b"),
        ("abd", [STRANGER, by_key(ROOT_B), by_certificate(ROOT_A)], "b"),
        ("abd", [STRANGER], "a"),
        ("abd", [PRE_AGREED], "a"),
        ("abd", [by_certificate(DEPOT)], "d"),
        ("dab", [], "d"),
        ("dab", [PRE_AGREED], "d"),
        ("dab", [STRANGER], "a"),
        ("dab", [by_name(ROOT_B)], "b"),
        ("d", [STRANGER], "d"),
    ],
)
def test_the_chain_follows_the_roots_of_the_ev(
    chains: dict[str, Credentials], held: str, wanted: list[TrustedAuthority], chosen: str
) -> None:
    assert choose([chains[stem] for stem in held], wanted, NOW) is chains[chosen]


def test_an_expired_chain_is_left_out_while_there_is_another(tmp_path: Path) -> None:
    end = NOW + datetime.timedelta(days=1)
    sub_ca = certificates.authorities(ROOT_A)
    leaf = certificates.issue("DEABCSOLD", "CPO", sub_ca, leaf=True, not_after=end)
    old = load_credentials(certificates.store(tmp_path, leaf, "old"), NOW)
    other = load_credentials(certificates.store(tmp_path, LEAF_B, "b"), NOW)
    later = NOW + datetime.timedelta(days=2)
    assert choose([old, other], [by_name(ROOT_A)], NOW) is old
    assert choose([old, other], [by_name(ROOT_A)], later) is other
    assert choose([old], [by_name(ROOT_A)], later) is old


def test_without_a_root_only_its_name_is_known(tmp_path: Path) -> None:
    files = certificates.store(tmp_path, LEAF_A, "a")
    made = load_credentials(CredentialFiles(chain=files.chain, key=files.key), NOW)
    assert made.root is None
    assert made.answers_to(by_name(ROOT_A))
    assert not made.answers_to(by_certificate(ROOT_A))
    assert not made.answers_to(by_key(ROOT_A))
    assert made.title == "DEABCSAAA under V2G Root A"


@pytest.mark.req("V2G2-871")
def test_the_chosen_chain_is_on_the_wire(tmp_path: Path) -> None:
    files = [
        certificates.store(tmp_path, LEAF_A, "a"),
        certificates.store(tmp_path, LEAF_B, "b"),
    ]
    context = TlsContext.for_station(files, clock=lambda: NOW)
    wanted = by_certificate(ROOT_B)
    body = bytes([wanted.kind]) + wanted.value
    listed = extension(3, len(body).to_bytes(2, "big") + body)
    assert LEAF_B.der in context.engine().feed(client_hello(extra=listed)).to_send
    assert LEAF_B.der in context.engine().feed(client_hello(extra=extension(3, body))).to_send
    assert LEAF_A.der in context.engine().feed(client_hello()).to_send
    assert LEAF_A.der in context.engine().feed(client_hello(extra=extension(3, b"\xff\xff"))).to_send


# --- what is presented -------------------------------------------------------------------------------------


@pytest.mark.req("V2G2-872")
def test_the_root_above_a_private_leaf_is_added(chains: dict[str, Credentials]) -> None:
    assert chains["d"].chain == (LEAF_D.certificate, DEPOT.certificate)
    assert chains["d"].private
    assert chains["d"].question is None
    assert not chains["a"].private


def test_a_root_in_the_chain_file_is_known(tmp_path: Path) -> None:
    files = certificates.store(tmp_path, LEAF_A, "a")
    files.chain.write_bytes(files.chain.read_bytes() + ROOT_A.pem)
    made = load_credentials(CredentialFiles(chain=files.chain, key=files.key), NOW)
    assert len(made.chain) == 3
    assert made.answers_to(by_certificate(ROOT_A))


def test_a_root_that_did_not_issue_the_chain_is_refused(tmp_path: Path) -> None:
    files = certificates.store(tmp_path, LEAF_A, "a")
    assert files.root is not None
    files.root.write_bytes(ROOT_B.pem)
    with pytest.raises(ConfigError, match=r"a_root\.pem: did not issue"):
        load_credentials(files, NOW)
