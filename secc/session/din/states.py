"""The states of a session of DIN SPEC 70121, in the order of the specification."""

from secc.session.states import Stage, StateRole

__all__ = ["DinState"]


class DinState(Stage):
    """Where a session of DIN SPEC 70121 stands; a name that ISO 15118-2 has too means the same there."""

    WAIT_SESSION_SETUP = "waits for SessionSetupReq", StateRole.BEGIN
    WAIT_SERVICE_DISCOVERY = "waits for ServiceDiscoveryReq"
    WAIT_SERVICE_SELECTION = "waits for ServiceDetailReq or ServicePaymentSelectionReq"
    WAIT_AUTHORIZATION = "waits for ContractAuthenticationReq"
    WAIT_CHARGE_PARAMETERS = "waits for ChargeParameterDiscoveryReq"
    WAIT_CABLE_CHECK = "waits for the first CableCheckReq"
    AWAITING_PILOT_DC = "owes CableCheckRes, waits for pilot C or D", StateRole.OWES
    WAIT_CABLE_CHECK_RESULT = (
        "waits for CableCheckReq while the isolation is tested",
        StateRole.ISOLATION_TEST,
    )
    WAIT_PRE_CHARGE = "waits for the first PreChargeReq"
    WAIT_POWER_ON_DC = "waits for PreChargeReq or PowerDeliveryReq"
    AWAITING_VOLTAGE = (
        "owes PowerDeliveryRes, waits until the outlet reads the EV's voltage",
        StateRole.STARTS,
    )
    WAIT_FIRST_DEMAND = "waits for the first CurrentDemandReq", StateRole.LOOP
    WAIT_DEMAND = "waits for CurrentDemandReq or PowerDeliveryReq", StateRole.LOOP
    WAIT_STOP_DC = "waits for WeldingDetectionReq or SessionStopReq"
    AWAITING_PILOT_B = "owes WeldingDetectionRes or SessionStopRes, waits for pilot B", StateRole.OWES
    WAIT_WELDING = "waits for WeldingDetectionReq or SessionStopReq, again"
    ENDED = "has ended", StateRole.ENDED
