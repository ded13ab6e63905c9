"""Addresses of the CSMS that the CSMS has set (SetNetworkProfile): the station tries them in the order of
their priority, and always keeps the configured one as the last (OCPP B09, B10)."""

from __future__ import annotations

import dataclasses
import urllib.parse

import msgspec

from secc.errors import ConfigError
from secc.ocpp.model import Payload
from secc.ocpp.runtime import RuntimeSettings
from secc.settings.ocpp import OcppConfig, OcppVersion

SLOTS = (1, 2, 3)
"""Slots that a CSMS may use; slot 0 is the configured address."""


class NetworkProfile(msgspec.Struct, frozen=True):
    """One address of a CSMS."""

    url: str
    security_profile: int
    version: str = ""
    """Version of OCPP to offer; empty: the configured ones."""
    timeout: float = 30.0
    """Seconds for an answer."""


class NetworkProfiles:
    """The addresses of one station. Pure: the link reports its attempts."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._settings = settings
        self.slots: dict[int, NetworkProfile] = {}
        self.priority: tuple[int, ...] = (0,)
        """Slots in the order of their priority; 0 is always tried last if it is not listed."""
        self.attempts = 3
        """NetworkProfileConnectionAttempts: failures before the next slot is tried."""
        self._place = 0
        self._failures = 0

    @property
    def order(self) -> tuple[int, ...]:
        """Slots that can be used, in order."""
        listed = tuple(slot for slot in self.priority if slot == 0 or slot in self.slots)
        return listed if 0 in listed else (*listed, 0)

    @property
    def slot(self) -> int:
        """The slot of the next attempt, or of the present connection."""
        order = self.order
        return order[self._place % len(order)]

    def config(self) -> OcppConfig:
        """Return the settings for the next attempt."""
        profile = self.slots.get(self.slot)
        return self._settings.ocpp if profile is None else _combined(self._settings.ocpp, profile)

    def failed(self) -> None:
        """Count an attempt that has failed."""
        self._failures += 1
        if self._failures >= self.attempts:
            self._failures = 0
            self._place = (self._place + 1) % len(self.order)

    def succeeded(self) -> None:
        """Stay with this slot."""
        self._failures = 0

    def start_over(self) -> None:
        """Try the slots from the first one again, after a reset."""
        self._place = self._failures = 0

    def set(self, slot: int, body: Payload) -> str:
        """Store NetworkConnectionProfileType; returns the reason of a refusal, or an empty text."""
        if slot not in SLOTS:
            return f"slot {slot}, expected 1 to {SLOTS[-1]}"
        if body["ocppTransport"] != "JSON":
            return "only JSON is supported"
        if "apn" in body or "vpn" in body:
            return "the station has no modem and no VPN to configure"
        security = body["securityProfile"]
        if security < self._settings.ocpp.security_profile:
            return f"security profile {security} is below {self._settings.ocpp.security_profile}"
        profile = NetworkProfile(
            url=body["ocppCsmsUrl"],
            security_profile=security,
            version=_VERSIONS.get(body.get("ocppVersion", ""), ""),
            timeout=float(body["messageTimeout"]),
        )
        try:
            _combined(self._settings.ocpp, profile)
        except (ConfigError, ValueError) as error:
            return str(error)
        if urllib.parse.urlsplit(profile.url).hostname is None:
            return f"{profile.url!r} names no host"
        self.slots[slot] = profile
        return ""

    def set_priority(self, text: str) -> None:
        """Set the order of the slots; raises ValueError for a slot without an address."""
        slots = tuple(int(one) for one in text.split(",") if one.strip())
        unknown = [slot for slot in slots if slot != 0 and slot not in self.slots]
        if not slots or unknown or len(set(slots)) != len(slots):
            raise ValueError(f"{text!r}, expected slots with an address, each once")
        self.priority = slots


def _combined(config: OcppConfig, profile: NetworkProfile) -> OcppConfig:
    """Raises ConfigError for an address that the station cannot use."""
    versions = config.versions if not profile.version else (OcppVersion(profile.version),)
    return dataclasses.replace(
        config,
        url=profile.url,
        security_profile=profile.security_profile,
        versions=versions,
        call_timeout=min(max(profile.timeout, 1.0), 600.0),
    )


_VERSIONS = {"OCPP16": "1.6", "OCPP20": "2.0.1", "OCPP201": "2.0.1", "OCPP21": "2.1"}
