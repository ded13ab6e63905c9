"""ISO 15118-20 before energy: framing, the choice of the protocol, headers, authorization, services."""

from __future__ import annotations

import itertools

import msgspec

from secc import exi
from secc.bench import requests as older
from secc.bench.car20 import Iso20Car, Point
from secc.bench.case import Case, Need
from secc.bench.cases.build import Run
from secc.bench.cases.build20 import REFUSED, SEQUENCE, UNKNOWN, Deed, at, car20, case20
from secc.bench.talk import CarAnswer
from secc.bench.trial import Trial
from secc.bench.wire import Closed, WireFrame
from secc.messages import iso2
from secc.messages import iso20_common as common
from secc.messages import iso20_dc as dc
from secc.messages.iso20_common import ChargingSession, ResponseCode
from secc.session.iso20.services import Service
from secc.sim.iso20 import requests
from secc.v2gtp import PayloadType, frame, split_datagram

# --- framing ------------------------------------------------------------------------------------------------


async def _byte_by_byte(ev: Iso20Car) -> None:
    request = common.AuthorizationSetupReq(header=requests.HEADER)
    data = ev.encode(request, None, None)
    for byte in data:
        await ev.wire.send(bytes([byte]))
    reply = await ev.receive(ev.trial.timers.message)
    good = isinstance(reply, CarAnswer) and reply.code == "OK"
    ev.trial.check(good, "AuthorizationSetupRes OK", reply)


async def _wrong_type(ev: Iso20Car) -> None:
    document = split_datagram(ev.encode(_next_request(ev), None, None))[1]
    other = PayloadType.ISO20_AC if ev.dc else PayloadType.ISO20_DC
    await ev.send_raw(frame(document, other), "a message in the payload type of the other energy set")
    await ev.closed()


def _next_request(ev: Iso20Car) -> msgspec.Struct:
    return ev.energy.parameters()


def _skipped(data: bytes, text: str) -> Deed:
    """These bytes are skipped: the request after them is answered."""

    async def deed(ev: Iso20Car) -> None:
        await ev.send_raw(data, text)
        await ev.expect(common.AuthorizationSetupReq(header=requests.HEADER))

    return deed


async def _too_long(ev: Iso20Car) -> None:
    await ev.send_raw(bytes.fromhex("01fe8002ffffffff"), "a header that announces 4 GiB")
    await ev.closed()


async def _large_in_loop(ev: Iso20Car) -> None:
    await ev.send_raw(frame(bytes(30_000), PayloadType.ISO20_COMMON), "30 kB in the charge loop")
    await ev.closed()


async def _trailing(ev: Iso20Car) -> None:
    payload_type, document = split_datagram(
        ev.encode(common.AuthorizationSetupReq(header=requests.HEADER), None, None)
    )
    await ev.send_raw(frame(document + bytes(3), payload_type), "a message with three zero bytes behind it")
    reply = await ev.receive(ev.trial.timers.message)
    ev.trial.check(isinstance(reply, CarAnswer | Closed), "an answer or the end of TCP", reply)
    ev.trial.remark(f"trailing zero bytes: {reply}")


async def _older_message(ev: Iso20Car) -> None:
    header = iso2.MessageHeader(session_id=ev.session_id)
    message = iso2.V2GMessage(header=header, body=iso2.ServiceDiscoveryReq())
    data = frame(exi.ISO2.encode(message))
    await ev.send_raw(data, "ServiceDiscoveryReq of ISO 15118-2")
    await ev.closed()


# --- supportedAppProtocol -----------------------------------------------------------------------------------

AC20, DC20 = "urn:iso:std:iso:15118:-20:AC", "urn:iso:std:iso:15118:-20:DC"
WPT20, ACDP20 = "urn:iso:std:iso:15118:-20:WPT", "urn:iso:std:iso:15118:-20:ACDP"


def _offer(*entries: tuple[str, int, int, int, int], chosen: int | None, minor: bool = False) -> Run:
    """Entries of namespace, major, minor, SchemaID, priority; the SchemaID that must be chosen."""

    async def run(trial: Trial) -> None:
        ev = car20(trial)
        await ev.connect()
        answer = await ev.first_word(older.offer(*entries))
        if chosen is None:
            good = isinstance(answer, CarAnswer) and answer.code == "Failed_NoNegotiation"
            trial.check(good, "Failed_NoNegotiation", answer)
            return
        code = "OK_SuccessfulNegotiationWithMinorDeviation" if minor else "OK_SuccessfulNegotiation"
        good = isinstance(answer, CarAnswer) and answer.code == code and answer.body.schema_id == chosen
        trial.check(good, f"{code}, SchemaID {chosen}", answer)

    return run


def _mine(trial: Trial) -> str:
    return car20(trial).energy.namespace


