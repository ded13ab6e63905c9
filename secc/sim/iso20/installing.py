"""The part of a simulated EV's session in ISO 15118-20 in which it is given contracts."""

from __future__ import annotations

from collections.abc import Generator

import msgspec

from secc.errors import CertificateError
from secc.messages import iso20_common as common
from secc.messages.iso20_common import Processing
from secc.sim.iso20 import requests
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.iso20.wallet import InstallationMisbehaviour, Iso20Wallet
from secc.sim.moves import Answer, EvGivesUp, Move

__all__ = ["install"]

Steps = Generator[Move, Answer, None]


def install(script: Iso20Exchanges, wallet: Iso20Wallet, setup: common.AuthorizationSetupRes) -> Steps:
    """Ask for contracts until none remains, or there is no room for another; a warning ends it."""
    if not wallet.most:
        return
    if not setup.certificate_installation_service:
        script.notes.append("installation of contracts is not offered")
        return
    flood = wallet.misbehaviour is InstallationMisbehaviour.FLOOD
    remaining, room = 1, wallet.most
    while flood or (remaining and room):
        answer = yield from _one(script, wallet)
        if answer.response_code.value.startswith("WARNING"):
            if not flood:
                return
            continue
        try:
            wallet.accept(answer)
        except CertificateError as error:
            script.notes.append(f"the delivered contract is not good: {error}")
            if not flood:
                return
        remaining, room = answer.remaining_contract_certificate_chains, room - 1
    if wallet.misbehaviour is InstallationMisbehaviour.AGAIN:
        yield from _one(script, wallet)


def _one(
    script: Iso20Exchanges, wallet: Iso20Wallet
) -> Generator[Move, Answer, common.CertificateInstallationRes]:
    """One request, repeated until its answer is finished [V2G20-1972]."""
    request, signature = wallet.installation()
    begun, again = script.now, 0
    while True:
        answer = yield from script.ask(
            request, common.CertificateInstallationRes, paced=True, signature=signature
        )
        if answer.evse_processing is Processing.FINISHED:
            return answer
        script.check_time(begun, 60.0, request)
        again += 1
        if again == 1 and wallet.misbehaviour is InstallationMisbehaviour.OTHER_REQUEST:
            more = request.maximum_contract_certificate_chains + 1
            request = msgspec.structs.replace(request, maximum_contract_certificate_chains=more)
        if again == 1 and wallet.misbehaviour is InstallationMisbehaviour.AUTHORIZES_EARLY:
            yield from script.ask(requests.authorization(), common.AuthorizationRes)
            raise EvGivesUp("authorized while a contract is installed")
