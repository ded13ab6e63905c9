"""Timers: `[timing]` in the station's file."""

import dataclasses

from secc.settings.checks import Settings, check, check_duration

__all__ = ["TimingConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class TimingConfig(Settings, section="timing"):
    """Timers of the station: those of the standard with its defaults, and bounds of this library."""

    communication_setup: float = 18.0
    """V2G_SECC_CommunicationSetup: from the link to SessionSetupRes [V2G2-716]."""
    sequence: float = 60.0
    """V2G_SECC_Sequence_Timeout: from a response to the next request [V2G2-443]."""
    authorization: float = 55.0
    """V2G_SECC_Ongoing: from the first AuthorizationRes Ongoing to a decision [V2G2-712] [V2G2-713]."""
    revocation: float = 3.0
    """From PaymentDetailsReq until the search for OCSP responses and CRLs ends; the answer is due
    after 4.5 s."""
    provisioning: float = 4.2
    """From CertificateInstallationReq or CertificateUpdateReq until an answer of the back end is too late;
    the EV is answered before 4.5 s. A late answer is kept for the next try of the EV."""
    contract_answer: float = 20.0
    """From the first AuthorizationReq with a contract until the back end counts as offline: then
    `pnc.offline` decides."""
    charge_parameters: float = 55.0
    """V2G_SECC_Ongoing: the same for ChargeParameterDiscoveryRes [V2G2-712] [V2G2-713]."""
    cable_check: float = 38.0
    """V2G_SECC_CableCheck: from the first CableCheckRes Ongoing to Finished [V2G2-605]."""
    pre_charge: float = 5.0
    """V2G_SECC_PreCharge: from the first PreChargeReq to the voltage it asks for [V2G2-605]."""
    pre_charge_total: float = 20.0
    """From the first PreChargeReq to PowerDeliveryReq; then the output goes off (bound of this library)."""
    voltage: float = 2.0
    """From a PowerDeliveryReq that starts until the outlet measures the voltage of the EV (bound of this
    library), at most 4. In DIN SPEC 70121 `answer_margin` ends it sooner: the answer is due after 1.5 s."""
    voltage_reading: float = 0.1
    """Interval at which readings and contactor feedback are checked while the session waits for them."""
    discharge: float = 5.0
    """From the order to switch off until the DC output reads no more than `energy.dc.safe_voltage` where an
    isolation test waits for that or no cable is plugged in, and no current (bound of this library). After
    it the outlet is blocked."""
    contactor_release: float = 1.0
    """From the order to open until the feedback of the contactor shows it, at most 1.5 (bound of this
    library). After it the outlet is blocked."""
    contactor_lost: float = 0.2
    """Longest time for which the feedback may show open while the contactor must be closed (bound of this
    library). After it the outlet is blocked."""
    din_demand: float = 5.0
    """DIN SPEC 70121: from a CurrentDemandRes to the next request [V2G-DC-957]."""
    contactor: float = 3.0
    """From control pilot C or D to the closed contactor [V2G2-862]."""
    pilot: float = 1.5
    """V2G_SECC_CPState_Detection: until the pilot shows the state that a request implies [V2G2-917]."""
    answer_margin: float = 0.1
    """Margin before the performance time of an answer. At that point the answer is sent with what is known,
    and pending waits (`pilot`, `contactor`, `voltage`, `revocation`, `provisioning`) end. It covers the delay
    from the decision to the wire on a busy machine."""
    welding_detection: float = 20.0
    """From the first WeldingDetectionReq to SessionStopReq (bound of this library)."""
    stop_delay: float = 10.0
    """NotificationMaxDelay of an ordered stop; then the output is switched off. Sent in whole seconds."""
    stop_grace: float = 10.0
    """From a stop before energy flows, or a stop that switches off at once (a withdrawn authorization), until
    the EV is refused, at most 60. Until then its requests are answered OK, with EVSE_Shutdown and
    StopCharging in the answer and the output off, so that it can end the session in order."""
    soc_reading: float = 30.0
    """From SessionSetupReq to the end of a session that only reads the state of charge (bound of this
    library), see `soc.read`."""
    close_delay: float = 2.0
    """From the last response to closing TCP, at most 5; the EV should close first [V2G2-025]."""
    lease: float = 0.5
    """How long the output may stay energised without renewal, at most 0.5 [INV-31]."""
    lease_renewal: float = 0.2
    """Interval at which the lease is renewed and the limits are applied again."""
    minimum_pace: float = 0.0
    """Shortest time from a request to its response, except CurrentDemandRes. Some cars fail if answers arrive
    too fast: 0.1 is common in the field."""
    renegotiate_after: float = 60.0
    """Shortest time from an offer until the EV is asked to renegotiate because more power is available; see
    `energy.renegotiate_above`."""
    pause: float = 86_400.0
    """Longest pause after which a session can be resumed (bound of this library)."""
    backend_call: float = 50.0
    """Limit for an answer of the back end other than an authorization."""
    controller_call: float = 5.0
    """Limit for a call of the controller, except the cable check."""

    def _check(self) -> None:
        for field in dataclasses.fields(self):
            at_most = _DURATION_LIMITS.get(field.name, 300.0)
            at_least = 0.0 if field.name in _MAY_BE_ZERO else 0.001
            check_duration(
                getattr(self, field.name), f"timing.{field.name}", at_most=at_most, at_least=at_least
            )
        check(self.lease_renewal < self.lease, "timing.lease_renewal", "less than timing.lease")
        check(self.pre_charge <= self.pre_charge_total, "timing.pre_charge_total", "pre_charge or more")


_MAY_BE_ZERO = ("minimum_pace", "stop_delay", "close_delay", "answer_margin")
_DURATION_LIMITS = {
    "lease": 0.5,
    "close_delay": 5.0,
    "minimum_pace": 1.0,
    "stop_grace": 60.0,
    "answer_margin": 1.0,
    "sequence": 3600.0,
    "voltage": 4.0,
    "voltage_reading": 1.0,
    "discharge": 30.0,
    "contactor_release": 1.5,
    "contactor_lost": 1.0,
    "pause": 604_800.0,
    "renegotiate_after": 86_400.0,
}
