"""Vehicles that have proved to be one in TLS 1.3, without certificates."""

import hashlib

from secc.pki import vehicle
from secc.pki.trust import Role
from secc.pki.vehicle import VehicleIdentity

EVCCID = "WMIV1234567890ABCDEX"


def vehicle_identity(name: str = EVCCID) -> VehicleIdentity:
    """The identity of a vehicle with this common name; equal names have equal certificates."""
    leaf = name.encode()
    return VehicleIdentity(
        role=Role.VEHICLE,
        subject=f"CN={name}",
        common_name=name,
        fingerprint=hashlib.sha256(leaf).hexdigest(),
        leaf_digest=hashlib.sha512(leaf).digest(),
        seal=vehicle._SEAL,
    )
