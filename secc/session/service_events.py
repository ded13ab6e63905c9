"""What comes out of a session when the EV has chosen value-added services."""

import dataclasses

__all__ = ["ChosenService", "ServicesChosen"]


@dataclasses.dataclass(frozen=True, slots=True)
class ChosenService:
    """A value-added service that the EV wants to use."""

    service_id: int
    parameter_set: int | None = None
    """None: the EV named none, as the service has one at most."""


@dataclasses.dataclass(frozen=True, slots=True)
class ServicesChosen:
    """Make these services available until the session ends; needs no answer."""

    services: tuple[ChosenService, ...]
