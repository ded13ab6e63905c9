"""The station's line to its central system (CSMS): OCPP 2.0.1, and 1.6J with its Plug and Charge extension.

`backend.OcppBackend` implements the ports of a back end. `words` is what both versions have to say, `v201`
and `v16` how each says it; `transactions`, `authorising` and `profiles` decide; `store` keeps what must
survive; `link` and `rpc` wait. Needs the extra `secc[ocpp]`; this module and `settings` do not.
"""
