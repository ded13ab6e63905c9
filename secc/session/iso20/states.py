"""The states of a session of ISO 15118-20, in the order of its message flow.

`WAIT_…`: the EV must speak; each names what it may say. The others: the station owes an answer and waits for
the outlet or the pilot. AC and DC have their states from the charge parameters on, so that a message of
the other kind is out of order wherever it comes.
"""

from secc.session.states import Stage, StateRole


class Iso20State(Stage):
    """The states of a session of ISO 15118-20."""

    WAIT_SESSION_SETUP = "waits for SessionSetupReq", StateRole.BEGIN
    WAIT_AUTHORIZATION_SETUP = "waits for AuthorizationSetupReq"
    WAIT_AUTHORIZATION = "waits for AuthorizationReq or CertificateInstallationReq"
    JUDGING_CONTRACT = "owes AuthorizationRes, waits for the verification of the contract", StateRole.OWES
    WAIT_CERTIFICATE = "waits for CertificateInstallationReq while the back end is asked for a contract"
    WAIT_SERVICE_DISCOVERY = "waits for ServiceDiscoveryReq"
    WAIT_SERVICE_DETAIL = "waits for the first ServiceDetailReq"
    WAIT_SERVICE_SELECTION = "waits for ServiceDetailReq or ServiceSelectionReq"

    WAIT_CHECK_IN_AC = "waits for VehicleCheckInReq, AC"
    WAIT_CHECK_IN_DC = "waits for VehicleCheckInReq, DC"

    # AC
    WAIT_PARAMETERS_AC = "waits for AC_ChargeParameterDiscoveryReq"
    WAIT_SCHEDULE_AC = "waits for ScheduleExchangeReq, AC"
    WAIT_POWER_ON_AC = "waits for PowerDeliveryReq, contactor open"
    AWAITING_PILOT_AC = (
        "owes PowerDeliveryRes, waits for pilot C or D, and until the contactor is open",
        StateRole.STARTS,
    )
    CLOSING_CONTACTOR = "owes PowerDeliveryRes, waits for the contactor", StateRole.CLOSES_CONTACTOR
    WAIT_FIRST_LOOP_AC = "waits for the first AC_ChargeLoopReq", StateRole.LOOP
    WAIT_LOOP_AC = "waits for AC_ChargeLoopReq or PowerDeliveryReq", StateRole.LOOP
    WAIT_NEW_SCHEDULE_AC = (
        "waits for AC_ChargeParameterDiscoveryReq or ScheduleExchangeReq, under power",
        StateRole.LOOP,
    )
    WAIT_NEW_PROFILE_AC = "waits for PowerDeliveryReq with the new profile, under power, AC", StateRole.LOOP
    WAIT_STANDBY_AC = (
        "waits in standby for PowerDeliveryReq or AC_ChargeLoopReq, contactor open",
        StateRole.LOOP,
    )

    # DC
    WAIT_PARAMETERS_DC = "waits for DC_ChargeParameterDiscoveryReq"
    WAIT_SCHEDULE_DC = "waits for ScheduleExchangeReq, DC"
    WAIT_CABLE_CHECK = "waits for the first DC_CableCheckReq"
    AWAITING_PILOT_DC = "owes DC_CableCheckRes, waits for pilot C or D", StateRole.OWES
    WAIT_CABLE_CHECK_RESULT = (
        "waits for DC_CableCheckReq while the isolation is tested",
        StateRole.ISOLATION_TEST,
    )
    WAIT_PRE_CHARGE = "waits for the first DC_PreChargeReq"
    WAIT_PRE_CHARGE_AGAIN = "waits for DC_PreChargeReq while the voltages adapt"
    WAIT_POWER_ON_DC = "waits for PowerDeliveryReq, output at the EV's voltage"
    AWAITING_VOLTAGE = (
        "owes PowerDeliveryRes, waits until the outlet reads the EV's voltage",
        StateRole.STARTS,
    )
    WAIT_FIRST_LOOP_DC = "waits for the first DC_ChargeLoopReq", StateRole.LOOP
    WAIT_LOOP_DC = "waits for DC_ChargeLoopReq or PowerDeliveryReq", StateRole.LOOP
    WAIT_NEW_SCHEDULE_DC = (
        "waits for DC_ChargeParameterDiscoveryReq or ScheduleExchangeReq, under power",
        StateRole.LOOP,
    )
    WAIT_NEW_PROFILE_DC = "waits for PowerDeliveryReq with the new profile, under power, DC", StateRole.LOOP
    WAIT_STANDBY_DC = "waits in standby for PowerDeliveryReq or DC_ChargeLoopReq, no current", StateRole.LOOP
    WAIT_WELDING = "waits for DC_WeldingDetectionReq"

    WAIT_CHECK_OUT = "waits for VehicleCheckOutReq or SessionStopReq"
    WAIT_SESSION_STOP = "waits for SessionStopReq"
    ENDED = "has ended", StateRole.ENDED


class SideState(Stage):
    """The states of the side streams of ISO 15118-20, which are open in the charge loop only."""

    SCHEDULE_AC = "waits for AC_ChargeParameterDiscoveryReq on the side stream"
    SCHEDULE_DC = "waits for DC_ChargeParameterDiscoveryReq on the side stream"
    SCHEDULE_EXCHANGE = "waits for ScheduleExchangeReq on the side stream"
    SCHEDULE_PROFILE = "waits for PowerDeliveryReq on the side stream"
    METERING_IDLE = "has requested no metering confirmation"
    METERING_REQUESTED = "waits for MeteringConfirmationReq"
    METERING_LATE = "has waited too long for MeteringConfirmationReq, and still accepts it"
