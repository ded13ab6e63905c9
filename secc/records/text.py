"""Records of a station as lines of text and as JSON.

A line is for a person, a JSON object for a log collector. Certificates and challenges are left out [INV-25].
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import hashlib
import json
from typing import Any, cast

import msgspec

from secc.records import (
    Direction,
    LinkRecord,
    MessageRecord,
    NoticeRecord,
    OutputRecord,
    PlcRecord,
    Record,
)
from secc.session.contract_events import (
    AskRevocation,
    AuthorizeContract,
    ContractDelivered,
    ContractGranted,
    ContractRefused,
    JudgeContract,
    Provision,
    StoreReceipt,
)
from secc.session.outputs import EndSession, OfferChosen, OfferSent, RenewLease
from secc.session.prices import AbsolutePrices, PriceLevels, Prices, SignedPrices, TuplePrices
from secc.session.streams import Stream
from secc.session.vehicle_events import AskVehicleStatus

__all__ = ["as_json", "as_text", "detail_of", "milliseconds", "name_of", "said_as_json"]


def name_of(message: msgspec.Struct) -> str:
    """SessionSetupReq, and so on."""
    return type(getattr(message, "body", message)).__name__


def detail_of(message: msgspec.Struct) -> str:
    """The fields of a response that matter most: code, progress, processing."""
    body = getattr(message, "body", message)
    words = []
    code = getattr(body, "response_code", None)
    if code is not None and code.value != "OK":
        words.append(code.value)
    for field in ("charge_progress", "evse_processing", "charging_session"):
        value = getattr(body, field, None)
        if value is not None:
            words.append(value.value)
    return " ".join(words)


def as_text(record: Record) -> str | None:
    """One line; None for records that would only fill a log."""
    match record:
        case MessageRecord(direction=Direction.RECEIVED):
            return f"<- {name_of(record.message):28} {detail_of(record.message)}{_beside(record)}".rstrip()
        case MessageRecord():
            waited = "" if record.response_time is None else milliseconds(record.response_time)
            detail = f"{detail_of(record.message)}{_beside(record)}"
            return f"-> {name_of(record.message):28} {waited:>10}  {detail}".rstrip()
        case NoticeRecord():
            return f"   {record.notice.kind.value}: {record.notice.text}"
        case OutputRecord(output=RenewLease()):
            return None
        case OutputRecord(output=EndSession() as end):
            detail = f", {end.detail}" if end.detail else ""
            energy = f", meter {end.meter.energy} Wh" if end.meter is not None else ""
            energy += f", {end.exported} Wh taken from the EV" if end.exported else ""
            costs = f", {end.costs.total / 1_000_000:.2f} {end.costs.currency}" if end.costs else ""
            name = end.session_id.hex().upper()
            return f"   session {name} is over: {end.reason.value}{detail}{energy}{costs}"
        case OutputRecord(output=OfferSent() | OfferChosen() as output):
            return f"   {type(output).__name__} {_offer_words(output)}"
        case OutputRecord() if (words := _contract_words(record.output)) is not None:
            said = " ".join(f"{k} {v}" for k, v in words.items())
            return f"   {type(record.output).__name__} {said}".rstrip()
        case OutputRecord():
            return f"   {_order(record.output)}"
        case LinkRecord():
            peer = f" {record.peer}" if record.peer else ""
            text = f": {record.text}" if record.text else ""
            return f"   {record.event.value}{peer}{text}"
        case PlcRecord():
            words = _plc_words(record.what)
            return f"   {type(record.what).__name__} " + " ".join(f"{k} {v}" for k, v in words.items())


def _beside(record: MessageRecord) -> str:
    return "" if record.stream is Stream.MAIN else f" [{record.stream}]"


def as_json(record: Record, *, utc: float | None = None) -> str:
    """The same as one JSON object, with the id of its session; `utc`: Unix seconds of now."""
    fields: dict[str, Any] = {} if utc is None else {"utc": _clock(utc)}
    fields["at"] = round(record.at, 6)
    if session := getattr(record, "session", ""):
        fields["session"] = session
    match record:
        case MessageRecord():
            fields |= {"kind": "message", "direction": record.direction.value}
            fields |= {"name": name_of(record.message), "message": _plain(record.message)}
            if record.stream is not Stream.MAIN:
                fields["stream"] = record.stream.value
            if record.response_time is not None:
                fields["response_time"] = round(record.response_time, 6)
        case NoticeRecord():
            fields |= {"kind": "notice", "about": record.notice.kind.value, "text": record.notice.text}
        case OutputRecord():
            words = _contract_words(record.output)
            words = _plain(record.output) if words is None else words
            fields |= {"kind": "output", "name": type(record.output).__name__, **words}
        case LinkRecord():
            fields |= {"kind": "link", "event": record.event.value, "text": record.text, "peer": record.peer}
        case PlcRecord():
            fields |= {"kind": "plc", "name": type(record.what).__name__, **_plc_words(record.what)}
    return json.dumps(fields)


def said_as_json(text: str, *, utc: float) -> str:
    """A text of the command itself."""
    return json.dumps({"utc": _clock(utc), "kind": "said", "text": text})


def _clock(utc: float) -> str:
    return datetime.datetime.fromtimestamp(utc, datetime.UTC).isoformat(timespec="milliseconds")


def _plc_words(what: object) -> dict[str, Any]:
    """Fields of matching and control pilot: bytes as hex, the profile as its mean."""
    from secc.pilot import Drive, PilotSignal  # loaded before, as only a station with SLAC has such records
    from secc.slac.attenuation import mean

    words: dict[str, Any] = {}
    for field in dataclasses.fields(cast(Any, what)):
        value = getattr(what, field.name)
        match value:
            case PilotSignal():
                value = value.drive.value if value.drive is not Drive.PWM else f"{value.duty * 100:.0f} %"
            case bytes() if field.name == "profile":
                value = f"mean {mean(value):.1f} dB" if value else ""
            case bytes():
                value = value.hex()
            case float():
                value = round(value, 3)
            case enum.Enum():
                value = value.value
        if value not in (None, ""):
            words[field.name] = value
    return words


def _offer_words(output: OfferSent | OfferChosen) -> str:
    """Prices in a few words: the first fee of each schedule, and how many steps there are."""
    if isinstance(output, OfferChosen):
        chosen = "" if output.schedule_id is None else f"schedule {output.schedule_id}, "
        return chosen + _tuple_words(output.prices)
    ids = ", ".join(str(one.schedule_id) for one in output.schedules)
    prices = "; ".join(
        ("" if one.schedule_id is None else f"schedule {one.schedule_id}: ") + _tuple_words(one)
        for one in output.prices
    )
    return f"schedules {ids or 'none'}{', signed' if output.signed else ''}: {prices}"


def _tuple_words(prices: TuplePrices) -> str:
    charging, back = _price_words(prices.charging), _price_words(prices.discharging)
    return f"charging {charging}" + (f", discharging {back}" if prices.discharging is not None else "")


def _price_words(prices: Prices | None) -> str:
    match prices:
        case AbsolutePrices():
            fee = prices.steps[0].bands[0].energy_fee / 1_000_000
            return f"{fee:g} {prices.currency}/kWh, {len(prices.steps)} steps"
        case PriceLevels():
            return f"level {prices.levels[0].level} of {prices.count}, {len(prices.levels)} steps"
        case SignedPrices():
            return f"signed, {len(prices.exi)} bytes"
        case None:
            return "not priced"


def _contract_words(output: object) -> dict[str, Any] | None:
    """Fields of an output about a contract; certificates and proofs are left out."""
    match output:
        case AuthorizeContract(contract=contract) | AskRevocation(contract=contract):
            return {"emaid": str(contract.emaid)}
        case JudgeContract():
            return {}
        case ContractGranted(contract=contract, source=source, vehicle=vehicle):
            seen = {} if vehicle is None else {"vehicle": vehicle.common_name}
            return {"emaid": str(contract.emaid), "by": source.value, "root": contract.root, **seen}
        case ContractDelivered(request=request, bundle=bundle):
            emaid = "not verified" if bundle is None else str(bundle.emaid)
            return {"action": request.action.value, "who": str(request.pcid or request.emaid), "emaid": emaid}
        case ContractRefused():
            return {
                "step": output.step,
                "code": output.code.value,
                "rule": output.rule,
                "who": output.identity,
                "why": output.text,
            }
        case AskVehicleStatus(vehicle=vehicle):
            return {"vehicle": vehicle.fingerprint[:16]}
        case Provision(request=request):
            return {"action": request.action.value, "who": str(request.pcid or request.emaid)}
        case StoreReceipt(receipt=receipt):
            return {"emaid": str(receipt.contract.emaid), "meter": receipt.meter_id, "Wh": receipt.energy}
        case _:
            return None


def _order(output: msgspec.Struct) -> str:
    """An output of the session in words: its class and its numbers, tickets left out."""
    words = [type(output).__name__]
    for name in output.__struct_fields__:
        value = getattr(output, name)
        if isinstance(value, int | float):
            words.append(f"{name} {value:g}")
    return " ".join(words)


def _plain(value: Any) -> Any:
    """Data that JSON can hold; bytes as hexadecimal."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes) and len(value) > _LONGEST:  # certificates of persons do not belong in logs
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
    if isinstance(value, bytes):
        return value.hex().upper()
    if isinstance(value, msgspec.Struct):
        return _plain_struct(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _plain_struct(value: Any) -> dict[str, Any]:
    """A value of the session, or a message: what is not there is left out of messages.

    Messages are recognized by their module: the classes of a protocol that is off are not loaded.
    """
    pairs = ((name, getattr(value, name)) for name in value.__struct_fields__)
    if not type(value).__module__.startswith("secc.messages."):
        return {name: _plain(item) for name, item in pairs}
    if type(value).__name__ == "V2GMessage":
        return {"session_id": value.header.session_id.hex().upper(), "body": _plain(value.body)}
    found = {name: _plain(item) for name, item in pairs if item is not None}
    return found | {name: "not shown" for name in found if name in _SECRET}


_LONGEST = 100  # bytes that are shown in full
_SECRET = ("gen_challenge",)  # [INV-25]


def milliseconds(seconds: float) -> str:
    """Short, for people."""
    return f"{seconds * 1000:.2f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"
