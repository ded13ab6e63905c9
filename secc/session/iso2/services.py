"""Services: charging, certificates, and what the integrator adds.

An EV sees a service in ServiceDiscoveryRes, asks for its parameter sets with ServiceDetailReq, and chooses
with PaymentServiceSelectionReq. What was not offered on this connection can neither be asked for nor chosen.
The handlers are in `secc.session.iso2.handlers.services`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from secc import pki
from secc.messages import iso2
from secc.messages.iso2 import ResponseCode, ServiceCategory
from secc.session.context import Agreed
from secc.settings.services import (
    CERTIFICATE_SERVICE,
    CHARGE_SERVICE,
    Payment,
    ServiceParameter,
    ValueAddedService,
)

if TYPE_CHECKING:
    from secc.pki.provisioning import Action


def discovery(
    session: Agreed, code: ResponseCode, request: iso2.ServiceDiscoveryReq | None = None
) -> iso2.ServiceDiscoveryRes:
    """ServiceDiscoveryRes: the charge service, and others as far as the request asks for them [V2G2-416]."""
    config = session.config
    options = session.payment_options or (Payment.EXTERNAL,)  # a placeholder in a refusal
    others = () if request is None else _wanted(session, request)
    return iso2.ServiceDiscoveryRes(
        response_code=code,
        payment_option_list=iso2.PaymentOptionList(
            payment_option=tuple(iso2.PaymentOption(option) for option in options)
        ),
        charge_service=iso2.ChargeService(
            service_id=CHARGE_SERVICE,
            service_category=ServiceCategory.EV_CHARGING,
            free_service=config.service.free,
            supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(
                energy_transfer_mode=tuple(iso2.EnergyTransferMode(mode) for mode in session.modes)
            ),
        ),
        service_list=iso2.ServiceList(service=others) if others else None,
    )


def parameters(session: Agreed, service_id: int) -> iso2.ServiceParameterList | None:
    """The parameter sets of an offered service; None where it has none [V2G2-549]."""
    certificates, added = certificate_sets(session), value_added(session)
    if service_id == CERTIFICATE_SERVICE and certificates:
        return _certificate_parameters(certificates)
    return _parameters(added[service_id]) if service_id in added else None


def offers(session: Agreed, service_id: int) -> bool:
    """Whether a service was offered on this connection."""
    if service_id == CERTIFICATE_SERVICE:
        return bool(certificate_sets(session))
    return service_id == CHARGE_SERVICE or service_id in value_added(session)


def takes(session: Agreed, service_id: int, parameter_set: int | None) -> bool:
    """Whether an EV may choose this service with this set."""
    if service_id == CHARGE_SERVICE:
        return True
    if service_id == CERTIFICATE_SERVICE:
        return offers(session, service_id) and parameter_set in (None, *certificate_sets(session))
    added = value_added(session).get(service_id)
    return added is not None and added.takes(parameter_set)


def value_added(session: Agreed) -> dict[int, ValueAddedService]:
    """What the integrator offers on this connection, by ServiceID [V2G2-422]; in a continued session as far
    as it was chosen before the pause [V2G2-741]."""
    services = (*session.config.service.value_added, *session.services)
    offered = {service.id: service for service in services if session.tls or not service.needs_tls}
    before = session.continues
    if before is None or before.payment is None:
        return offered
    chosen = {one.service_id: one.parameter_set for one in before.services}
    return {number: _only(one, chosen[number]) for number, one in offered.items() if number in chosen}


def _only(service: ValueAddedService, chosen: int | None) -> ValueAddedService:
    """The service with the parameter set that was chosen, where one was named."""
    if chosen is None:
        return service
    sets = tuple(one for one in service.parameter_sets if one.id == chosen)
    return dataclasses.replace(service, parameter_sets=sets)


def certificate_sets(session: Agreed) -> dict[int, Action]:
    """Parameter sets of the certificate service, empty where it is not offered [V2G2-428].

    Over TLS only, together with contracts, and as far as a back end provides it [V2G2-632] [V2G2-634]; in a
    continued session as far as it was chosen before the pause [V2G2-741].
    """
    if Payment.CONTRACT not in session.payment_options or session.contracts is None:
        return {}
    before = session.continues
    chosen = () if before is None else tuple(one.service_id for one in before.services)
    if before is not None and before.payment is not None and CERTIFICATE_SERVICE not in chosen:
        return {}
    config = session.config.pnc
    wanted = {1: config.certificate_service, 2: config.certificate_service and config.certificate_update}
    actions = {1: pki.provisioning.Action.INSTALL, 2: pki.provisioning.Action.UPDATE}
    return {
        number: action
        for number, action in actions.items()
        if wanted[number] and action in session.contracts.provisions
    }


def _wanted(session: Agreed, request: iso2.ServiceDiscoveryReq) -> tuple[iso2.Service, ...]:
    """Scope and category filter; a scope of nothing but NUL, as a recorded car sends it, is none."""
    offered = [_service(service) for service in value_added(session).values()]
    if certificate_sets(session):
        offered.insert(0, _CERTIFICATES)
    scope = (request.service_scope or "").strip("\0 ")
    return tuple(
        service
        for service in offered
        if request.service_category in (None, service.service_category)
        and (not scope or service.service_scope == scope)
    )


_CERTIFICATES = iso2.Service(
    service_id=CERTIFICATE_SERVICE,
    service_name="Certificate",
    service_category=ServiceCategory.CONTRACT_CERTIFICATE,
    free_service=True,
)


def _service(service: ValueAddedService) -> iso2.Service:
    return iso2.Service(
        service_id=service.id,
        service_name=service.name,
        service_category=ServiceCategory(service.category.value),
        service_scope=service.scope,
        free_service=service.free,
    )


def _parameters(service: ValueAddedService) -> iso2.ServiceParameterList | None:
    if not service.parameter_sets:
        return None
    return iso2.ServiceParameterList(
        parameter_set=tuple(
            iso2.ParameterSet(
                parameter_set_id=one.id,
                parameter=tuple(_parameter(parameter) for parameter in one.parameters),
            )
            for one in service.parameter_sets
        )
    )


def _parameter(parameter: ServiceParameter) -> iso2.Parameter:
    return iso2.Parameter(
        name=parameter.name,
        bool_value=parameter.flag,
        int_value=parameter.number,
        string_value=parameter.text,
    )


def _certificate_parameters(sets: dict[int, Action]) -> iso2.ServiceParameterList:
    names = {pki.provisioning.Action.INSTALL: "Installation", pki.provisioning.Action.UPDATE: "Update"}
    return iso2.ServiceParameterList(
        parameter_set=tuple(
            iso2.ParameterSet(
                parameter_set_id=number,
                parameter=(iso2.Parameter(name="Service", string_value=names[action]),),
            )
            for number, action in sets.items()
        )
    )
