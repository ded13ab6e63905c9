"""How soon a response has to leave: V2G_SECC_Msg_Performance_Time of each message.

The core answers at once or waits for the world, and then in time: whatever is still waited for, the answer is
given `timing.answer_margin` before the performance time. The shell measures, and counts what came late.
"""


def performance_time(response: str, *, din: bool = False) -> float:
    """Seconds from the last byte of the request to the response of this name; `din`: of DIN SPEC 70121, where
    a car waits 2 s for every response but CurrentDemandRes."""
    return (_DIN if din else _ISO2).get(response, 1.5)


_ISO2 = {
    "ServiceDetailRes": 4.5,
    "PaymentDetailsRes": 4.5,
    "CertificateInstallationRes": 4.5,
    "CertificateUpdateRes": 4.5,
    "PowerDeliveryRes": 4.5,  # [V2G2-865]
    "CurrentDemandRes": 0.025,
}
_DIN = {"CurrentDemandRes": 0.025}
