"""Settings of `[compat]`: leniencies towards cars in the field."""

import dataclasses

from secc.settings.checks import Settings

__all__ = ["CompatConfig"]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CompatConfig(Settings, section="compat"):
    """Leniencies towards cars in the field. Each use is reported as a Notice. `strict()` has none."""

    early_session_stop: bool = True
    """Accept SessionStopReq in every phase of a session; some cars stop without PowerDeliveryReq(Stop)."""
    early_power_off: bool = True
    """DC: accept a PowerDeliveryReq that stops before pre-charge, in ISO 15118-2 (ChargeProgress Stop) and
    DIN SPEC 70121 (ReadyToChargeState false); a recorded Audi Q4 gives up this way in DIN."""
    stop_after_start: bool = True
    """Accept a PowerDeliveryReq that stops directly after the one that starts, before the first
    ChargingStatusReq or CurrentDemandReq: the car reconsiders, or follows a stop of the station."""
    stray_signature_attributes: bool = True
    """Accept Id and Type attributes in signatures: excluded by the standard, but some cars send them
    [V2G2-771]."""
    ev_not_ready: bool = False
    """Do not stop for EVReady false in the DC loop; the set-point is zero in the meantime in either case."""
    zero_power_limit: bool = True
    """Treat EVMaximumPowerLimit of 0 W as not specified; a recorded MG4 sends it with every message and
    charges. Its limits of voltage and current still apply."""
    impossible_profile: bool = True
    """DC: a negative power or a number of phases other than 1 to 3 in a ChargingProfile is treated as
    not specified; the 16 bits of a recorded car overflow (-2413.6 W), and it plans 4 phases. PMax and every
    limit still apply."""
    contract_country: bool = True
    """Accept a country in the subject of a contract certificate: excluded by the standard and by conformance
    tests, but issuers write it."""
    other_pcid: bool = False
    """Accept an installation request with a provisioning certificate whose common name is not a PCID, as in
    test hierarchies of other stacks. DC=OEM must still define its role; for a laboratory."""

    selection_without_detail: bool = True
    """ISO 15118-20: accept ServiceSelectionReq without a ServiceDetailReq before it, if the set exists."""
    start_in_pre_charge: bool = True
    """ISO 15118-20: accept PowerDeliveryReq after a DC_PreChargeReq without Finished, which three EVs
    never send. The start still waits until the outlet measures the voltage of the EV."""
    target_above_limit: bool = True
    """ISO 15118-20: treat a target voltage of pre-charge above EVMaximumVoltage of the EV as that maximum;
    a test EV sends 20 kV. The maximum still applies."""
    stop_without_welding: bool = True
    """ISO 15118-20: accept SessionStopReq after PowerDeliveryReq(Stop) without welding detection, DC: the
    output is off by then."""

    metering_on_main: bool = True
    """ISO 15118-20: accept MeteringConfirmationReq on the main stream, beside payload type 0x8102 that the
    standard has for it."""

    @classmethod
    def strict(cls) -> "CompatConfig":
        """No leniency, for conformance tests."""
        return cls(
            contract_country=False,
            early_session_stop=False,
            early_power_off=False,
            stop_after_start=False,
            ev_not_ready=False,
            impossible_profile=False,
            metering_on_main=False,
            other_pcid=False,
            selection_without_detail=False,
            start_in_pre_charge=False,
            stop_without_welding=False,
            stray_signature_attributes=False,
            target_above_limit=False,
            zero_power_limit=False,
        )
