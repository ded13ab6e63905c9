"""ParkingStatus of ISO 15118-20, as a simulated EV uses it: check in before the charge, and out after it."""

from __future__ import annotations

from secc.messages import iso20_common as common
from secc.messages.iso20_common import EvCheckInStatus, EvCheckOutStatus
from secc.session.iso20.services import PARKING, Intended
from secc.sim.iso20.exchanges import Iso20Exchanges
from secc.sim.moves import Script

__all__ = ["ParkingSide"]


class ParkingSide:
    """What was selected of the service; nothing, where the plan does not want it or no station offers it."""

    def __init__(self, script: Iso20Exchanges) -> None:
        self._script = script
        self.selected: dict[Intended, int] = {}
        """Parameter set by what it is for."""

    def look(self, offered: common.ServiceDiscoveryRes) -> Script:
        """Ask for the parameter sets, and take the first of each kind."""
        self.selected = {}
        added = () if offered.vas_list is None else offered.vas_list.service
        if not self._script.plan.parking:
            return
        if PARKING not in [one.service_id for one in added]:
            self._script.notes.append("ParkingStatus is not offered")
            return
        request = common.ServiceDetailReq(header=self._script.header, service_id=PARKING)
        detail = yield from self._script.ask(request, common.ServiceDetailRes)
        for one in detail.service_parameter_list.parameter_set:
            for parameter in one.parameter:
                if parameter.name == "IntendedService" and parameter.int_value in list(Intended):
                    self.selected.setdefault(Intended(parameter.int_value), one.parameter_set_id)

    def check_in(self) -> Script:
        """The driver parks; then the EV stands."""
        if Intended.CHECK_IN not in self.selected:
            return
        for status in (EvCheckInStatus.CHECK_IN, EvCheckInStatus.COMPLETED):
            request = common.VehicleCheckInReq(
                header=self._script.header,
                ev_check_in_status=status,
                parking_method=common.ParkingMethod.MANUAL,
            )
            yield from self._script.ask(request, common.VehicleCheckInRes)

    def check_out(self) -> Script:
        """The EV leaves now."""
        if Intended.CHECK_OUT not in self.selected:
            return
        for status in (EvCheckOutStatus.CHECK_OUT, EvCheckOutStatus.COMPLETED):
            request = common.VehicleCheckOutReq(
                header=self._script.header, ev_check_out_status=status, check_out_time=self._script.stamp
            )
            yield from self._script.ask(request, common.VehicleCheckOutRes)
