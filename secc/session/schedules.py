"""Power over time: what a back end offers to an EV, and what the EV says it needs."""

import itertools

import msgspec

from secc.settings.energy import EnergyMode

__all__ = [
    "DynamicOffer",
    "EnergyNeed",
    "Mobility",
    "Offer",
    "PowerSchedule",
    "PowerStep",
    "ScheduleOffer",
]


class PowerStep(msgspec.Struct, frozen=True):
    """From `start` on, and until the next step, at most `max_power`."""

    start: int
    """Seconds from the moment the schedule is offered, 0..16777214 [V2G2-328]."""
    max_power: float
    """W, the total over all phases [V2G2-315]."""


class PowerSchedule(msgspec.Struct, frozen=True):
    """One tuple to choose from; steps in rising order, the first at 0."""

    schedule_id: int
    """1..255, unique in the session [V2G2-300] [V2G2-773]."""
    steps: tuple[PowerStep, ...]
    duration: int
    """Seconds that the last step lasts, 1..86400; it marks the end of the schedule [V2G2-331]."""
    tariff: object | None = None
    """What the energy costs, as the mobility operator has made it, in the message type of the protocol that
    it is for (`SalesTariff` in ISO 15118-2); sent as it is, and left out in every other protocol."""

    def __post_init__(self) -> None:
        if not 1 <= self.schedule_id <= 255:
            raise ValueError(f"schedule_id is {self.schedule_id}, expected 1..255 [V2G2-773]")
        if not 1 <= len(self.steps) <= 1024:
            raise ValueError(f"{len(self.steps)} steps, expected 1..1024")
        starts = [step.start for step in self.steps]
        if starts[0] != 0 or any(a >= b for a, b in itertools.pairwise(starts)):
            raise ValueError(f"steps start at {starts[:5]}…, expected 0 and then rising")
        if starts[-1] > 16_777_214:
            raise ValueError(f"a step starts at {starts[-1]} s, expected at most 16777214")
        if not 1 <= self.duration <= 86_400:
            raise ValueError(f"duration is {self.duration} s, expected 1..86400")
        if not all(0 <= step.max_power <= 10_000_000 for step in self.steps):
            raise ValueError("max_power outside 0..10 MW")

    @property
    def end(self) -> int:
        """Seconds from the offer to the end of the schedule."""
        return self.steps[-1].start + self.duration


class ScheduleOffer(msgspec.Struct, frozen=True):
    """One to three schedules; the first is the default one [V2G2-297]."""

    schedules: tuple[PowerSchedule, ...]
    tariff_signature: object | None = None
    """Of the mobility operator (`xmldsig.Signature`), with a reference to every tariff; see
    `pnc.sales_tariffs`."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.schedules) <= 3:
            raise ValueError(f"{len(self.schedules)} schedules, expected 1..3")
        ids = [schedule.schedule_id for schedule in self.schedules]
        if len(set(ids)) != len(ids):
            raise ValueError(f"schedule ids {ids} repeat [V2G2-300]")

    def __contains__(self, schedule_id: object) -> bool:
        return any(schedule.schedule_id == schedule_id for schedule in self.schedules)

    def __getitem__(self, schedule_id: int) -> PowerSchedule:
        for schedule in self.schedules:
            if schedule.schedule_id == schedule_id:
                return schedule
        raise KeyError(schedule_id)


class Mobility(msgspec.Struct, frozen=True):
    """When the driver departs and how full the battery must be, as the back end knows it."""

    departure: int | None = None
    """Seconds from now."""
    minimum_soc: int | None = None
    """Percent."""
    target_soc: int | None = None
    """Percent."""

    def __post_init__(self) -> None:
        if self.departure is not None and not 0 <= self.departure < 2**32:
            raise ValueError(f"departure is {self.departure} s, expected 0 or more")
        for soc in (self.minimum_soc, self.target_soc):
            if soc is not None and not 0 <= soc <= 100:
                raise ValueError(f"a state of charge is {soc} %, expected 0..100")


class DynamicOffer(msgspec.Struct, frozen=True):
    """The answer of a back end to the needs of an EV in Dynamic mode."""

    power: float | None = None
    """W to begin with, positive to the EV, negative from it; None: as much as the EV takes."""
    mobility: Mobility | None = None
    """Only with `EnergyNeed.ask_mobility`."""

    def __post_init__(self) -> None:
        if self.power is not None and not abs(self.power) <= 10_000_000:
            raise ValueError(f"power is {self.power:g} W, expected -10 MW to 10 MW")


class EnergyNeed(msgspec.Struct, frozen=True, kw_only=True):
    """The needs of the EV for the coming charge."""

    mode: EnergyMode
    departure: int | None
    """Seconds from now; None when the EV did not say."""
    energy: float | None
    """Wh wanted; None when the EV did not say (DC)."""
    max_power: float | None
    """W that the EV can take, as far as it is known."""
    max_steps: int
    """Steps per schedule the EV can store, at least 1 [V2G2-310]."""
    continued: int | None = None
    """Id of the schedule that goes on after a pause [V2G2-741]: a tariff for what is left is asked for."""
    gone: int = 0
    """Seconds of it that are over."""
    dynamic: bool = False
    """ISO 15118-20, Dynamic mode: answer with a `DynamicOffer`. A `ScheduleOffer` only limits the power."""
    min_energy: float | None = None
    """Wh that the EV needs at least; below 0 where the battery is above that."""
    max_energy: float | None = None
    """Wh that the EV can take."""
    minimum_soc: int | None = None
    """Percent below which the driver does not want the battery."""
    target_soc: int | None = None
    """Percent."""
    max_discharge_power: float | None = None
    """W that the EV can give; None or 0: nothing."""
    ask_mobility: bool = False
    """MobilityNeedsMode 2: the back end may say departure and states of charge."""


class Offer(msgspec.Struct, frozen=True):
    """Schedules that were sent to the EV, and which of them is followed."""

    schedules: ScheduleOffer
    offered_at: float
    """Monotonic seconds; the schedules count from here [V2G2-328]."""
    schedule_id: int
    """The EV's choice, or the default one until it has chosen [V2G2-297]."""
    held: float | None = None
    """W to which the limits of that moment have cut the schedules; None: nothing was cut."""

    @property
    def followed(self) -> PowerSchedule:
        return self.schedules[self.schedule_id]
