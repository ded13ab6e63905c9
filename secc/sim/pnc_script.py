"""The part of a simulated EV's session that is about its contract; see `script` for the moves."""

from __future__ import annotations

from collections.abc import Generator

from secc.errors import CertificateError
from secc.messages import iso2
from secc.messages.iso2 import EVSEProcessing, PaymentOption
from secc.pki.provisioning import Response
from secc.sim.asking import Asking
from secc.sim.moves import Answer, EvGivesUp, Move
from secc.sim.wallet import Wallet

Steps = Generator[Move, Answer, None]

CERTIFICATE_SERVICE = 2


def identify(script: Asking, wallet: Wallet, offered: iso2.ServiceDiscoveryRes) -> Steps:
    """Select Contract, get a certificate where one is missing or ends soon, show it, prove it."""
    if PaymentOption.CONTRACT not in offered.payment_option_list.payment_option:
        raise EvGivesUp("payment by contract is not offered")
    sets = yield from _parameter_sets(script, offered)
    wanted = 0
    if not wallet.chain:
        wanted = 1
    elif wallet.wants_update(wallet.clock()) and 2 in sets:
        wanted = 2
    if wanted and wanted not in sets:
        raise EvGivesUp("no contract, and none to be had here")
    selected = [iso2.SelectedService(service_id=offered.charge_service.service_id)]
    if wanted:
        selected.append(iso2.SelectedService(service_id=CERTIFICATE_SERVICE, parameter_set_id=wanted))
    yield from script.ask(
        iso2.PaymentServiceSelectionReq(
            selected_payment_option=PaymentOption.CONTRACT,
            selected_service_list=iso2.SelectedServiceList(selected_service=tuple(selected)),
        ),
        iso2.PaymentServiceSelectionRes,
    )
    if wanted:
        yield from _provision(script, wallet, update=wanted == 2)
    yield from _prove(script, wallet)


def receipt(script: Asking, wallet: Wallet, meter: iso2.MeterInfo | None) -> Steps:
    """Sign the last reading of the station."""
    if meter is None:
        raise EvGivesUp("a receipt is asked for without a reading")
    request = wallet.receipt(script.session_id, script.schedule_id, meter)
    yield from script.ask(request, iso2.MeteringReceiptRes, signature=wallet.sign(request))


def _parameter_sets(
    script: Asking, offered: iso2.ServiceDiscoveryRes
) -> Generator[Move, Answer, frozenset[int]]:
    services = () if offered.service_list is None else offered.service_list.service
    if not any(service.service_id == CERTIFICATE_SERVICE for service in services):
        return frozenset()
    request = iso2.ServiceDetailReq(service_id=CERTIFICATE_SERVICE)
    detail = yield from script.ask(request, iso2.ServiceDetailRes)
    found = () if detail.service_parameter_list is None else detail.service_parameter_list.parameter_set
    return frozenset(one.parameter_set_id for one in found)


def _provision(script: Asking, wallet: Wallet, *, update: bool) -> Steps:
    answer: Response
    if update:
        renewal = wallet.update()
        signature = wallet.sign(renewal)
        answer = yield from script.ask(renewal, iso2.CertificateUpdateRes, signature=signature)
    else:
        request = wallet.installation()
        signature = wallet.sign(request)
        answer = yield from script.ask(request, iso2.CertificateInstallationRes, signature=signature)
    try:
        wallet.accept(answer, script.signature, wallet.clock())
    except CertificateError as error:
        raise EvGivesUp(f"the delivered contract is not good: {error}") from error


def _prove(script: Asking, wallet: Wallet) -> Steps:
    """PaymentDetails, then the signed challenge once, then unsigned repeats until it is decided."""
    details = yield from script.ask(wallet.payment_details(), iso2.PaymentDetailsRes)
    request = wallet.authorization(details.gen_challenge)
    answer = yield from script.ask(request, iso2.AuthorizationRes, signature=wallet.sign(request))
    if answer.evse_processing is not EVSEProcessing.FINISHED:
        yield from script.until_finished(iso2.AuthorizationReq(), iso2.AuthorizationRes)
