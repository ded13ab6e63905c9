"""ISO 15118-20: SessionSetup, authorization, services."""

from __future__ import annotations

import msgspec

from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case
from secc.bench.cases.build20 import REFUSED, SEQUENCE, Deed, at, case20
from secc.messages import iso20_common as common
from secc.messages.iso20_common import ResponseCode
from secc.session.iso20.services import Service
from secc.sim.iso20 import requests

# --- set up and authorization -------------------------------------------------------------------------------


async def _strange_name(ev: Iso20Car) -> None:
    await ev.expect(requests.session_setup("EV\x01\x1b[31m\r\nX"), ResponseCode.OK_NEW_SESSION_ESTABLISHED)


async def _again(ev: Iso20Car) -> None:
    await ev.refused(requests.session_setup(ev.plan.evcc_id), SEQUENCE)


async def _services_of_authorization(ev: Iso20Car) -> None:
    answer = await ev.expect(common.AuthorizationSetupReq(header=requests.HEADER))
    external = common.Authorization.EIM in answer.authorization_services
    contract = common.Authorization.PNC in answer.authorization_services
    mode = answer.pnc_as_res_authorization_mode if contract else answer.eim_as_res_authorization_mode
    ev.trial.check(external or contract, "EIM or PnC", answer.authorization_services)
    ev.trial.check(mode is not None, "the element of the offered kind", answer)


async def _authorized(ev: Iso20Car) -> None:
    await ev.authorize()


async def _another_service(ev: Iso20Car) -> None:
    await ev.expect(
        msgspec.structs.replace(
            requests.authorization(), selected_authorization_service=common.Authorization.PNC
        ),
        ResponseCode.WARNING_AUTHORIZATION_SELECTION_INVALID,
    )
    await ev.authorize()


# --- services -----------------------------------------------------------------------------------------------


def _ids(response: common.ServiceDiscoveryRes) -> list[int]:
    return [one.service_id for one in response.energy_transfer_service_list.service]


async def _all_services(ev: Iso20Car) -> None:
    answer = await ev.expect(requests.service_discovery())
    ev.trial.check(ev.service in _ids(answer), f"service {ev.service.value}", _ids(answer))


async def _filtered(ev: Iso20Car) -> None:
    answer = await ev.expect(requests.service_discovery(ev.service))
    ev.trial.check(_ids(answer) == [ev.service], f"[{ev.service.value}]", _ids(answer))


async def _long_filter(ev: Iso20Car) -> None:
    answer = await ev.expect(requests.service_discovery(ev.service, *range(100, 115)))
    ev.trial.check(_ids(answer) == [ev.service], f"[{ev.service.value}]", _ids(answer))


async def _foreign_filter(ev: Iso20Car) -> None:
    answer = await ev.expect(requests.service_discovery(3))
    ev.trial.check(bool(_ids(answer)), "a list that is not empty", _ids(answer))


async def _sets(ev: Iso20Car) -> None:
    request = common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service)
    answer = await ev.expect(request)
    found = []
    for one in answer.service_parameter_list.parameter_set:
        values = {parameter.name: parameter.int_value for parameter in one.parameter}
        found.append(values)
        wanted = {"Connector", "ControlMode", "MobilityNeedsMode", "Pricing"}
        wanted |= set() if ev.dc else {"EVSENominalVoltage"}
        ev.trial.check(wanted <= values.keys(), f"the parameters {', '.join(sorted(wanted))}", values)
        both = values["MobilityNeedsMode"] == 2 and values["ControlMode"] == 1
        ev.trial.check(not both, "MobilityNeedsMode 2 with ControlMode 2 only", values)
        if not ev.dc:
            volts = values["EVSENominalVoltage"] or 0
            ev.trial.check(0 < volts <= 500, "EVSENominalVoltage up to 500", volts)
    modes = {values["ControlMode"] for values in found}
    ev.trial.check(modes >= {1, 2}, "both control modes", modes)


