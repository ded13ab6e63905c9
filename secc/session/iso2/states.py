"""The states of a session of ISO 15118-2, in the order of the standard."""

from secc.session.states import Stage, StateRole

__all__ = ["State"]


class State(Stage):
    """Where a session of ISO 15118-2 stands."""

    WAIT_SESSION_SETUP = "waits for SessionSetupReq", StateRole.BEGIN
    WAIT_SERVICE_DISCOVERY = "waits for ServiceDiscoveryReq"
    WAIT_SERVICE_SELECTION = "waits for ServiceDetailReq or PaymentServiceSelectionReq"
    WAIT_AUTHORIZATION = "waits for AuthorizationReq"

    # Plug and Charge
    WAIT_CONTRACT = "waits for PaymentDetailsReq, CertificateInstallationReq or CertificateUpdateReq"
    PROVISIONING = (
        "owes CertificateInstallationRes or CertificateUpdateRes, waits for the back end",
        StateRole.OWES,
    )
    WAIT_PAYMENT_DETAILS = "waits for PaymentDetailsReq, the car has its certificate now"
    CHECKING_CONTRACT = "owes PaymentDetailsRes, waits for revocation data", StateRole.OWES
    WAIT_CONTRACT_AUTHORIZATION = "waits for AuthorizationReq with the contract's signature"

    WAIT_CHARGE_PARAMETERS = "waits for ChargeParameterDiscoveryReq"

    # AC
    WAIT_POWER_ON_AC = "waits for PowerDeliveryReq, contactor open or renegotiating"
    AWAITING_PILOT_AC = (
        "owes PowerDeliveryRes, waits for pilot C or D, and until the contactor is open",
        StateRole.STARTS,
    )
    CLOSING_CONTACTOR = "owes PowerDeliveryRes, waits for the contactor", StateRole.CLOSES_CONTACTOR
    WAIT_FIRST_STATUS = "waits for the first ChargingStatusReq", StateRole.LOOP
    WAIT_STATUS = "waits for ChargingStatusReq or PowerDeliveryReq", StateRole.LOOP
    WAIT_RECEIPT_AC = "waits for MeteringReceiptReq, AC", StateRole.LOOP
    WAIT_STOP_AC = "waits for SessionStopReq"

    # DC
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
    WAIT_RECEIPT_DC = "waits for MeteringReceiptReq, DC", StateRole.LOOP
    WAIT_AFTER_RECEIPT = (
        "waits for CurrentDemandReq, PowerDeliveryReq or a new parameter discovery",
        StateRole.LOOP,
    )
    WAIT_STOP_DC = "waits for WeldingDetectionReq, SessionStopReq or a new parameter discovery"
    AWAITING_PILOT_B = "owes WeldingDetectionRes or SessionStopRes, waits for pilot B", StateRole.OWES
    WAIT_WELDING = "waits for WeldingDetectionReq or SessionStopReq"

    ENDED = "has ended", StateRole.ENDED
