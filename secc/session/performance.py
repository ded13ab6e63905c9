"""How soon a response has to leave: V2G_SECC_Msg_Performance_Time of each message.

The core answers at once or waits for the world; the shell measures, and says when a promise was not kept.
"""

from secc.messages import iso2


def performance_time(response: type[object]) -> float:
    """Seconds from the last byte of the request to the response."""
    return _LONGER.get(response, 1.5)


_LONGER: dict[type[object], float] = {
    iso2.ServiceDetailRes: 4.5,
    iso2.PaymentDetailsRes: 4.5,
    iso2.CertificateInstallationRes: 4.5,
    iso2.CertificateUpdateRes: 4.5,
    iso2.PowerDeliveryRes: 4.5,  # [V2G2-865]
    iso2.CurrentDemandRes: 0.025,
}
