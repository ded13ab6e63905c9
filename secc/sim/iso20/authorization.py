"""Authorization by contract, as a simulated EV of ISO 15118-20 does it; the contract itself: `contract`."""

from __future__ import annotations

import functools
from collections.abc import Generator

from secc.messages import iso20_common as common
from secc.messages.iso20_common import Authorization, Processing
from secc.sim.iso20 import requests
from secc.sim.iso20.contract import ContractFault, Iso20Contract
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.moves import Answer, EvGivesUp, Move

__all__ = ["authorize", "challenge_of"]


def authorize(
    script: Iso20Exchanges, contract: Iso20Contract, challenge: bytes
) -> Generator[Move, Answer, common.AuthorizationRes]:
    """Show the contract until the answer says Finished."""
    request, signature = contract.request(challenge)
    ask = functools.partial(script.ask, expected=common.AuthorizationRes, paced=True)
    begun = script.now
    while True:
        answer: common.AuthorizationRes = yield from ask(request, signature=signature)
        if answer.evse_processing is Processing.FINISHED:
            return answer
        script.check_time(begun, 60.0, request)
        if contract.fault is ContractFault.OTHER_WHILE_PENDING:
            request, signature = contract.another(challenge)
        elif contract.fault is ContractFault.EXTERNAL_WHILE_PENDING:
            request, signature = requests.authorization(), None


def challenge_of(setup: common.AuthorizationSetupRes) -> bytes:
    """The challenge of the station; raises EvGivesUp where contracts are not offered."""
    mode = setup.pnc_as_res_authorization_mode
    if Authorization.PNC not in setup.authorization_services or mode is None:
        raise EvGivesUp("authorization by contract is not offered")
    return mode.gen_challenge
