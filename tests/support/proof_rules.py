"""Rules of contracts and of metering confirmation in ISO 15118-20, for the oracle of searches and walks.

They know what the EV has shown and signed, and which challenge and which reading it was given; whether a
signature fits is left to `secc.pki`, whose tests are others. A signature is of this proof or of another one.
"""

from __future__ import annotations

from typing import Any

from secc.messages import iso20_common as m
from secc.messages.iso20_common import EvseNotification, Processing
from tests.support.outlet_rules import require


class ProofRules:
    """What a session may believe about contracts."""

    def __init__(self) -> None:
        self.challenge: bytes | None = None
        """Of the last AuthorizationSetupRes; None after the grant."""
        self.shown: tuple[m.PnCAReqAuthorizationMode, bool] | None = None
        """The contract of the attempt in progress, and whether it came with a signature."""
        self.granted_leaf: bytes | None = None
        self.installing = False
        """The back end is asked for a contract."""
        self.installations = 0
        self.readings: tuple[m.MeterInfo, ...] = ()
        """To be confirmed: the last one that was requested, after the one before."""

    def take_challenge(self, message: m.AuthorizationSetupRes) -> None:
        """The challenge of this session."""
        mode = message.pnc_as_res_authorization_mode
        self.challenge = None if mode is None else mode.gen_challenge

    def take_request(self, message: Any) -> None:
        """What the EV shows or confirms."""
        mode = getattr(message, "pnc_a_req_authorization_mode", None)
        if mode is not None:
            signed = message.header.signature is not None
            before = self.shown[0] if self.shown is not None else None
            self.shown = (mode, signed) if mode != before else self.shown

    def take_status(self, message: Any) -> None:
        """A request to confirm the meter, with its reading; the end of an installation."""
        if isinstance(message, m.CertificateInstallationRes):
            self.installing = message.evse_processing is not Processing.FINISHED
        status = getattr(message, "evse_status", None)
        asked = status is not None and status.evse_notification is EvseNotification.METERING_CONFIRMATION
        if asked and hasattr(message, "meter_info"):
            self._take_reading(message.meter_info)

    def check_asked(self, contract: Any) -> None:
        """The contract was shown with the challenge of this session [INV-23]."""
        require(self.shown is not None, "INV-09", "a contract that was not shown")
        assert self.shown is not None
        mode, signed = self.shown
        require(signed, "INV-09", "a contract without a signature")
        require(mode.gen_challenge == self.challenge, "INV-23", "a proof with another challenge")
        self._check_leaf(contract, mode)

    def check_granted(self, contract: Any) -> None:
        """What is granted is what was shown last: nothing inherits a grant [V2G20-1582]."""
        require(self.shown is not None, "INV-09", "a grant for a contract that was not shown")
        assert self.shown is not None
        self._check_leaf(contract, self.shown[0])
        self.granted_leaf = self.shown[0].contract_certificate_chain.certificate

    def _check_leaf(self, contract: Any, mode: m.PnCAReqAuthorizationMode) -> None:
        leaf = contract.chain.leaf.der
        same = leaf == mode.contract_certificate_chain.certificate
        require(same, "INV-09", "another contract than the one that was shown")

    def check_finished(self, request: m.AuthorizationReq) -> None:
        """OK, Finished: for the contract that was granted; the challenge is void then [V2G20-2108]."""
        mode = request.pnc_a_req_authorization_mode
        if mode is not None:
            shown = mode.contract_certificate_chain.certificate
            require(shown == self.granted_leaf, "INV-09", "OK for another contract than the granted one")
        self.challenge = None

    def check_provision(self, request: Any, most: int) -> None:
        """The back end is asked for a contract: for a signed request, one at a time, and not too often."""
        asks = isinstance(request, m.CertificateInstallationReq)
        require(asks and request.header.signature is not None, "INV-09", "a contract for an unsigned request")
        require(not self.installing, "V2G20-1972", "two contracts are requested at a time")
        self.installing, self.installations = True, self.installations + 1
        require(self.installations <= most, "V2G20-1972", f"contract {self.installations} of a session")

    def check_confirmed(self, request: m.MeteringConfirmationReq) -> None:
        """Accepted once, with the reading that was sent [V2G20-1083]."""
        require(bool(self.readings), "V2G20-1083", "a confirmation that was not requested is accepted")
        found = request.signed_metering_data.meter_info
        require(found in self.readings, "V2G20-1083", "a confirmation of another reading is accepted")
        self.readings = tuple(one for one in self.readings[-1:] if one != found)

    def _take_reading(self, info: m.MeterInfo) -> None:
        if self.readings[-1:] != (info,):
            self.readings = (*self.readings[-1:], info)

    def check_stored(self, request: Any) -> None:
        """Kept as evidence: a confirmation with a signature, of the contract that pays."""
        confirmed = isinstance(request, m.MeteringConfirmationReq)
        require(confirmed and self.granted_leaf is not None, "V2G20-1084", "evidence without a confirmation")
        require(request.header.signature is not None, "V2G20-1084", "evidence without a signature")
