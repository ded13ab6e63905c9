"""Charging-station side (SECC) of ISO 15118-2."""