def _offer_mine(rank: int, other: str, other_rank: int, *, chosen_mine: bool) -> Run:
    async def run(trial: Trial) -> None:
        mine = (_mine(trial), 1, 0, 5, rank)
        rival = (other, 2 if "2013" in other else 1, 0, 9, other_rank)
        await _offer(rival, mine, chosen=5 if chosen_mine else 9)(trial)

    return run


def _offer_version(major: int, minor: int, *, good: bool) -> Run:
    async def run(trial: Trial) -> None:
        entry = (_mine(trial), major, minor, 3, 1)
        await _offer(entry, chosen=3 if good else None, minor=minor > 0)(trial)

    return run


async def _twenty(trial: Trial) -> None:
    strange = [(f"urn:example:{number}", 1, 0, number, number) for number in range(1, 20)]
    await _offer(*strange, (_mine(trial), 1, 0, 99, 20), chosen=99)(trial)


async def _equal_ranks(trial: Trial) -> None:
    first = await _which(trial)
    await trial.clean_up()
    trial.check(await _which(trial) == first, "the same choice again", first)


async def _which(trial: Trial) -> int:
    ev = car20(trial)
    await ev.connect()
    mine = ev.energy.namespace
    answer = await ev.first_word(older.offer((mine, 1, 0, 7, 1), (mine, 1, 0, 8, 1)))
    trial.check(isinstance(answer, CarAnswer) and answer.code.startswith("OK"), "OK", answer)
    assert isinstance(answer, CarAnswer)
    chosen: int = answer.body.schema_id
    return chosen


async def _no_handshake(trial: Trial) -> None:
    ev = car20(trial)
    await ev.connect()
    ev.point = Point.SETUP
    await ev.send_raw(ev.encode(requests.session_setup(ev.plan.evcc_id), None, None), "SessionSetupReq first")
    reply = await ev.wire.wait_closed(trial.timers.close)
    trial.check(not isinstance(reply, WireFrame), "no answer", reply)


# --- header -------------------------------------------------------------------------------------------------


def _other_id(request_of: Point) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        wrong = bytes([ev.session_id[0] ^ 1]) + ev.session_id[1:]
        await ev.refused(due(ev, request_of), UNKNOWN, session_id=wrong)

    return deed


async def _other_id_and_order(ev: Iso20Car) -> None:
    wrong = bytes([ev.session_id[0] ^ 1]) + ev.session_id[1:]
    await ev.refused(requests.service_discovery(), UNKNOWN, session_id=wrong)


def _stamp(value: int) -> Deed:
    async def deed(ev: Iso20Car) -> None:
        ev.stamp = value
        await ev.expect(common.AuthorizationSetupReq(header=requests.HEADER))

    return deed


async def _rising_stamps(ev: Iso20Car) -> None:
    stamps = []
    for _ in range(20):
        await ev.loop()
        assert ev.last is not None
        stamps.append(ev.last.message.header.time_stamp)  # type: ignore[attr-defined]
    rising = all(before < after for before, after in itertools.pairwise(stamps))
    ev.trial.check(rising, "strictly rising time stamps", stamps)


async def _after_failed(ev: Iso20Car) -> None:
    await ev.expect(requests.service_discovery(), SEQUENCE)
    await ev.send_raw(ev.encode(requests.authorization(), None, None), "a lawful request after FAILED")
    reply = await ev.wire.wait_closed(ev.trial.timers.close)
    ev.trial.check(isinstance(reply, Closed), "no answer, TCP closed", reply)


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


# --- which request is due -----------------------------------------------------------------------------------


def due(ev: Iso20Car, point: Point) -> msgspec.Struct:
    """A lawful request at a point."""
    match point:
        case Point.AUTHORIZATION_SETUP:
            return common.AuthorizationSetupReq(header=requests.HEADER)
        case Point.AUTHORIZATION:
            return requests.authorization()
        case Point.DISCOVERY:
            return requests.service_discovery()
        case Point.DETAIL:
            return common.ServiceDetailReq(header=requests.HEADER, service_id=ev.service)
        case Point.SELECTION:
            return requests.service_selection(ev.service, ev.set_id)
        case Point.PARAMETERS:
            return ev.energy.parameters()
        case Point.SCHEDULES:
            return ev.script.schedule_request()
        case Point.CABLE_CHECK:
            return dc.DCCableCheckReq(header=requests.HEADER)
        case Point.LOOP:
            return ev.energy.request(1)
        case _:
            return requests.session_stop(ChargingSession.TERMINATE)


_ID_POINTS = (
    *(Point.AUTHORIZATION_SETUP, Point.AUTHORIZATION, Point.DISCOVERY, Point.DETAIL, Point.SELECTION),
    *(Point.PARAMETERS, Point.SCHEDULES, Point.LOOP, Point.STOPPED),
)

