"""Writes ``benches/messages.txt``: the messages that the speed of the codec is measured on.

One line each: name, schema set, hex. They have the shapes and the sizes, within a hundredth or two, of the
anchors in ``docs/explanation/speed.md``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from secc import exi
from secc.messages import app_protocol, iso2, xmldsig
from secc.messages.iso2 import PhysicalValue, UnitSymbol

OUT = Path(__file__).resolve().parents[2] / "benches" / "messages.txt"
CANONICAL = "http://www.w3.org/TR/canonical-exi/"
SESSION = bytes(range(1, 9))


def octets(count: int, seed: int = 1) -> bytes:
    """`count` octets that look random and never change."""
    state, out = seed, bytearray()
    for _ in range(count):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        out.append(state >> 16 & 0xFF)
    return bytes(out)


def quantity(value: int, unit: UnitSymbol, multiplier: int = 0) -> PhysicalValue:
    """A physical value."""
    return PhysicalValue(multiplier=multiplier, unit=unit, value=value)


def signature(references: int) -> xmldsig.Signature:
    """A signature with `references` references."""
    return xmldsig.Signature(
        signed_info=xmldsig.SignedInfo(
            canonicalization_method=xmldsig.CanonicalizationMethod(algorithm=CANONICAL),
            signature_method=xmldsig.SignatureMethod(
                algorithm="http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
            ),
            reference=tuple(
                xmldsig.Reference(
                    uri=f"#id{number}",
                    transforms=xmldsig.Transforms(transform=(xmldsig.Transform(algorithm=CANONICAL),)),
                    digest_method=xmldsig.DigestMethod(algorithm="http://www.w3.org/2001/04/xmlenc#sha256"),
                    digest_value=octets(32, number),
                )
                for number in range(1, references + 1)
            ),
        ),
        signature_value=xmldsig.SignatureValue(value=octets(64, 99)),
    )


def message(body: Any, signed: int = 0) -> iso2.V2GMessage:
    """`body` in its envelope."""
    header = iso2.MessageHeader(session_id=SESSION, signature=signature(signed) if signed else None)
    return iso2.V2GMessage(header=header, body=body)


def chain(sizes: tuple[int, ...], name: str | None = None) -> iso2.CertificateChain:
    """A chain of certificates of `sizes` octets, leaf first."""
    leaf, *subs = sizes
    return iso2.CertificateChain(
        id=name,
        certificate=octets(leaf),
        sub_certificates=iso2.SubCertificates(certificate=tuple(octets(s, s) for s in subs)),
    )


def entries(count: int) -> iso2.PMaxSchedule:
    """A power schedule of `count` entries."""
    return iso2.PMaxSchedule(
        p_max_schedule_entry=tuple(
            iso2.PMaxScheduleEntry(
                time_interval=iso2.RelativeTimeInterval(start=900 * n, duration=None),
                p_max=quantity(22000, UnitSymbol.W),
            )
            for n in range(count)
        )
    )


METER = iso2.MeterInfo(
    meter_id="METER-0123456789",
    meter_reading=123456789,
    sig_meter_reading=octets(64),
    meter_status=0,
    t_meter=1795000000,
)
DC_STATUS = iso2.DCEVSEStatus(
    notification_max_delay=0,
    evse_notification=iso2.EVSENotification.NONE,
    evse_isolation_status=iso2.IsolationLevel.VALID,
    evse_status_code=iso2.DCEVSEStatusCode.EVSE_READY,
)


def messages() -> dict[str, tuple[str, Any]]:
    """Name, schema set and message object of each."""
    volt, ampere, watt, second = UnitSymbol.V, UnitSymbol.A, UnitSymbol.W, UnitSymbol.S
    protocols = (("urn:iso:15118:2:2013:MsgDef", 2, 1), ("urn:din:70121:2012:MsgDef", 2, 2))
    sap = app_protocol.SupportedAppProtocolReq(
        app_protocol=tuple(
            app_protocol.AppProtocol(
                protocol_namespace=space,
                version_number_major=major,
                version_number_minor=0,
                schema_id=number,
                priority=number,
            )
            for space, major, number in protocols
        )
    )
    certificates = iso2.Service(
        service_id=2, service_name="Certificate", service_category=iso2.ServiceCategory.CONTRACT_CERTIFICATE,
        service_scope=None, free_service=True,
    )  # fmt: skip
    internet = iso2.Service(
        service_id=3, service_name="InternetAccess", service_category=iso2.ServiceCategory.INTERNET,
        service_scope=None, free_service=True,
    )  # fmt: skip
    out = {
        "SessionSetupReq": message(iso2.SessionSetupReq(evcc_id=octets(6))),
        "ServiceDiscoveryRes": message(
            iso2.ServiceDiscoveryRes(
                response_code=iso2.ResponseCode.OK,
                payment_option_list=iso2.PaymentOptionList(
                    payment_option=(iso2.PaymentOption.CONTRACT, iso2.PaymentOption.EXTERNAL_PAYMENT)
                ),
                charge_service=iso2.ChargeService(
                    service_id=1,
                    service_name="DC_or_AC_with_three_phases",
                    service_category=iso2.ServiceCategory.EV_CHARGING,
                    free_service=False,
                    supported_energy_transfer_mode=iso2.SupportedEnergyTransferMode(
                        energy_transfer_mode=(
                            iso2.EnergyTransferMode.DC_EXTENDED,
                            iso2.EnergyTransferMode.AC_THREE_PHASE_CORE,
                        )
                    ),
                ),
                service_list=iso2.ServiceList(service=(certificates, internet)),
            )
        ),
        "CurrentDemandReq": message(
            iso2.CurrentDemandReq(
                dc_ev_status=iso2.DCEVStatus(
                    ev_ready=True, ev_error_code=iso2.DCEVErrorCode.NO_ERROR, ev_ress_soc=42
                ),
                ev_target_current=quantity(325, ampere, -1),
                ev_maximum_voltage_limit=quantity(450, volt),
                ev_maximum_current_limit=quantity(200, ampere),
                ev_maximum_power_limit=quantity(8000, watt, 1),
                bulk_charging_complete=False,
                charging_complete=False,
                remaining_time_to_full_soc=quantity(3600, second),
                remaining_time_to_bulk_soc=quantity(1800, second),
                ev_target_voltage=quantity(400, volt),
            )
        ),
        "CurrentDemandRes": message(
            iso2.CurrentDemandRes(
                response_code=iso2.ResponseCode.OK,
                dc_evse_status=DC_STATUS,
                evse_present_voltage=quantity(400, volt),
                evse_present_current=quantity(325, ampere, -1),
                evse_current_limit_achieved=False,
                evse_voltage_limit_achieved=False,
                evse_power_limit_achieved=False,
                evse_maximum_voltage_limit=quantity(1000, volt),
                evse_maximum_current_limit=quantity(500, ampere),
                evse_maximum_power_limit=quantity(15000, watt, 1),
                evse_id="DE*ABC*E123456",
                sa_schedule_tuple_id=1,
                meter_info=METER,
                receipt_required=False,
            )
        ),
        "ChargeParameterDiscoveryRes": message(
            iso2.ChargeParameterDiscoveryRes(
                response_code=iso2.ResponseCode.OK,
                evse_processing=iso2.EVSEProcessing.FINISHED,
                sa_schedules=iso2.SAScheduleList(
                    sa_schedule_tuple=tuple(
                        iso2.SAScheduleTuple(sa_schedule_tuple_id=n, p_max_schedule=entries(12))
                        for n in (1, 2)
                    )
                ),
                evse_charge_parameter=iso2.DCEVSEChargeParameter(
                    dc_evse_status=DC_STATUS,
                    evse_maximum_current_limit=quantity(500, ampere),
                    evse_maximum_power_limit=quantity(20000, watt, 1),
                    evse_maximum_voltage_limit=quantity(1000, volt),
                    evse_minimum_current_limit=quantity(1, ampere),
                    evse_minimum_voltage_limit=quantity(150, volt),
                    evse_peak_current_ripple=quantity(1, ampere),
                ),
            )
        ),
        "PaymentDetailsReq": message(
            iso2.PaymentDetailsReq(
                emaid="DEABCC123ABC56", contract_signature_cert_chain=chain((640, 650, 650))
            )
        ),
        "MeteringReceiptReq": message(
            iso2.MeteringReceiptReq(id="id1", session_id=SESSION, sa_schedule_tuple_id=1, meter_info=METER), 1
        ),
        "CertificateInstallationRes": message(
            iso2.CertificateInstallationRes(
                response_code=iso2.ResponseCode.OK,
                sa_provisioning_certificate_chain=chain((620, 620, 620)),
                contract_signature_cert_chain=chain((640, 650, 650), "id1"),
                contract_signature_encrypted_private_key=iso2.ContractSignatureEncryptedPrivateKey(
                    id="id2", value=octets(48)
                ),
                dh_public_key=iso2.DiffieHellmanPublickey(id="id3", value=octets(65)),
                emaid=iso2.EMAID(id="id4", value="DEABCC123ABC56"),
            ),
            4,
        ),
    }  # fmt: skip
    return {"supportedAppProtocolReq": ("sap", sap)} | {k: ("iso2", v) for k, v in out.items()}


def main() -> None:
    """Write the file."""
    codecs = {"sap": exi.APP_PROTOCOL, "iso2": exi.ISO2}
    lines = [
        f"{name} {schema} {codecs[schema].encode(value).hex()}"
        for name, (schema, value) in messages().items()
    ]
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
