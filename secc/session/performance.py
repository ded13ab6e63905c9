"""How soon a response has to leave: V2G_SECC_Msg_Performance_Time of each message.

The core answers at once or waits for the world; the shell measures, and says when a promise was not kept.
"""


def performance_time(response: str) -> float:
    """Seconds from the last byte of the request to the response of this name."""
    return _OTHER.get(response, 1.5)


_OTHER = {
    "ServiceDetailRes": 4.5,
    "PaymentDetailsRes": 4.5,
    "CertificateInstallationRes": 4.5,
    "CertificateUpdateRes": 4.5,
    "PowerDeliveryRes": 4.5,  # [V2G2-865]
    "CurrentDemandRes": 0.025,
}
