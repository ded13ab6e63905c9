"""Configurations of ISO 15118-20 with other values."""

import dataclasses

from secc.settings import Iso20Config, SeccConfig


def with_iso20(config: SeccConfig, **values: object) -> SeccConfig:
    """The configuration with a new `[iso20]` table."""
    return dataclasses.replace(config, iso20=Iso20Config(**values))  # type: ignore[arg-type]
