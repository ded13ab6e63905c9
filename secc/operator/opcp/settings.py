"""How an ecosystem that speaks OPCP is reached. Deployments differ in paths, so these are settings."""

from __future__ import annotations

import dataclasses
from pathlib import Path


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class OpcpPaths:
    """Templates of the paths, behind the address."""

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
    """Without a slash at the end."""
    client_id: str
    client_secret_file: Path
    """Holds the secret; it is written nowhere else."""
    audience: str = ""
    """Of the token; empty: the address."""
    timeout: float = 4.0
    """Seconds for one call; a car waits."""
    renews: bool = False
    """Contracts are renewed by the ecosystem's provisioning service, not by keys of our own."""
    ca_file: Path | None = None
    """Roots of its HTTPS certificate, PEM; None: those of the system."""
    paths: OpcpPaths = OpcpPaths()
