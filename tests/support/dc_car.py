"""A DC car in the words of either protocol, for rules that are the same in both."""

import dataclasses
from fractions import Fraction
from typing import Any

import msgspec

from secc.messages import din, iso2
from secc.session.inputs import CableCheckReported
from secc.session.outlet import ControlPilot, IsolationLevel
from secc.session.outputs import SetOutput, StartCableCheck
from secc.settings import SeccConfig
from tests.support import din as d
from tests.support import requests as r
from tests.support.bench import DC, Bench

PROTOCOLS = ("ISO 15118-2", "DIN SPEC 70121")


class DcCar:
    """At a bench, with an outlet whose voltage follows only when a test says so."""

    def __init__(self, protocol: str, config: SeccConfig | None = None) -> None:
        self.is_din = protocol == "DIN SPEC 70121"
        dc = DC.energy if config is None else config.energy
        base = d.DIN if self.is_din else DC
        timing = base.timing if config is None else config.timing
        used = dataclasses.replace(base, energy=dc, timing=timing)
        self.bench: Bench = d.DinBench(used) if self.is_din else Bench(used)

    def ask(self, iso: iso2.BodyElement, other: din.BodyElement) -> str:
        """The response code."""
        response: msgspec.Struct | None
        if isinstance(self.bench, d.DinBench):
            response = self.bench.ask(other)
        else:
            response = self.bench.request(iso)
        return str(getattr(response, "response_code", "no response"))

    # --- ways into a state ---

    def to_cable_check(self) -> "DcCar":
        if isinstance(self.bench, d.DinBench):
            self.bench.at_cable_check()
        else:
            self.bench.to_cable_check()
        self.bench.outlet(control_pilot=ControlPilot.C)
        return self

    def to_pre_charge(self) -> "DcCar":
        self.to_cable_check().cable_check()
        self.bench.isolation()
        assert self.cable_check() == "OK"
        return self

    def to_charge(self, volts: float = 380.0) -> "DcCar":
        """Started, the first demand not yet sent."""
        self.to_pre_charge().pre_charge(volts)
        self.bench.outlet(present_voltage=volts)
        assert self.start() == "OK"
        return self

    # --- requests ---

    def cable_check(self) -> str:
        return self.ask(r.cable_check(), d.cable_check())

    def pre_charge(self, volts: float, amperes: float = 2.0) -> str:
        return self.ask(
            r.pre_charge(r.volts(*_value(volts)), r.amperes(*_value(amperes))),
            d.pre_charge(d.volts(*_value(volts)), d.amperes(*_value(amperes))),
        )

    def start(self) -> str:
        return self.ask(r.start(), d.power(True))

    def stop(self) -> str:
        return self.ask(r.stop(), d.power(False))

    def demand(self, volts: float, amperes: float) -> str:
        return self.ask(
            r.current_demand(r.volts(*_value(volts)), r.amperes(*_value(amperes))),
            d.current_demand(d.volts(*_value(volts)), d.amperes(*_value(amperes))),
        )

    def failing(self, name: str) -> str:
        """A request of this name whose EVErrorCode says that the car is at fault."""
        iso_error = r.dc_ev_status(error=iso2.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)
        din_error = d.ev_status(error=din.DCEVErrorCode.FAILED_RESS_TEMPERATURE_INHIBIT)
        if name == "PowerDeliveryReq":
            iso_start, din_start = r.start(), d.power(True)
            iso_part = iso2.DCEVPowerDeliveryParameter(dc_ev_status=iso_error, charging_complete=False)
            din_part = din.DCEVPowerDeliveryParameter(dc_ev_status=din_error, charging_complete=False)
            return self.ask(
                msgspec.structs.replace(iso_start, ev_power_delivery_parameter=iso_part),
                msgspec.structs.replace(din_start, ev_power_delivery_parameter=din_part),
            )
        plain: dict[str, tuple[Any, Any]] = {
            "CableCheckReq": (r.cable_check(), d.cable_check()),
            "PreChargeReq": (r.pre_charge(), d.pre_charge()),
            "CurrentDemandReq": (r.current_demand(), d.current_demand()),
        }
        iso, other = plain[name]
        return self.ask(
            msgspec.structs.replace(iso, dc_ev_status=iso_error),
            msgspec.structs.replace(other, dc_ev_status=din_error),
        )

    # --- what the outlet was ordered to do ---

    @property
    def set_points(self) -> list[SetOutput]:
        return [output for output in self.bench.outputs if isinstance(output, SetOutput)]

    @property
    def tests(self) -> list[StartCableCheck]:
        return [output for output in self.bench.outputs if isinstance(output, StartCableCheck)]

    def tested(self, level: IsolationLevel = IsolationLevel.VALID) -> None:
        self.bench.feed(CableCheckReported(self.tests[-1].ticket, level))


def _value(number: float) -> tuple[int, int]:
    """Value and multiplier."""
    exact = Fraction(str(number))
    return (int(exact), 0) if exact.denominator == 1 else (int(exact * 10), -1)
