"""How to reach an ecosystem that speaks OPCP. The paths differ between deployments and are therefore
settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path

__all__ = ["OpcpPaths", "OpcpSettings"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpcpPaths:
    """Templates of the paths, relative to the URL."""

    token: str = "/oauth/token"
    roots: str = "/v1/root/rootCerts"
    vehicle: str = "/v1/oem/provCerts/lookupVehicle/{pcid}"
    provisioning_certificate: str = "/v1/oem/provCerts/{pcid}"
    signed_contract_data: str = "/v1/ccp/signedContractData"
    contract: str = "/v1/ccp/signedContractData/{emaid}"
    generate: str = "/v1/cps/generate/signedContractData"
    signer: str = "/cps/signer"
    enroll: str = "/.well-known/est/{role}/simpleenroll/{version}"
    cacerts: str = "/.well-known/est/{role}/cacerts/{version}"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpcpSettings:
    """One ecosystem."""

    url: str
    """Without a trailing slash."""
    client_id: str
    client_secret_file: Path
    """File with the secret; it is stored nowhere else."""
    audience: str = ""
    """Audience of the token; empty: the URL."""
    timeout: float = 4.0
    """Seconds for one call; a car is waiting."""
    renews: bool = False
    """Contracts are renewed by the provisioning service of the ecosystem, not with keys of this service."""
    ca_file: Path | None = None
    """Roots of its HTTPS certificate, PEM; None: the roots of the system."""
    paths: OpcpPaths = OpcpPaths()
    iso20_namespace: str = "urn:iso:std:iso:15118:-20:CommonMessages"
    """How the ecosystem names the messages of ISO 15118-20; deployments differ in the spelling."""
