"""What is reached past the public interface of pyOpenSSL: there today, and no less safe without it."""

from __future__ import annotations

import types
from pathlib import Path

import pytest
from OpenSSL import SSL

from secc.pki.trust import Role
from secc.tls import binding
from secc.tls.profile import iso20_context
from tests.support.tls13 import shake, station, vehicle


def test_the_installed_release_reaches_everything() -> None:
    """Fails with a release of pyOpenSSL or cryptography that has lost something: look at `gaps`."""
    found = binding.reach()
    assert found == binding.Reach(groups=True, signatures=True, alerts=True)
    assert found.gaps == ()


@pytest.fixture
def nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A binding that has lost every function that is reached past the public interface."""
    monkeypatch.setattr(binding, "_lib", types.SimpleNamespace())


@pytest.mark.usefixtures("nothing")
def test_what_is_lost_is_named() -> None:
    assert binding.reach() == binding.Reach(groups=False, signatures=False, alerts=False)
    assert len(binding.reach().gaps) == 3
    context = SSL.Context(SSL.TLS_METHOD)
    assert not binding.restrict_groups(context, "P-521")
    assert not binding.restrict_signatures(context, "ed448")


@pytest.mark.usefixtures("nothing")
def test_without_the_binding_a_vehicle_is_still_judged() -> None:
    server = station().engine()
    shake(server, vehicle(groups="P-521").engine())
    assert server.vehicle is not None
    for role in (None, Role.CONTRACT, Role.OEM, Role.SECC):
        refused = station().engine()
        ours, theirs = shake(refused, vehicle(role=role).engine())
        assert ours.failure is not None
        assert not refused.handshake_done
        assert "alert" in str(theirs.failure)


@pytest.mark.usefixtures("nothing")
def test_without_the_binding_the_curve_of_the_standard_is_still_the_only_one() -> None:
    """The public call for a curve is used instead, so only x448 is lost."""
    context = iso20_context(None)
    assert isinstance(context, SSL.Context)
    server = station().engine()
    shake(server, vehicle().engine())
    assert "secp521r1" in server.summary


def test_names_that_openssl_does_not_know_are_refused() -> None:
    context = SSL.Context(SSL.TLS_METHOD)
    assert not binding.restrict_groups(context, "P-9999")
    assert not binding.restrict_signatures(context, "rot13")


def test_only_one_module_reaches_past_the_public_interface() -> None:
    folder = Path(binding.__file__).parent
    private = ("SSL._lib", "SSL._ffi", "_reverse_mapping", "._context)", "_verify_callback")
    guilty = [
        path.name
        for path in sorted(folder.parent.rglob("*.py"))
        if path.name != "binding.py" and any(word in path.read_text("utf-8") for word in private)
    ]
    assert guilty == []
