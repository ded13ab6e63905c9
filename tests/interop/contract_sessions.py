"""Plug and Charge between an independent EV and `secc serve`: contract, and installation of one.

Its signatures are made by a Java EXI processor, which also verifies the bundle of this library. Run by `make
interop`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.pki.issuing import key_pem
from secc.pki.profiles import Kind
from tests.interop.cable import Cable
from tests.interop.contract_backend import hierarchy
from tests.interop.ev import IndependentEv
from tests.interop.station import ROOT, ServedStation

pytestmark = pytest.mark.timeout(240)

PKI = ROOT / "certs/testpki"
LOGS = ROOT / "build/interop"
SETTINGS = f"""
[energy]
modes = ["AC_three_phase_core"]
[service]
payment_options = ["Contract"]
[tls]
policy = "required"
certificate_chain = "{PKI}/secc_chain.pem"
private_key = "{PKI}/secc_leaf_key.pem"
[trust]
v2g_roots = ["{PKI}/v2g_root.pem"]
mo_roots = ["{PKI}/mo_root.pem"]
[pnc]
revocation = "prefer"
receipt_interval = {{interval}}
"""
NAMES = {
    Kind.CONTRACT_LEAF: "contractLeaf",
    Kind.MO_SUB_CA_2: "moSubCA2",
    Kind.MO_SUB_CA_1: "moSubCA1",
    Kind.MO_ROOT: "moRootCA",
    Kind.V2G_ROOT: "v2gRootCA",
    Kind.CPS_LEAF: "cpsLeaf",
    Kind.CPS_SUB_CA_2: "cpsSubCA2",
    Kind.CPS_SUB_CA_1: "cpsSubCA1",
    Kind.OEM_LEAF: "oemLeaf",
    Kind.OEM_SUB_CA_2: "oemSubCA2",
    Kind.OEM_SUB_CA_1: "oemSubCA1",
    Kind.OEM_ROOT: "oemRootCA",
}


class ContractEv(IndependentEv):
    """The same EV with keys and certificates where it looks for them, and a second between its loops.

    It counts only loops without a receipt: on a slow machine a shorter interval would ask for one each time.
    """

    def start(self) -> None:
        self._settings["chargeLoopDelay"] = 1
        super().start()

    def _trust(self) -> Path:
        pki = super()._trust()
        write_certificates(pki)
        return pki


def write_certificates(pki: Path) -> None:
    """Certificates and keys of the test hierarchy in the layout of that EV."""
    certificates, keys = pki / "iso15118_2/certs", pki / "iso15118_2/private_keys"
    keys.mkdir(parents=True, exist_ok=True)
    for kind, name in NAMES.items():
        made = hierarchy()[kind]
        (certificates / f"{name}Cert.der").write_bytes(made.certificate.der)
        (certificates / f"{name}Cert.pem").write_bytes(made.certificate.pem)
        (keys / f"{name}.key").write_bytes(key_pem(made.key, b"12345"))
        (keys / f"{name}Password.txt").write_text("12345")


@pytest.mark.parametrize("install", [False, True], ids=["contract", "installation"])
def test_a_session_paid_by_contract_completes(install: bool) -> None:
    logs = LOGS / f"contract_sessions-{'installation' if install else 'contract'}"
    with Cable() as cable:
        configuration = f'interface = "{cable.station.interface}"\n' + SETTINGS.format(interval="2.0")
        arguments = ("--sim", "ac", "--backend", "tests.interop.contract_backend:local")
        with ServedStation(cable.station, logs, configuration=configuration, arguments=arguments) as served:
            ev = ContractEv(
                cable.ev, logs, mode="AC_three_phase_core", tls=True, certificate_installation=install
            )
            ev.start()
            verdict = ev.wait(110.0)
            served.wait_for_end(1)
            granted = '"name": "ContractGranted"' in served.log.read_text()
    assert verdict.completed, verdict.reason
    assert verdict.tls
    assert granted
    assert ("CertificateInstallationReq" in verdict.sent) is install
    assert "PaymentDetailsReq" in verdict.sent
    assert "MeteringReceiptReq" in verdict.sent
