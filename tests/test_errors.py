"""The exception tree: one base, what the peer sees, and where the defect was."""

import pickle

import pytest

from secc.errors import (
    CertificateError,
    ChainError,
    CodecError,
    ConfigError,
    DecodeError,
    EncodeError,
    FramingError,
    IdentifierError,
    IntegrationError,
    InUseError,
    LinkError,
    PeerSees,
    SeccError,
    SignatureError,
)


@pytest.mark.parametrize(
    ("error", "base", "peer_sees", "response_code"),
    [
        (ConfigError, SeccError, PeerSees.NOTHING, None),
        (InUseError, ConfigError, PeerSees.NOTHING, None),
        (IntegrationError, SeccError, PeerSees.NOTHING, None),
        (FramingError, SeccError, PeerSees.CLOSE, None),
        (CodecError, SeccError, PeerSees.CLOSE, None),
        (DecodeError, CodecError, PeerSees.CLOSE, None),
        (EncodeError, CodecError, PeerSees.CLOSE, None),
        (CertificateError, SeccError, PeerSees.RESPONSE, "FAILED"),
        (ChainError, CertificateError, PeerSees.RESPONSE, "FAILED_CertChainError"),
        (SignatureError, CertificateError, PeerSees.RESPONSE, "FAILED_SignatureError"),
        (IdentifierError, CertificateError, PeerSees.RESPONSE, "FAILED"),
        (LinkError, SeccError, PeerSees.ALERT, None),
    ],
)
def test_the_tree(
    error: type[SeccError], base: type[SeccError], peer_sees: PeerSees, response_code: str | None
) -> None:
    assert issubclass(error, base)
    assert error.peer_sees is peer_sees
    assert error.response_code == response_code


def test_a_decode_error_says_where() -> None:
    error = DecodeError("value too long", kind="limit", bit_offset=97, path="V2G_Message/Header/SessionID")
    assert str(error) == "value too long (bit 97 in V2G_Message/Header/SessionID)"
    assert str(DecodeError("truncated", kind="truncated", bit_offset=3)) == "truncated (bit 3)"


def test_an_encode_error_says_where() -> None:
    assert str(EncodeError("missing", path="V2G_Message/Body")) == "missing (in V2G_Message/Body)"
    assert str(EncodeError("missing")) == "missing"


def test_errors_survive_pickling() -> None:
    error = pickle.loads(pickle.dumps(DecodeError("x", kind="limit", bit_offset=5, path="a/b")))
    assert (error.kind, error.bit_offset, error.path) == ("limit", 5, "a/b")


def test_a_certificate_error_can_have_a_separate_code() -> None:
    expired = ChainError("expired", certificate="CN=x", response_code="FAILED_CertificateExpired")
    assert expired.response_code == "FAILED_CertificateExpired"
    assert ChainError("other").response_code == "FAILED_CertChainError"


def test_an_integration_error_names_method_value_and_what_is_expected() -> None:
    error = IntegrationError("limit_power", "max_power is nan", "0 to 10 MW")
    assert str(error) == "limit_power: max_power is nan, expected 0 to 10 MW"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_an_outlet_in_use_names_its_process() -> None:
    assert InUseError("eth1 is in use", pid=17).pid == 17
