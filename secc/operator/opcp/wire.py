"""The JSON of OPCP: the reader is tolerant, the writer is strict.

Deployments differ in the case of member names and in the envelope around an answer, and add members. Names
are folded to lower case before reading, and unknown members are ignored. Names are written as in the
published document.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from secc.errors import CertificateError
from secc.operator.opcp.port import EcosystemError, PoolRoot, PoolVehicle
from secc.pki.certificates import Certificate, in_order, read_certificate
from secc.pki.profiles import Kind

NAMESPACE = "urn:iso:15118:2:2013:MsgDef"
ISO20_NAMESPACE = "urn:iso:std:iso:15118:-20:CommonMessages"
ROOT_KINDS = {"v2g": Kind.V2G_ROOT, "mo": Kind.MO_ROOT, "oem": Kind.OEM_ROOT}


class _Token(msgspec.Struct):
    access_token: str
    expires_in: float = 3600.0


class _Root(msgspec.Struct):
    roottype: str
    cacertificate: str


class _Roots(msgspec.Struct):
    rootcertificates: list[_Root] = []


class _RootAnswer(msgspec.Struct):
    rootcertificatecollection: _Roots


class _VehicleAnswer(msgspec.Struct):
    vehiclecertificate: str = ""
    certificate: str = ""
    vehiclesubca1certificate: str = ""
    vehiclesubca2certificate: str = ""
    subca1: str = ""
    subca2: str = ""
    subcertificates: list[str] = []


class _MessageDef(msgspec.Struct):
    certificateinstallationres: str
    emaid: str = ""


class _EmaidContent(msgspec.Struct):
    messagedef: _MessageDef


class _CcpResponse(msgspec.Struct):
    emaidcontent: list[_EmaidContent] = []


class _CcpAnswer(msgspec.Struct):
    ccpresponse: _CcpResponse


def read_token(data: bytes) -> tuple[str, float]:
    """Return the token and its lifetime in seconds."""
    found = _read(data, _Token)
    return found.access_token, found.expires_in


def read_roots(data: bytes) -> tuple[PoolRoot, ...]:
    """Return the roots of known kinds; certificates that cannot be read are left out."""
    folded = _fold(_parse(data))
    if isinstance(folded, dict) and "rootcertificates" in folded:  # without the outer envelope
        folded = {"rootcertificatecollection": folded}
    found = _convert(folded, _RootAnswer).rootcertificatecollection.rootcertificates
    made: list[PoolRoot] = []
    for one in found:
        kind = ROOT_KINDS.get(one.roottype.lower())
        try:
            certificate = read_certificate(_bytes(one.cacertificate))
        except (CertificateError, EcosystemError):
            continue
        if kind is not None:
            made.append(PoolRoot(kind, certificate))
    return tuple(made)


def read_vehicle(data: bytes) -> PoolVehicle:
    """Return the provisioning certificate of a car and the Sub-CAs above it, in order."""
    found = _read(data, _VehicleAnswer)
    above = (
        found.vehiclesubca2certificate or found.subca2,
        found.vehiclesubca1certificate or found.subca1,
        *found.subcertificates,
    )
    try:
        leaf = read_certificate(_bytes(found.vehiclecertificate or found.certificate))
        others: list[Certificate] = [read_certificate(_bytes(one)) for one in above if one]
    except CertificateError as error:
        raise EcosystemError(f"unreadable vehicle certificate in the pool: {error}") from error
    return PoolVehicle(leaf, in_order(others, leaf)[1:])


def read_contract_data(data: bytes) -> tuple[bytes, ...]:
    """Return the signed answers for a car in EXI: one for each of its contracts, at least one."""
    folded = _fold(_parse(data))
    if isinstance(folded, dict) and "emaidcontent" in folded:
        folded = {"ccpresponse": folded}
    content = _convert(folded, _CcpAnswer).ccpresponse.emaidcontent
    if not content:
        raise EcosystemError("the answer of the pool has no contract")
    return tuple(_bytes(one.messagedef.certificateinstallationres) for one in content)


def contract_question(request: bytes, namespace: str = NAMESPACE) -> dict[str, object]:
    """Return the body of a question for contract data."""
    return {
        "certificateInstallationReq": base64.b64encode(request).decode(),
        "xsdMsgDefNamespace": namespace,
    }


def error_text(data: bytes) -> str:
    """Return the text of an error answer, shortened; for logs only."""
    try:
        folded = _fold(msgspec.json.decode(data))
    except msgspec.DecodeError:
        return ""
    if not isinstance(folded, dict):
        return ""
    message = folded.get("errormessages") or folded.get("message") or folded.get("error") or ""
    return str(message)[:200]


def _read(data: bytes, kind: type[Any]) -> Any:
    return _convert(_fold(_parse(data)), kind)


def _parse(data: bytes) -> object:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise EcosystemError(f"answer is not JSON: {error}") from error


def _convert(value: object, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise EcosystemError(f"answer is not as documented: {error}") from error


def _fold(value: object) -> object:
    if isinstance(value, dict):
        return {str(key).lower(): _fold(inner) for key, inner in value.items()}
    return [_fold(inner) for inner in value] if isinstance(value, list) else value


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise EcosystemError(f"member is not base64: {error}") from error
