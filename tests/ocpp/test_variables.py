"""Values of variables that a CSMS may set."""

from __future__ import annotations

import dataclasses

import pytest

from secc.ocpp.backend import OcppBackend
from secc.ocpp.variable_table import VARIABLES
from secc.ocpp.variables import Variable
from tests.ocpp.support import eim_config


@pytest.mark.parametrize("variable", [one for one in VARIABLES if one.kind == "boolean" and one.write])
async def test_every_flag_is_true_or_false(variable: Variable) -> None:
    config = eim_config("ws://127.0.0.1:9")
    config = dataclasses.replace(config, pnc=dataclasses.replace(config.pnc, central_validation=True))
    backend = OcppBackend(config)
    assert variable.read is not None
    for value in ("false", "true"):
        assert backend.commands.variables.change(variable, value) == "Accepted"
        assert variable.read(backend.commands.variables.context) == value
    assert backend.commands.variables.change(variable, "perhaps") == "Rejected"
    assert variable.read(backend.commands.variables.context) == "true"
    backend.store.close()


@pytest.mark.parametrize("variable", [one for one in VARIABLES if one.kind == "integer" and one.write])
async def test_every_number_has_its_limits(variable: Variable) -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9"))
    assert variable.read is not None
    accepted = "RebootRequired" if variable.reboot else "Accepted"
    assert backend.commands.variables.change(variable, "7") == accepted
    assert variable.read(backend.commands.variables.context) == "7"
    assert variable.most is not None
    for wrong in ("-1", f"{variable.most + 1:.0f}", "seven"):
        assert backend.commands.variables.change(variable, wrong) == "Rejected"
    assert variable.read(backend.commands.variables.context) == "7"
    backend.store.close()


async def test_a_password_without_a_file_is_not_taken() -> None:
    backend = OcppBackend(eim_config("ws://127.0.0.1:9"))
    secret = backend.commands.variables.find_key("AuthorizationKey")
    assert secret is not None
    assert backend.commands.variables.change(secret, "open sesame") == "Rejected"
    assert secret.mutability == "WriteOnly"
    backend.store.close()
