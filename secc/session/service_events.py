"""What comes out of a session when the EV has chosen value-added services."""

import msgspec

__all__ = ["ChosenService", "ServicesChosen"]


class ChosenService(msgspec.Struct, frozen=True):
    """A value-added service that the EV wants to use."""

    service_id: int
    parameter_set: int | None = None
    """None: the EV named none, as the service has one at most."""


class ServicesChosen(msgspec.Struct, frozen=True):
    """Make these services available until the session ends; needs no answer."""

    services: tuple[ChosenService, ...]
