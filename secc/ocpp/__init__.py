"""The connection of a station to its central system (CSMS): OCPP 2.1, 2.0.1 and 1.6J with Plug and Charge.

`backend.OcppBackend` implements the back end ports. It is composed of parts:

- `conversation`, `queue`, `clock`: boot, heartbeat and requests; messages that must reach the CSMS; its clock
- `outlet`, `limits`, `attached`: transactions and status of the outlet; charging profiles; the station
- `authorizer`, `tokens`: who may charge; cards and remote starts that wait for a car
- `certificates`, `roots`, `signing`, `client_chain`: contracts, OCSP and the certificates of the station
- `commands`, `handlers`, `handlers201`, `handlers16`, `variables`: what the CSMS may request
- `parts`, `request_service`, `restoring`: make these parts, connect them, restore what is stored

`model` has the data types that all versions share; `v201` and `v16` translate them to messages.
`transactions`, `authorising` and `profiles` decide and are pure. `store` holds what must survive a restart;
`link` and `rpc` do the I/O. `fake` is a CSMS for tests and demonstrations.

Needs the extra `secc[ocpp]`; this module does not.
"""