def _no_details(service: int) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        request = common.ServiceDetailReq(header=requests.HEADER, service_id=service)
        await ev.refused(request, ResponseCode.FAILED_SERVICE_ID_INVALID)

    return deed


async def _other_family(ev: Iso20Car) -> None:
    await _no_details(Service.AC if ev.dc else Service.DC)(ev)


async def _unknown_set(ev: Iso20Car) -> None:
    request = requests.service_selection(ev.service, 999)
    await ev.refused(request, ResponseCode.FAILED_SERVICE_SELECTION_INVALID)


async def _not_energy(ev: Iso20Car) -> None:
    request = requests.service_selection(65, 1)
    await ev.refused(request, ResponseCode.FAILED_NO_ENERGY_TRANSFER_SERVICE_SELECTED)


async def _chosen_twice(ev: Iso20Car) -> None:
    await ev.refused(requests.service_selection(ev.service, ev.set_id), SEQUENCE)


# --- the cases ---

_SETUP = Point.AUTHORIZATION_SETUP
_AUTH = "SessionSetup and authorization"
_SERVICES = "services"

CASES: tuple[Case, ...] = (
    case20(
        *("SSU-005", _AUTH, "an EVCCID with control characters", "OK_NewSessionEstablished"),
        at(Point.SETUP, _strange_name),
    ),
    case20("SSU-007", _AUTH, "SessionSetupReq twice", REFUSED, at(_SETUP, _again), ids="459"),
    case20(
        *(
            "ASU-001",
            _AUTH,
            "AuthorizationSetupReq",
            "the services offered and the element that belongs to them",
        ),
        at(_SETUP, _services_of_authorization),
        ids="1219 1220 2566",
    ),
    case20(
        *("AUT-001", _AUTH, "external identification", "OK Finished"),
        at(Point.AUTHORIZATION, _authorized),
        ids="1200",
    ),
    case20(
        *("AUT-EIM-SELECTION", _AUTH, "PnC chosen with the element of EIM"),
        "WARNING_AuthorizationSelectionInvalid, then EIM is accepted",
        at(Point.AUTHORIZATION, _another_service),
        ids="2209 2226",
    ),
    case20(
        "SVC-001", _SERVICES, "no filter", "the service is in the list", at(Point.DISCOVERY, _all_services)
    ),
    case20("SVC-002", _SERVICES, "a filter", "that service", at(Point.DISCOVERY, _filtered), ids="1248"),
    case20(
        *("SVC-003", _SERVICES, "a filter that leaves nothing", "a list that is not empty"),
        at(Point.DISCOVERY, _foreign_filter),
        ids="1248",
    ),
    case20("SVC-004", _SERVICES, "a filter of 16 ids", "that service", at(Point.DISCOVERY, _long_filter)),
    case20(
        *("SVC-009", _SERVICES, "ServiceDetailReq", "sets with their parameters, both control modes"),
        at(Point.DETAIL, _sets),
        ids="1357 1361 2656 2663 2666",
    ),
    case20(
        *("SVC-007", _SERVICES, "details of the other energy family", "FAILED_ServiceIDInvalid, TCP closed"),
        at(Point.DETAIL, _other_family),
        ids="425",
    ),
    case20(
        *("SVC-008", _SERVICES, "details of a service that does not exist", "FAILED_ServiceIDInvalid"),
        at(Point.DETAIL, _no_details(60_000)),
        ids="464",
    ),
    case20(
        *("SVC-013", _SERVICES, "a parameter set that was not offered", "FAILED_ServiceSelectionInvalid"),
        at(Point.SELECTION, _unknown_set),
        ids="433",
    ),
    case20(
        *("SVC-015", _SERVICES, "a value-added service as energy service"),
        "FAILED_NoEnergyTransferServiceSelected",
        at(Point.SELECTION, _not_energy),
        ids="1618",
    ),
    case20(
        "SVC-018",
        _SERVICES,
        "ServiceSelectionReq twice",
        REFUSED,
        at(Point.PARAMETERS, _chosen_twice),
        ids="459",
    ),
)
