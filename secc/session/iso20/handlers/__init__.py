"""Handlers of ISO 15118-20: translate messages, choose the next state, nothing else."""
