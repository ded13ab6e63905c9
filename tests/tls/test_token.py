"""A key in a token signs one handshake before the station starts."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from OpenSSL import SSL

from secc.errors import ConfigError
from secc.pki.kinds import Generation
from secc.tls.credentials import load_credentials
from secc.tls.profile import iso2_context, iso20_context
from secc.tls.serving import _try_token
from tests.support.tls13 import NOW, OLD, PKI20, files, policy, station


def context(*, iso20: bool, key: bool) -> SSL.Context:
    """Chain and perhaps key of a station."""
    generation = Generation.ISO20 if iso20 else Generation.ISO2
    shown = load_credentials(files(PKI20 if iso20 else OLD), NOW, generation)
    made = iso20_context(None) if iso20 else iso2_context(None)
    made.use_certificate(shown.chain[0])
    if key:
        assert shown.key is not None
        made.use_privatekey(shown.key)
    return made


@pytest.mark.parametrize("iso20", [False, True])
def test_a_key_that_signs_passes(iso20: bool) -> None:
    _try_token(context(iso20=iso20, key=True), files(), iso20=iso20)


@pytest.mark.parametrize("iso20", [False, True])
def test_a_key_that_does_not_sign_is_refused_with_its_file(iso20: bool) -> None:
    with pytest.raises(
        ConfigError, match=r"secc_leaf_key\.pem: OpenSSL finds the key .* cannot sign with it"
    ):
        _try_token(context(iso20=iso20, key=False), files(), iso20=iso20)


def test_a_key_file_of_a_tpm_is_a_key_in_a_token(tmp_path: Path) -> None:
    """Without the provider the station refuses to start, as with a URI of PKCS#11."""
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN TSS2 PRIVATE KEY-----\nAAAA\n-----END TSS2 PRIVATE KEY-----\n")
    chains = (dataclasses.replace(files(), key=key),)
    with pytest.raises(ConfigError, match="OpenSSL cannot use the key in the token"):
        station(policy(chains=chains))
