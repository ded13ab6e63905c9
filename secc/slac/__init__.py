"""SLAC, the matching of ISO 15118-3 over HomePlug Green PHY, EVSE side: frames, keys, the state machine."""
