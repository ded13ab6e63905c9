"""The boundary to the integrator's code: objects and values from it are checked here, once.

`abilities` checks an object when the station is made; the adapters (`controller`, `backend`, `modem`,
`sources`) check what its methods return; `results` has the ranges and units, `values` the kinds of checks. A
part of the station that takes a controller, a back end, a source of OCSP responses or a modem takes its
adapter, and wraps a bare object in one.
"""
