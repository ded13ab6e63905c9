"""What an EV of ISO 15118-20 says about its battery and its driver, and what it offers to feed back.

Wh, W, percent, seconds. None: the EV does not say. What an EV says is never proved; it changes no limit.
"""

import msgspec

__all__ = ["EnergyOffer", "FeedInFee", "NeedsReported", "OfferedPower", "VehicleNeeds"]


class OfferedPower(msgspec.Struct, frozen=True):
    """From `start` on, and until the next entry, the EV would feed back this power."""

    start: int
    """Seconds from the beginning of the offer."""
    power: float
    """W, 0 or more."""


class FeedInFee(msgspec.Struct, frozen=True):
    """From `start` on, energy that is fed back with at least `from_power` costs this much."""

    start: int
    """Seconds from the beginning of the offer."""
    from_power: float
    """W, 0 or more."""
    fee: float
    """Per kWh, in the currency of the offer."""


class EnergyOffer(msgspec.Struct, frozen=True, kw_only=True):
    """EVEnergyOffer: energy that an EV offers to feed back, and what it wants for it."""

    power: tuple[OfferedPower, ...]
    """At most 1024 entries, in their order."""
    duration: int
    """Seconds up to the end of the last entry."""
    currency: str
    """ISO 4217, three letters; as the EV has sent it."""
    algorithm: str
    """PriceAlgorithm; as the EV has sent it."""
    fees: tuple[FeedInFee, ...]


class VehicleNeeds(msgspec.Struct, frozen=True, kw_only=True):
    """The last report of an EV."""

    departure: int | None = None
    """Seconds from the report."""
    target_energy: float | None = None
    minimum_energy: float | None = None
    """Below 0 where the battery has more than the driver needs at least."""
    maximum_energy: float | None = None
    minimum_v2x_energy: float | None = None
    """Below 0: so much may be cycled out."""
    maximum_v2x_energy: float | None = None
    """Below 0: the battery is above the range that may be cycled."""
    present_soc: int | None = None
    minimum_soc: int | None = None
    target_soc: int | None = None
    full: bool = False
    offer: EnergyOffer | None = None
    """With the negotiation of a schedule only."""


class NeedsReported(msgspec.Struct, frozen=True):
    """For the back end: the EV has new needs; needs no answer."""

    needs: VehicleNeeds
