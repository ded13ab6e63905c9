"""The safety oracle over a session of DIN SPEC 70121: the same rules, so the same oracle, given each message
in the words of ISO 15118-2. What DIN does not say is filled in as the specification has it: an EV without a
charging profile follows the first schedule, and PMax at its highest value says nothing."""

from fractions import Fraction

import msgspec

from secc.messages import din, iso2
from secc.session.inputs import Input, Received
from secc.session.outlet import EvseSnapshot
from secc.session.outputs import Output, Send
from secc.settings import SeccConfig
from tests.support import requests
from tests.support.lasting import Lasting
from tests.support.outlet_rules import require
from tests.support.safety import SafetyOracle

UNTOLD = 32767


class DinOracle(SafetyOracle):
    """Feed it every (now, input, outputs) of one DIN session, in order."""

    def __init__(
        self,
        config: SeccConfig,
        snapshot: EvseSnapshot,
        session_id: bytes,
        lasting: Lasting | None = None,
    ) -> None:
        super().__init__(config, snapshot, session_id, lasting)
        self._default = 1

    def says_nothing(self, watts: Fraction, most: Fraction) -> bool:
        return watts == UNTOLD * 1000 and most >= UNTOLD

    def step(self, now: float, event: Input, outputs: tuple[Output, ...]) -> None:
        if isinstance(event, Received) and isinstance(event.message, din.V2GMessage):
            event = msgspec.structs.replace(event, message=self._message(event.message))
        super().step(now, event, tuple(self._output(output) for output in outputs))

    def _output(self, output: Output) -> Output:
        if not isinstance(output, Send) or not isinstance(output.message, din.V2GMessage):
            return output
        body = output.message.body
        self._check_shutdown(body)
        if isinstance(body, din.ChargeParameterDiscoveryRes):
            finished = body.evse_processing is din.EVSEProcessing.FINISHED
            self._default = body.sa_schedules.sa_schedule_tuple[0].sa_schedule_tuple_id if finished else 1
        return msgspec.structs.replace(output, message=self._message(output.message))

    def _check_shutdown(self, body: object) -> None:
        """DIN announces a stop by the status code only [V2G-DC-500]."""
        holder = getattr(body, "evse_charge_parameter", None) or body
        status = getattr(holder, "dc_evse_status", None) or getattr(holder, "evse_status", None)
        code = str(getattr(body, "response_code", ""))
        if self.stopped and isinstance(status, din.DCEVSEStatus) and not code.startswith("FAILED"):
            told = status.evse_status_code.value in ("EVSE_Shutdown", *_WORSE)
            require(told, "INV-29", f"{type(body).__name__} after a stop says {status.evse_status_code}")

    def _message(self, message: din.V2GMessage) -> iso2.V2GMessage:
        header = iso2.MessageHeader(session_id=message.header.session_id)
        return iso2.V2GMessage(header=header, body=self._body(message.body))

    def _body(self, body: din.BodyElement | None) -> iso2.BodyElement | None:
        match body:
            case None:
                return None
            case din.ServicePaymentSelectionReq():
                return requests.payment_selection(iso2.PaymentOption(body.selected_payment_option.value))
            case din.ChargeParameterDiscoveryReq(ev_charge_parameter=din.DCEVChargeParameter() as ev):
                return requests.dc_parameters(
                    max_voltage=_value(ev.ev_maximum_voltage_limit, "V"),
                    max_current=_value(ev.ev_maximum_current_limit, "A"),
                    max_power=None if (power := ev.ev_maximum_power_limit) is None else _value(power, "W"),
                )
            case din.PreChargeReq():
                return requests.pre_charge(
                    _value(body.ev_target_voltage, "V"), _value(body.ev_target_current, "A")
                )
            case din.CurrentDemandReq():
                return requests.current_demand(
                    _value(body.ev_target_voltage, "V"),
                    _value(body.ev_target_current, "A"),
                    status=_ev_status(body.dc_ev_status),
                )
            case din.PowerDeliveryReq():
                return self._power(body)
            case din.ChargeParameterDiscoveryRes():
                return _offer(body)
        name = _NAMES.get(type(body).__name__, type(body).__name__)
        if name.endswith("Req"):
            return requests.EACH[getattr(iso2, name)]
        return _response(name, body)

    def _power(self, body: din.PowerDeliveryReq) -> iso2.BodyElement:
        progress = iso2.ChargeProgress.START if body.ready_to_charge_state else iso2.ChargeProgress.STOP
        profile = body.charging_profile
        if profile is None:
            return requests.power_delivery(progress, schedule_id=self._default)
        entries = tuple(
            (entry.charging_profile_entry_start, requests.watts(entry.charging_profile_entry_max_power))
            for entry in profile.profile_entry
        )
        return requests.power_delivery(progress, schedule_id=profile.sa_schedule_tuple_id, profile=entries)


