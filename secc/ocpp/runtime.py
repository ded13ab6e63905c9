"""Settings that the CSMS may change while the station runs."""

from __future__ import annotations

import dataclasses

from secc.settings.ocpp import OcppConfig


@dataclasses.dataclass(slots=True)
class RuntimeSettings:
    """The present values, shared by the parts of a back end."""

    ocpp: OcppConfig
    central_validation: bool
    """The CSMS may validate contract chains under roots that the station does not know."""
    operative: bool = True
    """False: out of service; no new session is authorized."""
    overrides: dict[str, str] = dataclasses.field(default_factory=dict)
    """Values of variables that the CSMS has set, by `Variable.label`."""
