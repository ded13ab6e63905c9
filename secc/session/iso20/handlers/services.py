"""ServiceDiscovery, ServiceDetail and ServiceSelection."""

from __future__ import annotations

from secc.messages import iso20_common as m
from secc.messages.iso20_common import ResponseCode
from secc.session.context import Context, SessionConfig
from secc.session.iso20 import discharge, services
from secc.session.iso20.handlers.parking import before_charging
from secc.session.iso20.header import head
from secc.session.iso20.refusals import Iso20Refused
from secc.session.iso20.services import ENERGY_IDS, INTERNET, PARKING, Service
from secc.session.iso20.side import BatteryState, PriceTerms, Selection, ServiceOffer, side
from secc.session.iso20.states import Iso20State as S
from secc.session.quantities import NO_DISCHARGE
from secc.session.service_events import ChosenService, ServicesChosen


def service_discovery(session: Context, request: m.ServiceDiscoveryReq) -> S:
    """Say what is on offer, as far as the EV supports it [V2G20-1248] [V2G20-1249].

    Where its filter leaves no energy service, all of them are named: the list must not be empty.
    """
    offer = _offer(session)
    wanted = None if request.supported_service_ids is None else request.supported_service_ids.service_id
    energy = [service for service in offer.energy if wanted is None or service in wanted]
    added = [number for number in offer.added if wanted is None or number in wanted]
    free = session.config.service.free
    session.answer(
        m.ServiceDiscoveryRes(
            header=head(session),
            response_code=ResponseCode.OK,
            service_renegotiation_supported=offer.renegotiable,  # [V2G20-1931]
            energy_transfer_service_list=_list(energy or list(offer.energy), free=free),
            vas_list=_list(added, free=True) if added else None,
        )
    )
    return S.WAIT_SERVICE_DETAIL


def _offer(session: Context) -> ServiceOffer:
    """The services of this session, settled with its first request [V2G20-1932]."""
    room, config = side(session), session.config
    if room.offer is None:
        export = discharge.permitted(session) > 0
        room.offer = ServiceOffer(
            energy=services.offered(config, dc=room.dc, export=export, der=room.der),
            added=_added(config),
            grid=room.grid.code,
            renegotiable=config.iso20.service_renegotiation,
        )
    return room.offer


def _added(config: SessionConfig) -> dict[int, tuple[int, ...]]:
    """The value-added services with their parameter sets."""
    known = {INTERNET: config.iso20.internet, PARKING: config.iso20.parking}
    return {number: sets for number, sets in known.items() if sets}


def _list(ids: list[int] | list[Service], *, free: bool) -> m.ServiceList:
    return m.ServiceList(
        service=tuple(m.Service(service_id=int(number), free_service=free) for number in ids)
    )


def service_detail(session: Context, request: m.ServiceDetailReq) -> S:
    """The parameter sets of a service that is offered [V2G20-425] [V2G20-464]."""
    offer, number = _offer(session), request.service_id
    energy = {int(service): service for service in offer.energy}
    if number in energy:
        service = energy[number]
        functions = 0 if offer.grid is None else offer.grid.functions
        sets = services.energy_parameters(session.config, service, offer.energy[service], functions)
    elif number in offer.added:
        make = services.internet_parameters if number == INTERNET else services.parking_parameters
        sets = make(offer.added[number])
    else:
        raise Iso20Refused(ResponseCode.FAILED_SERVICE_ID_INVALID, f"service {number} is not offered")
    session.answer(
        m.ServiceDetailRes(
            header=head(session),
            response_code=ResponseCode.OK,
            service_id=number,
            service_parameter_list=sets,
        )
    )
    return S.WAIT_SERVICE_SELECTION


def service_selection(session: Context, request: m.ServiceSelectionReq) -> S:
    """The EV chooses one energy service, and value-added ones, each with a set of it [V2G20-433] [V2G20-467].

    What was agreed for a service before counts no more: its limits, its schedule, its isolation test.
    """
    chosen, offer = request.selected_energy_transfer_service, _offer(session)
    if chosen.service_id not in ENERGY_IDS:  # [V2G20-1618]
        why = f"service {chosen.service_id} transfers no energy"
        raise Iso20Refused(ResponseCode.FAILED_NO_ENERGY_TRANSFER_SERVICE_SELECTED, why)
    added = () if request.selected_vas_list is None else request.selected_vas_list.selected_service
    for one in (chosen, *added):
        if not offer.takes(one.service_id, one.parameter_set_id) or (
            one is not chosen and one.service_id in ENERGY_IDS
        ):
            why = f"service {one.service_id}, parameter set {one.parameter_set_id} is not offered"
            raise Iso20Refused(ResponseCode.FAILED_SERVICE_SELECTION_INVALID, why)
    service = Service(chosen.service_id)
    (sets,) = [one for one in offer.energy[service] if one.number == chosen.parameter_set_id]
    _forget(session)
    room, before = side(session), session.services_chosen
    room.selection = Selection(service, sets)
    session.services_chosen = tuple(ChosenService(s.service_id, s.parameter_set_id) for s in added)
    if added or before:  # after a renegotiation, also that there is none any more
        session.emit(ServicesChosen(session.services_chosen))
    session.answer(m.ServiceSelectionRes(header=head(session), response_code=ResponseCode.OK))
    return before_charging(session)


def _forget(session: Context) -> None:
    """Everything that was agreed for a service before [V2G20-1964]."""
    room = side(session)
    session.parameters = None
    session.offer = session.latest_offer = session.schedule_question = None
    session.cable_test = session.pre_charge = session.match = None
    session.interrupted = False
    session.may_discharge = NO_DISCHARGE
    room.battery, room.per_phase, room.positive_discharge = BatteryState(), False, False
    room.mobility = None
    room.prices = PriceTerms()
    room.wishes.clear()
    room.aside = room.next_terms = None
    room.least_charge = room.least_discharge = room.target_sent = 0
    room.charge_phases = room.discharge_phases = None
    room.exceeded_at, room.metered, room.resting = None, False, False
