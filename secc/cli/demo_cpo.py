"""`secc cpo demo`: the complete back end of an operator, two stations and three cars, with real sockets.

The simulated ecosystem and the provisioning service are separate processes. This process runs the fake CSMS,
the stations and the cars, which use SDP, TLS, ISO 15118-2, OCPP 2.0.1 and HTTP on loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import dataclasses
import datetime
import json
import re
import socket
import sys
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secc import exi
from secc.cli import display, output
from secc.messages import iso2
from secc.pki.certificates import read_certificate, read_chain
from secc.pki.identifiers import iso_check_digit
from secc.pki.issuing import Identity, key_pem, make_request, new_key, read_key
from secc.pki.profiles import Kind
from secc.sim import EvResult, Plan, ScriptedEvcc, SimulatedAcEvse, SimulatedCable, Wallet

if TYPE_CHECKING:
    import httpx2

    from secc.ocpp.fake.csms import FakeCsms
    from secc.settings.config import SeccConfig
    from secc.station.station import Station

EMAIDS = tuple(first + iso_check_digit(first) for first in (f"DEABC0000DEMO{n}" for n in (1, 2, 3)))
PCIDS = tuple(f"ZZZDEMOCAR000000{n}" for n in (1, 2, 3))
EVSES = ("DE*ABC*E1", "DE*ABC*E2")
DAY = datetime.timedelta(days=1)


def run(arguments: argparse.Namespace) -> int:
    """Start all parties, charge three cars, stop, print a table."""
    style = display.Style()
    with tempfile.TemporaryDirectory(prefix="secc-demo-") as folder:
        return output.run(_Show(Path(folder), style, quiet=arguments.quiet).play())


@dataclasses.dataclass(slots=True)
class _Case:
    """One car and its result."""

    title: str
    station: int
    wallet: Wallet
    emaid: str
    expected: str
    """Request that decides the case, or `refused`."""
    result: EvResult = dataclasses.field(default_factory=lambda: EvResult(error="not run"))
    refused: str = ""

    @property
    def good(self) -> bool:
        """The result is as expected."""
        if self.expected == "refused":
            return not self.result.completed and bool(self.refused)
        return self.result.completed and self.expected in self.result.requests


class _Show:
    """The parties and the output."""

    def __init__(self, folder: Path, style: display.Style, *, quiet: bool) -> None:
        self._folder, self._style, self._quiet = folder, style, quiet
        self._now = datetime.datetime.now(datetime.UTC)
        self._begun = 0.0
        self._case: _Case | None = None

    async def play(self) -> int:
        """Run all cases."""
        import httpx2

        from secc.ocpp.fake.csms import FakeCsms
        from secc.ocpp.fake.reporting import SessionReports
        from secc.ocpp.fake.services import CpoService

        self._begun = asyncio.get_running_loop().time()
        async with contextlib.AsyncExitStack() as stack:
            pool = await stack.enter_async_context(self._ecosystem())
            service = await stack.enter_async_context(self._service(pool))
            self._http = await stack.enter_async_context(httpx2.AsyncClient(base_url=service))
            self._pool = await stack.enter_async_context(httpx2.AsyncClient(base_url=pool))
            await self._until_roots_are_there()
            cases = await self._cases()
            csms = FakeCsms(CpoService(service), show=self._hear)
            reports = SessionReports(CpoService(service).report, show=self._hear)
            csms.records.changed = reports.add
            await stack.enter_async_context(reports.running())
            url = await stack.enter_async_context(csms.serving())
            self._tell(f"fake CSMS on {url}")
            stations = [await stack.enter_async_context(self._station(evse, url)) for evse in EVSES]
            for case in cases:
                await self._charge(case, *stations[case.station])
            await self._settle(csms, cases)
            await reports.drained()
            await self._report(cases)
            self._quiet = True
            return await self._sum_up(cases, csms)

    # --- the parties ---------------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _child(self, *arguments: str) -> AsyncIterator[str]:
        """Run a child process; returns its URL."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "secc", *arguments, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(30):
                line = (await process.stdout.readline()).decode()
            found = re.search(r"on (127\.0\.0\.1:\d+)", line)
            if found is None:
                raise RuntimeError(f"secc {arguments[0]} did not start")
            self._tell(f"secc {' '.join(arguments[:2])} on http://{found[1]}")
            yield f"http://{found[1]}"
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    @contextlib.asynccontextmanager
    async def _ecosystem(self) -> AsyncIterator[str]:
        async with self._child("opcp-sim", "--folder", str(self._folder / "pool"), "--port", "0") as url:
            yield url

    @contextlib.asynccontextmanager
    async def _service(self, pool: str) -> AsyncIterator[str]:
        """Use keys of a mobility operator, a CPS and a CPO Sub-CA under the roots of the ecosystem.

        Roots by OPCP.
        """
        keys = self._folder / "pool"
        secret = json.loads((keys / "parties.json").read_text())["all"]
        (self._folder / "secret").write_text(secret)
        for name, kinds in (
            ("mo", (Kind.MO_SUB_CA_2, Kind.MO_SUB_CA_1)),
            ("cps", (Kind.CPS_LEAF, Kind.CPS_SUB_CA_2, Kind.CPS_SUB_CA_1)),
            ("cpo", (Kind.CPO_SUB_CA_2, Kind.CPO_SUB_CA_1)),
        ):
            chain = b"".join((keys / f"{kind.value}.pem").read_bytes() for kind in kinds)
            (self._folder / f"{name}.pem").write_bytes(chain)
        port = _free_port()
        settings = _SETTINGS.format(port=port, pool=pool)
        (self._folder / "cpo.toml").write_text(settings, encoding="utf-8")
        async with self._child("cpo", "serve", str(self._folder / "cpo.toml")) as url:
            yield url

    @contextlib.asynccontextmanager
    async def _station(
        self, evse_id: str, csms: str
    ) -> AsyncIterator[tuple[Station, SimulatedCable, SimulatedAcEvse]]:
        """Run a station with a certificate from the service, connected to the CSMS."""
        from secc.ocpp.backend import OcppBackend
        from secc.ocpp.serving import connected, prepared
        from secc.station.station import Station

        await self._enrol(evse_id)
        cable = SimulatedCable()
        evse = SimulatedAcEvse(cable)
        config = prepared(self._config(evse_id, csms))
        backend = OcppBackend(config)

        def see(record: Any) -> None:
            backend.follow(record)
            self._see(record)

        station = Station(config, evse, backend, reporter=see, sdp_port=0)
        async with connected(backend, station, evse), station:
            await backend.conversation.until_online(10.0)
            yield station, cable, evse

    async def _enrol(self, evse_id: str) -> None:
        name, key = evse_id.replace("*", "-"), new_key()
        request = make_request(
            key, Kind.SECC_LEAF, common_name=f"DEABCS{name}", organization="Demo only", country="DE"
        )
        form = {"request": base64.b64encode(request).decode()}
        told = await self._ask("POST", f"/v1/stations/{name}/certificate", form)
        chain = [read_certificate(base64.b64decode(one)) for one in told["chain"]]
        (self._folder / f"{name}.pem").write_bytes(b"".join(one.pem for one in chain))
        (self._folder / f"{name}_key.pem").write_bytes(key_pem(key))
        self._tell(f"{name} has its certificate from the service, until {chain[0].not_after:%Y-%m-%d}")

    def _config(self, evse_id: str, csms: str) -> SeccConfig:
        from secc.settings.config import SeccConfig
        from secc.settings.energy import EnergyConfig, EnergyMode
        from secc.settings.ocpp import OcppConfig
        from secc.settings.pnc import PncConfig, RevocationCheck
        from secc.settings.services import Payment, ServiceConfig
        from secc.settings.tls import TlsConfig, TlsPolicy
        from secc.settings.trust import TrustConfig

        name, roots = evse_id.replace("*", "-"), self._folder / "pool"
        return SeccConfig(
            evse_id=evse_id,
            interface="lo",
            energy=EnergyConfig(modes=(EnergyMode.AC_THREE_PHASE_CORE,)),
            service=ServiceConfig(payment_options=(Payment.CONTRACT, Payment.EXTERNAL)),
            pnc=PncConfig(revocation=RevocationCheck.PREFER),
            trust=TrustConfig(v2g_roots=(roots / "v2g_root.pem",), mo_roots=(roots / "mo_root.pem",)),
            tls=TlsConfig(
                policy=TlsPolicy.REQUIRED,
                certificate_chain=self._folder / f"{name}.pem",
                private_key=self._folder / f"{name}_key.pem",
            ),
            ocpp=OcppConfig(
                url=csms, security_profile=0, store=self._folder / f"store-{name}", meter_interval=0.25
            ),
        )

    # --- the cars ------------------------------------------------------------------------------------------

    async def _cases(self) -> list[_Case]:
        new, expiring, revoked = [await self._wallet(pcid) for pcid in PCIDS]
        await self._in_the_ecosystem(new)
        await self._about_to_end(expiring)
        await self._revoked(revoked)
        installation, update = "CertificateInstallationReq", "CertificateUpdateReq"
        return [
            _Case("new: no contract yet", 0, new, EMAIDS[0], installation),
            _Case("contract ends in ten days", 1, expiring, EMAIDS[1], update),
            _Case("contract certificate revoked", 1, revoked, EMAIDS[2], "refused"),
        ]

    async def _wallet(self, pcid: str) -> Wallet:
        """Return a car made by the ecosystem."""
        made = (await self._pool.post(f"/_control/cars/{pcid}")).json()
        chain = [read_chain(one.encode())[0] for one in made["chain"]]
        (self._folder / f"{pcid}.json").write_text(json.dumps([_b64(one.der) for one in chain]))
        root = read_chain((self._folder / "pool" / "v2g_root.pem").read_bytes())[0]
        return Wallet(Identity(chain[0], read_key(made["key"].encode())), [root])

    async def _in_the_ecosystem(self, wallet: Wallet) -> None:
        """Add a customer of another operator: car and contract are in the pools, the service knows only the
        eMAID."""
        from secc.operator.opcp.client import OpcpClient
        from secc.operator.opcp.settings import OpcpSettings
        from secc.pki.identifiers import EMAID, PCID

        settings = OpcpSettings(
            url=str(self._pool.base_url).rstrip("/"),
            client_id="all",
            client_secret_file=self._folder / "secret",
        )
        client, pcid = OpcpClient(settings), PCIDS[0]
        ders = json.loads((self._folder / f"{pcid}.json").read_text())
        chain = tuple(read_certificate(base64.b64decode(one)) for one in ders)
        emaid, until = EMAID.parse(EMAIDS[0]), self._now + 365 * DAY
        await asyncio.to_thread(client.add_vehicle, chain)
        await asyncio.to_thread(client.generate, emaid, PCID.parse(pcid), self._now, until)
        client.close()
        await self._ask("PUT", f"/v1/contracts/{EMAIDS[0]}", {})
        self._tell(f"a new car is in the pools of the ecosystem, with contract {emaid}")

    async def _about_to_end(self, wallet: Wallet) -> None:
        """Add a customer whose contract was issued almost a year ago."""
        from secc.site.issuing import ContractIssuer

        keys = self._folder / "pool"
        authority = read_chain((keys / "mo_sub_ca_2.pem").read_bytes())[0]
        key = read_key((keys / "mo_sub_ca_2_key.pem").read_bytes())
        above = read_chain((keys / "mo_sub_ca_1.pem").read_bytes())
        issuer = ContractIssuer(Identity(authority, key), above)
        issued = issuer.issue(EMAIDS[1], self._now, not_after=self._now + 10 * DAY)
        wallet.chain, wallet.key = issued.chain, issued.p256_key
        await self._customer(1)

    async def _revoked(self, wallet: Wallet) -> None:
        """Add a customer whose contract certificate has been revoked."""
        await self._customer(2)
        body = wallet.installation()
        header = iso2.MessageHeader(session_id=bytes(8), signature=wallet.sign(body))
        request = exi.ISO2.encode(iso2.V2GMessage(header=header, body=body))
        told = await self._ask("POST", "/v1/provisioning", {"action": "Install", "request": _b64(request)})
        message: Any = exi.ISO2.decode(base64.b64decode(told["response"]))
        wallet.accept(message.body, message.header.signature, self._now)
        serial = f"{wallet.chain[0].serial:x}"
        reason = {"reason": "key_compromise"}
        await self._ask("POST", f"/v1/certificates/{serial}/revocation", reason)
        self._tell(f"the contract certificate of {EMAIDS[2]} is revoked")

    async def _customer(self, number: int) -> None:
        await self._ask("PUT", f"/v1/contracts/{EMAIDS[number]}", {})
        chain = json.loads((self._folder / f"{PCIDS[number]}.json").read_text())
        await self._ask("POST", "/v1/cars", {"emaid": EMAIDS[number], "chain": chain})

    async def _charge(
        self, case: _Case, station: Station, cable: SimulatedCable, _evse: SimulatedAcEvse
    ) -> None:
        from secc.messages.iso2 import EnergyTransferMode

        self._case = case
        self._say(self._style.bold(f"{case.title}, at {EVSES[case.station]}"))
        plan = Plan(mode=EnergyTransferMode.AC_THREE_PHASE_CORE, loops=20, pace=0.05, wallet=case.wallet)
        ev = ScriptedEvcc(
            plan,
            cable=cable,
            tls=True,
            roots=self._folder / "pool" / "v2g_root.pem",
            sdp_port=station.sdp_port or 0,
            patience=5.0,
        )
        case.result = await ev.charge()
        outcome = "charged" if case.result.completed else f"not charged: {case.refused or case.result.error}"
        self._tell(outcome)

    # --- events --------------------------------------------------------------------------------------------

    async def _until_roots_are_there(self) -> None:
        """Wait until the service has imported the root pool of the ecosystem."""
        async with asyncio.timeout(20):
            while len(await self._ask("GET", "/v1/roots")) < 3:  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.1)
        self._tell("the service has imported three roots of the ecosystem")

    async def _settle(self, csms: FakeCsms, cases: list[_Case]) -> None:
        """Wait until the CSMS has received the ends of all transactions."""
        wanted = sum(case.result.completed for case in cases)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while sum(one.ended for one in csms.records.transactions.values()) < wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

    async def _report(self, cases: list[_Case]) -> None:
        """Report refusals of the stations to the service of the operator."""
        for case in cases:
            if case.refused:
                code, _, rule = case.refused.partition(" ")
                form = {
                    "id": f"{EVSES[case.station]}-{case.emaid}",
                    "at": datetime.datetime.now(datetime.UTC).isoformat(),
                    "station": EVSES[case.station].replace("*", "-"),
                    "what": "authorization",
                    "identity": case.emaid,
                    "rule": rule.strip("()"),
                    "code": code,
                }
                await self._ask("POST", "/v1/refusals", form)

    def _see(self, record: Any) -> None:
        from secc.records import OutputRecord
        from secc.session.contract_events import ContractRefused

        match record:
            case OutputRecord(output=ContractRefused() as refused) if self._case is not None:
                self._case.refused = f"{refused.code.value} ({refused.rule})"
            case _:
                pass

    async def _ask(self, method: str, path: str, form: object = None) -> Any:
        answer: httpx2.Response = await self._http.request(method, path, json=form)
        if answer.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status_code} {answer.text}")
        return answer.json() if answer.content else None

    def _hear(self, text: str) -> None:
        self._tell(text if len(text) <= 130 else f"{text[:129]}…")

    def _tell(self, text: str) -> None:
        self._say(f"{asyncio.get_running_loop().time() - self._begun:7.3f} {text}")

    def _say(self, text: str = "") -> None:
        if not self._quiet:
            self._style.line(text)

    async def _sum_up(self, cases: list[_Case], csms: FakeCsms) -> int:
        """Print a table of the results from the records of all parties."""
        style = self._style
        style.line()
        rows: list[tuple[str, ...]] = [("car", "station", "asked for", "outcome", "energy", "paid by")]
        rows += [self._row(case, csms) for case in cases]
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for number, row in enumerate(rows):
            text = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            good = number > 0 and cases[number - 1].good
            mark = "" if number == 0 else ("  " + (style.good("as expected") if good else style.bad("WRONG")))
            style.line((style.bold(text) if number == 0 else text) + mark)
        audit = await self._ask("GET", "/v1/audit")
        calls = (await self._pool.get("/_control/calls")).json()
        style.line()
        style.line(
            f"CSMS: {len(csms.records.messages)} messages, {len(csms.records.transactions)} transactions. "
            f"Ecosystem: {len(calls)} calls. Service: {len(audit)} rows in the audit log."
        )
        for row in reversed(audit):
            style.line(f"  {row['what']:24} {row['subject']:24} {row['detail'][:60]}")
        return 0 if all(case.good for case in cases) else 1

    def _row(self, case: _Case, csms: FakeCsms) -> tuple[str, ...]:
        asked = next((one for one in case.result.requests if one.startswith("Certificate")), "nothing new")
        booked = next((one for one in csms.records.transactions.values() if one.token == case.emaid), None)
        energy = "-" if booked is None else f"{(booked.meter_stop or 0) - (booked.meter_start or 0)} Wh"
        outcome = "charged" if case.result.completed else f"refused: {case.refused}"
        paid = "nobody" if booked is None else booked.token
        return case.title, EVSES[case.station], asked.removesuffix("Req"), outcome, energy, paid


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_SETTINGS = """\
port = {port}
ocsp_url = "http://127.0.0.1:{port}/ocsp"
operator = "Demo operator"
certificate_names = ["DEABCS{{station}}"]

[mo]
chain = "mo.pem"
key = "pool/mo_sub_ca_2_key.pem"

[cps]
chain = "cps.pem"
key = "pool/cps_leaf_key.pem"

[cpo]
chain = "cpo.pem"
key = "pool/cpo_sub_ca_2_key.pem"

[opcp]
url = "{pool}"
client_id = "all"
client_secret_file = "secret"
"""
