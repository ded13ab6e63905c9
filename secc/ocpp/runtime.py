"""Settings and state that the CSMS may change while the station runs."""

from __future__ import annotations

import dataclasses

from secc.errors import ConfigError
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
    reserved: bool = False
    """The outlet is reserved."""
    listed: int = 0
    """Entries of the local list."""
    root_count: int = 0
    """Installed roots."""
    monitoring_base: str = "All"
    monitoring_level: int = 9
    """Events of a higher severity number are not reported."""

    def count_roots(self, count: int) -> None:
        """Set the number of installed roots."""
        self.root_count = count

    def change(self, field: str, value: bool | float) -> None:
        """Change one field of `[ocpp]`; raises ValueError for a value that its rules exclude."""
        changed: dict[str, bool | float] = {field: value}
        try:
            self.ocpp = dataclasses.replace(self.ocpp, **changed)  # type: ignore[arg-type]
        except ConfigError as error:
            raise ValueError(str(error)) from error