_WORSE = ("EVSE_EmergencyShutdown", "EVSE_Malfunction")
_NAMES = {
    "ServicePaymentSelectionRes": "PaymentServiceSelectionRes",
    "ContractAuthenticationReq": "AuthorizationReq",
    "ContractAuthenticationRes": "AuthorizationRes",
    "SessionStop": "SessionStopReq",
}


def _ev_status(status: din.DCEVStatus) -> iso2.DCEVStatus:
    clean = status.ev_error_code is din.DCEVErrorCode.NO_ERROR
    error = iso2.DCEVErrorCode.NO_ERROR if clean else iso2.DCEVErrorCode.FAILED_EV_RESS_MALFUNCTION
    return requests.dc_ev_status(ready=status.ev_ready, error=error)


def _value(value: din.PhysicalValue, unit: str) -> iso2.PhysicalValue:
    return iso2.PhysicalValue(multiplier=value.multiplier, unit=iso2.UnitSymbol(unit), value=value.value)


def _response(name: str, body: msgspec.Struct) -> iso2.BodyElement:
    """The fields that the oracle looks at; it is not sent anywhere, so the others may be missing."""
    fields: dict[str, object] = {"response_code": iso2.ResponseCode(getattr(body, "response_code").value)}  # noqa: B009
    processing = getattr(body, "evse_processing", None)
    if processing is not None:
        fields["evse_processing"] = iso2.EVSEProcessing(processing.value)
    return _partly(getattr(iso2, name), fields)


def _partly(cls: type, fields: dict[str, object]) -> iso2.BodyElement:
    blank = dict.fromkeys(cls.__struct_fields__)  # type: ignore[attr-defined]
    body: iso2.BodyElement = cls(**(blank | fields))
    return body


def _offer(body: din.ChargeParameterDiscoveryRes) -> iso2.BodyElement:
    finished = body.evse_processing is din.EVSEProcessing.FINISHED
    schedules = iso2.SAScheduleList(
        sa_schedule_tuple=tuple(
            iso2.SAScheduleTuple(
                sa_schedule_tuple_id=one.sa_schedule_tuple_id,
                p_max_schedule=iso2.PMaxSchedule(
                    p_max_schedule_entry=tuple(
                        iso2.PMaxScheduleEntry(
                            time_interval=iso2.RelativeTimeInterval(start=entry.time_interval.start),
                            p_max=requests.watts(entry.p_max, 3 if entry.p_max == UNTOLD else 0),
                        )
                        for entry in one.p_max_schedule.p_max_schedule_entry
                    )
                ),
            )
            for one in body.sa_schedules.sa_schedule_tuple
        )
    )
    code = iso2.ResponseCode(body.response_code.value.replace("TransferType", "TransferMode"))
    return _partly(
        iso2.ChargeParameterDiscoveryRes,
        {
            "response_code": code,
            "evse_processing": iso2.EVSEProcessing(body.evse_processing.value),
            "sa_schedules": schedules if finished and code is iso2.ResponseCode.OK else None,
        },
    )
