"""Judging the other side: the EV's view of a station, the station's view of an EV with a certificate."""

from __future__ import annotations

import datetime
import itertools
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from secc.errors import ChainError
from secc.pki.chains import ChainPolicy
from secc.pki.trust import TrustStore
from secc.pki.vehicle import VehicleIdentity, identify, identify_vehicle
from secc.tls.clock import Clock
from secc.tls.credentials import domains, name
from secc.tls.verdict import Judge

__all__ = ["contract_judge", "station_judge", "vehicle_judge", "verify_station_chain"]


def contract_judge(trust: TrustStore, clock: Clock, policy: ChainPolicy | None = None) -> Judge:
    """The station's in TLS 1.2: a contract or provisioning chain under the roots of `trust`."""

    def judge(chain: Sequence[bytes]) -> VehicleIdentity:
        return identify(chain, trust, clock(), policy)

    return judge


def vehicle_judge(trust: TrustStore, clock: Clock, *, laboratory: bool = False) -> Judge:
    """The station's in TLS 1.3: a vehicle chain under the OEM and V2G roots of `trust` [V2G20-2400]."""

    def judge(chain: Sequence[bytes]) -> VehicleIdentity:
        return identify_vehicle(chain, trust, clock(), laboratory=laboratory)

    return judge


def station_judge(roots: Sequence[x509.Certificate], clock: Clock) -> Judge:
    """The EV's: see `verify_station_chain`."""

    def judge(chain: Sequence[bytes]) -> None:
        verify_station_chain([_load(der) for der in chain], roots, clock())

    return judge


def verify_station_chain(
    chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], at: datetime.datetime
) -> None:
    """What an EV checks of a station: a path to a root, validity, DC=CPO [V2G2-875]. Raises ChainError."""
    if not chain:
        raise ChainError("the station showed no certificate", certificate="SECC leaf")
    if "CPO" not in domains(chain[0]):
        raise ChainError(
            "the leaf does not say DC=CPO [V2G2-875]", certificate=name(chain[0]), rule="V2G2-875"
        )
    for certificate, issuer in itertools.pairwise(chain):
        _check_validity(certificate, at)
        if not _issued_by(certificate, issuer):
            raise ChainError(f"not issued by {name(issuer)}", certificate=name(certificate))
    _check_validity(chain[-1], at)
    if chain[-1] not in roots and not any(_issued_by(chain[-1], root) for root in roots):
        raise ChainError("does not reach an accepted root", certificate=name(chain[-1]))


def _check_validity(certificate: x509.Certificate, at: datetime.datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise ChainError(
            f"not valid on {at:%Y-%m-%d}",
            certificate=name(certificate),
            response_code="FAILED_CertificateExpired",
        )


def _issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _load(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise ChainError("the station showed something that is no certificate") from error