_SETUP = Point.AUTHORIZATION_SETUP
_FRAMING = "framing"
_SAP = "supportedAppProtocol"
_HEADER = "header"
_AUTH = "SessionSetup and authorization"
_SERVICES = "services"

CASES: tuple[Case, ...] = (
    case20("FRM-001", _FRAMING, "a message byte by byte", "the response", at(_SETUP, _byte_by_byte)),
    case20(
        *("FRM-003", _FRAMING, "a message in the payload type of the other set", "TCP closed"),
        at(Point.PARAMETERS, _wrong_type),
    ),
    case20(
        *("FRM-004", _FRAMING, "payload type 0x9000 on TCP", "skipped, the next request is answered"),
        at(_SETUP, _skipped(bytes.fromhex("01fe900000000002") + b"\x10\x00", "an SDP request")),
    ),
    case20(
        *("FRM-007", _FRAMING, "a header with length 0", "skipped, the next request is answered"),
        at(_SETUP, _skipped(bytes.fromhex("01fe800200000000"), "a header with length 0")),
    ),
    case20("FRM-008", _FRAMING, "a header that announces 4 GiB", "TCP closed", at(_SETUP, _too_long)),
    case20("FRM-011", _FRAMING, "30 kB in the charge loop", "TCP closed", at(Point.LOOP, _large_in_loop)),
    case20(
        *("FRM-014", _FRAMING, "zero bytes behind the message", "an answer or the end, no crash"),
        at(_SETUP, _trailing),
    ),
    case20(
        *("SEC-010", _FRAMING, "a message of ISO 15118-2 in the session", "no answer, TCP closed"),
        at(_SETUP, _older_message),
    ),
    case20(
        *("SAP-001", _SAP, "-20 ranked before -2", "the SchemaID of -20"),
        *(_offer_mine(1, older.ISO2, 2, chosen_mine=True), Need.ISO2),
        ids="169",
    ),
    case20(
        *("SAP-002", _SAP, "-2 ranked before -20", "the SchemaID of -2"),
        *(_offer_mine(2, older.ISO2, 1, chosen_mine=False), Need.ISO2),
        ids="169",
    ),
    case20(
        *("SAP-004", _SAP, "only the energy family that the outlet does not have", "Failed_NoNegotiation"),
        *(_offer((AC20, 1, 0, 1, 1), chosen=None), Need.ISO20_ONLY_DC),
        ids="169",
    ),
    case20(
        *("SAP-005", _SAP, "both families, AC ranked first, at a DC outlet", "the SchemaID of DC"),
        *(_offer((AC20, 1, 0, 1, 1), (DC20, 1, 0, 2, 2), chosen=2), Need.ISO20_ONLY_DC),
        ids="169",
    ),
    case20(
        "SAP-007", _SAP, "another major version", "Failed_NoNegotiation", _offer_version(2, 0, good=False)
    ),
    case20(
        *("SAP-008", _SAP, "another minor version", "OK_SuccessfulNegotiationWithMinorDeviation"),
        _offer_version(1, 1, good=True),
    ),
    case20("SAP-009", _SAP, "twenty entries, the last one usable", "that one", _twenty, ids="167"),
    case20("SAP-011", _SAP, "two entries of the same rank", "the same choice each time", _equal_ranks),
    case20(
        *("SAP-012", _SAP, "only WPT and ACDP", "Failed_NoNegotiation"),
        _offer((WPT20, 1, 0, 1, 1), (ACDP20, 1, 0, 2, 2), chosen=None),
    ),
    case20("SAP-022", _SAP, "SessionSetupReq without a handshake", "no answer", _no_handshake),
    *(
        case20(
            *(f"HDR-003-{point.name}", _HEADER, f"another SessionID where {point.value} is due"),
            "FAILED_UnknownSession, TCP closed",
            at(point, _other_id(point)),
            ids="460",
        )
        for point in _ID_POINTS
    ),
    case20(
        *("HDR-004", _HEADER, "another SessionID and a request that is not due", "FAILED_UnknownSession"),
        at(_SETUP, _other_id_and_order),
        ids="460",
    ),
    *(
        case20(f"HDR-{number}", _HEADER, f"TimeStamp {value}", "the response", at(_SETUP, _stamp(value)))
        for number, value in (
            *(("005", 0), ("006", 1_700_000_000), ("007", 1_700_000_000_000_000), ("009", 2**64 - 1)),
        )
    ),
    case20(
        *("HDR-010", _HEADER, "time stamps of twenty responses", "strictly rising"),
        at(Point.LOOP, _rising_stamps),
        ids="1537",
    ),
    case20(
        *("HDR-014", _HEADER, "a lawful request after FAILED", "no answer, TCP closed"),
        at(_SETUP, _after_failed),
    ),
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
