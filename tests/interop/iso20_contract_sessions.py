"""Plug and Charge of ISO 15118-20 between an independent EV and `secc serve`, over mutual TLS 1.3.

That EV has certificates of ISO 15118-2 (secp256r1, SHA-256) and shows its provisioning certificate in TLS, so
the station is a laboratory (`[iso20] insecure_lab`). Its signature is made by a Java EXI processor. The EV of
this library does the same with secp521r1 and without the laboratory. Not part of `make test`: `make interop`
names this file.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from secc.pki.profiles import Kind
from tests.interop.cable import Cable
from tests.interop.contract_backend import hierarchy
from tests.interop.contract_sessions import write_certificates
from tests.interop.iso20_ev import IndependentIso20Ev
from tests.interop.station import ROOT, ServedStation

pytestmark = pytest.mark.timeout(240)

PKI = ROOT / "certs/testpki"
LOGS = ROOT / "build/interop"


class Iso20ContractEv(IndependentIso20Ev):
    """The same EV over TLS 1.3, with keys and certificates where it looks for them."""

    def __init__(self, cable: Cable, directory: Path) -> None:
        super().__init__(cable.ev, directory, service="DC", dynamic=False)
        self._settings |= {"useTls": True, "enforceTls": True}

    def _environment(self) -> dict[str, str]:
        pki = self._trust()
        write_certificates(pki)
        chain = (Kind.OEM_LEAF, Kind.OEM_SUB_CA_2, Kind.OEM_SUB_CA_1)
        pem = b"".join(hierarchy()[kind].certificate.pem for kind in chain)
        (pki / "iso15118_2/certs/oemCertChain.pem").write_bytes(pem)
        return super()._environment() | {"PKI_PATH": str(pki), "ENABLE_TLS_1_3": "true"}


def settings(cable: Cable, *, laboratory: bool) -> str:
    """A station that accepts contracts; in the laboratory with the hierarchy of ISO 15118-2 throughout."""
    folder = PKI if laboratory else PKI / "iso20"
    return f"""
interface = "{cable.station.interface}"
protocols = ["iso15118-2", "iso15118-20"]
[energy]
modes = ["DC_extended"]
[service]
payment_options = ["Contract"]
[tls]
policy = "required"
certificate_chain = "{PKI}/secc_chain.pem"
private_key = "{PKI}/secc_leaf_key.pem"
[trust]
v2g_roots = ["{folder}/v2g_root.pem"]
mo_roots = ["{folder}/mo_root.pem"]
oem_roots = ["{folder}/oem_root.pem"]
[pnc]
revocation = "prefer"
[iso20]
insecure_lab = {str(laboratory).lower()}
[iso20.tls]
certificate_chain = "{folder}/secc_chain.pem"
private_key = "{folder}/secc_leaf_key.pem"
"""


ARGUMENTS = ("--sim", "dc", "--backend", "tests.interop.contract_backend:local")


def test_the_python_ev_pays_by_contract_in_the_laboratory() -> None:
    logs = LOGS / "iso20-contract-python"
    with Cable() as cable:
        made = settings(cable, laboratory=True)
        with ServedStation(cable.station, logs, configuration=made, arguments=ARGUMENTS) as served:
            ev = Iso20ContractEv(cable, logs)
            ev.start()
            verdict = ev.wait(110.0)
            served.wait_for_end(1)
            log = served.log.read_text()
    assert verdict.completed, f"see {logs}: {verdict}"
    assert verdict.tls
    assert '"name": "ContractGranted"' in log
    assert '"vehicle": "ZZZTESTCAR0000001"' in log
    assert '"name": "Authorize"' not in log


def test_the_ev_of_this_library_pays_by_contract_on_secp521r1() -> None:
    logs = LOGS / "iso20-contract-own"
    with Cable() as cable:
        made = settings(cable, laboratory=False)
        with ServedStation(cable.station, logs, configuration=made, arguments=ARGUMENTS) as served:
            command = cable.ev.command(
                *(
                    str(ROOT / ".venv/bin/secc"),
                    "ev",
                    "--interface",
                    cable.ev.interface,
                    "--protocol",
                    "iso20",
                ),
                *("--json", "--patience", "10", "--loops", "4", "--tls", "--message-grammar"),
                *("--roots", str(PKI / "iso20/v2g_root.pem")),
                *("--vehicle", str(PKI / "iso20/vehicle_chain.pem")),
                *("--contract", str(PKI / "iso20/contract_chain.pem")),
            )
            done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
            served.wait_for_end(1)
            log = served.log.read_text()
    result = json.loads(done.stdout.splitlines()[-1])
    assert result["completed"], result
    assert result["energy"] > 0.0
    assert '"name": "ContractGranted"' in log
