"""Conformance cases for charging stations: the half of the central system, against any station.

It knows nothing of the OCPP code of this package: messages are judged by the JSON schemas of the package
`ocpp` alone. `secc csms --conformance` runs it.
"""
