"""Wheels for other processors, built and tried on this one."""
