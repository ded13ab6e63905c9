"""The ports an integrator implements: the outlet's hardware, the back end, the powerline modem.

Domain words and SI units only. A call may fail or never return: the station limits how long it waits for it
and turns each failure into an input of the session, which decides what it means.

`EvseController`, `Backend` and `PlcModem` are required; a class may derive from them or only have their
methods. All other ports are optional abilities. An object declares an ability when its class derives from the
port: `class MyBackend(Backend, ContractBackend)`. A method of an ability that is not declared is an error.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from secc.records import Record
from secc.session.battery_events import EvBattery
from secc.session.contract_events import ContractRecord, Verdict
from secc.session.grid import GridCode
from secc.session.identity import EvIdentity
from secc.session.needs import VehicleNeeds
from secc.session.outlet import EvseSnapshot, IsolationLevel
from secc.session.prices import PriceNeed, PriceOffer
from secc.session.schedules import DynamicOffer, EnergyNeed, ScheduleOffer
from secc.session.service_events import ChosenService
from secc.settings.services import ValueAddedService

if TYPE_CHECKING:
    from secc.pilot import PilotSignal
    from secc.pki.contract import Evidence, ForwardedContract, PresentedContract, VerifiedContract
    from secc.pki.expiry import Expiry
    from secc.pki.installation import InstallationRequest
    from secc.pki.provisioning import ProvisioningAnswer, ProvisioningRequest
    from secc.pki.revocation import Question
    from secc.pki.vehicle import VehicleIdentity, VehicleStatus

__all__ = [
    "AuthorizesVehicles",
    "Backend",
    "CentralValidation",
    "CertificateSigner",
    "ChargesBasically",
    "ContractBackend",
    "CrlSource",
    "Discharges",
    "DrivesPilot",
    "EvseController",
    "FollowsNeeds",
    "GridRules",
    "InstallationBackend",
    "OcspSource",
    "OffersServices",
    "PlcModem",
    "PricesEnergy",
    "ProvisioningBackend",
    "RecordsContracts",
    "ReadsBatteries",
    "Reporter",
    "ReportsChanges",
    "ReportsExpiry",
    "RevocationBackend",
    "SetsReactivePower",
    "SleepsModem",
    "VehicleStatusBackend",
    "WantsRenewal",
]


class EvseController(Protocol):
    """One outlet's hardware. It is safe on its own when this process vanishes.

    Which calls overlap. `close_contactor`, `open_contactor`, `check_cable` and `set_output` are commands.
    They are called one after the other, in the order of the session: the next one starts when the last one
    has returned or raised. A set-point that waits is replaced by a newer one. A command that switches off
    (`open_contactor`, `set_output(0, 0)`) goes ahead of everything that waits and drops what it contradicts.
    `make_safe` is the exception: it may be called while a command is in progress, see there. `snapshot`,
    `lease` and `changed` may be called at any time. Everything is called from the thread of the event loop.

    Cancellation. A command is never cancelled in mid-call, so a driver may use `asyncio.to_thread` or an
    executor: what the thread writes late lands before the next command, not after it. The exceptions are
    `Station.reset_fault` and the end of the process, which give up a command that is past its limit.
    `changed` is cancelled when its result is no longer needed, `make_safe` when it is past its limit.

    Limits. A command has `timing.controller_call` seconds, `check_cable` has `timing.cable_check` more; after
    an off the one in progress has at most `timing.controller_call` more. Past the limit the lease is not
    renewed, `make_safe` is called beside the command, the session ends, and the outlet is blocked
    with `EvseFault.SWITCH_OFF` until `Station.reset_fault` and an unplugged cable. No session starts while a
    command of the one before is still in progress.

    Late returns. What a command returns or raises after its limit, or after an off has superseded it, is
    reported in the log and changes nothing; after the limit `make_safe` follows once more.

    Energising. `close_contactor`, `check_cable` and a `set_output` above zero are called only while the lease
    that was passed on last still runs, and only for the session in progress. A command whose lease has lapsed
    before its turn is dropped and reported to the session as a failure.

    Failures. A command may raise. One that energises ends the charge; one that switches off and raises, does
    not return, or (`open_contactor`) returns anything but True blocks the outlet as above.
    """

    def snapshot(self) -> EvseSnapshot:
        """The outlet as it is now. Called for every message and tick: return at once, never block. Health and
        metrics look too: a look changes nothing, and clears no fault."""
        ...

    def lease(self, seconds: float) -> None:
        """The output may stay energised for `seconds` from now, at most 0.5 [INV-31]. Return at once.

        Passed on about each 0.2 s while the output is wanted, and before each first command that energises.
        When the time is over without another call, the output must be off at that moment, in every case: best
        done in hardware or in the driver. A call extends the lease, it never switches on:
        after a lapse the output stays off until the next command.

        It is withheld while an off waits or is in progress, and while a set-point below the present one waits
        behind another command. A lower set-point that is being applied has until `timing.lease` after it was
        ordered [INV-08].
        """
        ...

    async def close_contactor(self) -> bool:
        """AC: close; return True once the feedback shows it by level, False when it did not close.

        A call of `open_contactor` in progress ends first.
        """
        ...

    async def open_contactor(self) -> bool:
        """Take the energy off; return True once the feedback shows it open.

        Called at each end of a session, in DC too, perhaps several times. Any other result than True means
        that the contactor does not follow, and blocks the outlet.
        """
        ...

    async def check_cable(self, max_voltage: float) -> IsolationLevel:
        """DC: run a new isolation test with at most `max_voltage`; leave the output without voltage.

        It takes long, so an off does not wait for it: `make_safe` is called beside it at once. Then, and when
        the lease lapses, switch off and return INVALID soon.
        """
        ...

    async def set_output(self, voltage: float, current: float) -> None:
        """DC: new set-point in V and A; (0, 0) switches the output off. Return when it is applied.

        The voltage may still be on its ramp then. A call that takes more than about 0.2 s makes a lowered
        limit late; one that takes longer than the lease costs the session [INV-08].
        """
        ...

    async def make_safe(self) -> None:
        """Everything off, and no lease. Raise when that cannot be done.

        Called at start, at the end of every session, and as the way of last resort: beside `check_cable` as
        soon as an off is ordered, beside any other command that energises when an off waits for it and it has
        been in progress for `timing.lease`, beside or after a command that is past its limit, and after an
        off that has failed. What is in progress must not switch on again afterwards; where it does all the
        same, the off that waits follows as soon as it has returned.

        May repeat. Past `timing.controller_call` it is cancelled, and called again half a second later.
        """
        ...


class Discharges(Protocol):
    """Optional ability of a DC controller: a power stage that takes energy out of the vehicle as well.

    ISO 15118-20 uses it in a bidirectional service, if `energy.dc.max_discharge_power` is above zero and the
    operator permits it. Charging stays with `set_output`: each direction has a separate call with
    magnitudes, so no sign can be mistaken. The snapshot then shows `present_current` below zero. Between the
    two directions the session sets a current of zero.
    """

    async def set_discharge(self, least_voltage: float, current: float) -> None:
        """DC: take up to `current` A, above zero, from the vehicle while its voltage is at least
        `least_voltage` V. Return when it is applied.

        The battery holds the voltage; stop taking current when it falls to `least_voltage`. The rules of
        `EvseController.set_output` hold: an energising command, under the lease, replaced by a newer
        set-point of either direction. `set_output(0, 0)`, `open_contactor`, `make_safe` and a lapsed lease
        end it.
        """
        ...


class SetsReactivePower(Protocol):
    """Optional ability of an AC controller: know the reactive power that an EV is asked for (AC_DER_IEC).

    The inverter is in the EV; a controller that drives a compensation or supervises the outlet follows it.
    """

    def reactive_power(self, power: float) -> None:
        """The EV is asked for `power` var from now on, above zero over-excited, already within every limit.
        Return at once. An exception is reported and changes nothing."""
        ...


class ReportsChanges(Protocol):
    """Optional ability of a controller: report at once when pilot, fault or limits have changed.

    Without it the station polls `snapshot`: each 20 ms in a session, to switch off within 50 ms of a pilot
    change, and each 50 ms between two sessions, not to miss a short unplug.
    """

    async def changed(self) -> None:
        """Return when a new snapshot differs from the last one taken in something that matters.

        One caller at a time. It may be cancelled while it waits; a change in that moment belongs to the next
        call.
        """
        ...


class Reporter(Protocol):
    """Gets a record for each thing that happens in a station: a function is enough, `records.append` too."""

    def __call__(self, record: Record, /) -> None:
        """Called in the thread of the event loop; return at once. An exception is logged."""
        ...


class Backend(Protocol):
    """Decides who may charge, and how much: a CSMS, a local list, or both."""

    async def authorize_external(self, evse_id: str) -> bool:
        """Whether the person at this outlet may charge. May take as long as a person needs."""
        ...

    async def schedules(self, evse_id: str, need: EnergyNeed) -> ScheduleOffer | DynamicOffer | None:
        """The schedules to offer; None for the limit of the outlet.

        With `need.dynamic` the EV leaves the power to the station (ISO 15118-20): answer with a
        `DynamicOffer`, and change the power later with `Station.set_power`.
        """
        ...


class AuthorizesVehicles(Protocol):
    """Optional ability of a back end: authorize by what the EV says it is, without a card (Autocharge)."""

    async def authorize_vehicle(self, evse_id: str, ev: EvIdentity) -> bool:
        """Called in place of `Backend.authorize_external` where the EV has said what it is.

        Unless `ev.proven`, any device can send this identity: a grant on it is a grant to all who know the
        address of a modem. For an EV that is not known, wait for a person as `authorize_external` does.
        """
        ...


class PricesEnergy(Protocol):
    """Optional ability of a back end: say what energy costs, ISO 15118-20. `iso20.prices` needs it."""

    async def prices(self, evse_id: str, need: PriceNeed) -> PriceOffer | None:
        """The prices of the schedules in `need`; None: there are none.

        Called after `Backend.schedules`, if the EV has selected a parameter set with prices. Both have
        `iso20.schedules` seconds together. Prices that are refused or late are reported and left out; the
        session goes on without them. A price in the offer is not a payment.
        """
        ...


class GridRules(Protocol):
    """Optional ability of a back end: the rules of the grid for EVs that feed it, AC_DER_IEC. `iso20.der`
    needs it. Set-points of the grid operator come by `Station.set_grid_targets`."""

    async def grid_code(self, evse_id: str) -> GridCode | None:
        """The rules that hold now; answer within the time that authorization takes. None: there are none,
        and the EV may not feed the grid in this session. Called at the beginning of each session."""
        ...

    async def grid_event(self, evse_id: str, condition: int) -> None:
        """The EV reports another GridEventCondition, 0..255: for the grid operator. At most once a second."""
        ...


class ContractBackend(Protocol):
    """Optional ability of a back end: decide about contracts. Contract cannot be offered without it."""

    async def authorize_contract(self, evse_id: str, contract: VerifiedContract) -> Verdict:
        """Whether the owner of this contract may charge here. Chain, challenge and signature are verified.

        UNREACHABLE, or an exception, leaves the decision to `pnc.offline`. May be called again for the same
        contract; open no transaction here.
        """
        ...


class CentralValidation(Protocol):
    """Optional ability of a back end: judge contracts whose root is not in `[trust]`.

    Used with `pnc.central_validation`.
    """

    async def validate_contract(self, evse_id: str, contract: ForwardedContract) -> Verdict:
        """Chain up to a root, revocation, and whether the owner may charge; `contract.pem` has the chain.

        The station has checked everything but the root: format, signatures, validity, eMAID, and that the EV
        has the key. ACCEPTED confirms the chain as well.
        """
        ...


class ProvisioningBackend(Protocol):
    """Optional ability of a back end: supply contracts for EVs that have none, or an old one."""

    async def provision(self, request: ProvisioningRequest) -> ProvisioningAnswer:
        """A signed answer for the EV as EXI, or the reason why there is none.

        An answer after more than 4.2 s is kept for the next request of the EV. The answer is verified before
        it is sent, and only its SessionID is replaced.
        """
        ...


class InstallationBackend(Protocol):
    """Optional ability of a back end: supply contracts in ISO 15118-20, for EVs with certificates of that
    generation."""

    async def install(self, request: InstallationRequest) -> ProvisioningAnswer:
        """A signed CertificateInstallationRes for the EV as EXI, or the reason why there is none.

        The answer has one contract: the one with the highest priority (`request.wanted`) that is not in
        `request.delivered`. RemainingContractCertificateChains is the number of contracts that follow, at
        most `request.most` in all. The EV waits up to `iso20.installation`; a later answer is kept for its
        next session. The answer is verified before it is sent, and only its SessionID and TimeStamp are
        replaced.
        """
        ...


class RevocationBackend(Protocol):
    """Optional ability of a back end: find OCSP responses and CRLs for a contract, in about two seconds."""

    async def revocation(self, contract: PresentedContract) -> Evidence:
        """OCSP responses and CRLs in DER; the station verifies them. `contract.ocsp_request_data` has the
        fields of the OCSP requests."""
        ...


class VehicleStatusBackend(Protocol):
    """Optional ability of a back end: report whether the certificate of a vehicle is revoked, in ISO 15118-20
    (OCPP 2.1 GetCertificateChainStatus)."""

    async def vehicle_status(self, vehicle: VehicleIdentity) -> VehicleStatus:
        """The status of `vehicle.chain`, which is verified, in about two seconds. An exception, and an answer
        after `iso20.vehicle_status`, count as unknown. A status with `until` is kept until then."""
        ...


class RecordsContracts(Protocol):
    """Optional ability of a back end: keep records about contracts."""

    async def record_contract(self, evse_id: str, record: ContractRecord) -> None:
        """A signed receipt to keep as evidence, a contract that was sent to a car, a grant with its source, a
        refusal with its reason. Ignore kinds that you do not know."""
        ...


class ReportsExpiry(Protocol):
    """Optional ability of a back end: report certificates that end soon, and renew them where it can."""

    async def expiring(self, now: datetime.datetime) -> Sequence[Expiry]:
        """Called at start and each `expiry.interval`; the station reports what is new."""
        ...


class OffersServices(Protocol):
    """Optional ability of a back end: value-added services beside those of the configuration.

    Seven fit in a response; services that do not fit, or repeat an id, are left out and reported.
    """

    def value_added_services(self, evse_id: str) -> Sequence[ValueAddedService]:
        """The services to offer in the session that begins now; return at once."""
        ...

    async def services_chosen(self, evse_id: str, chosen: Sequence[ChosenService]) -> None:
        """The services that the EV has chosen, also those of the configuration, until the session ends."""
        ...


class FollowsNeeds(Protocol):
    """Optional ability of a back end: get the needs of EVs of ISO 15118-20, and what they offer to feed back.

    `Backend.schedules` gets what a schedule is made of; here come energies, states of charge and departure as
    they change, also while the EV charges.
    """

    async def vehicle_needs(self, evse_id: str, needs: VehicleNeeds) -> None:
        """The last report of the EV at this outlet. Return soon; a call that raises is reported and changes
        nothing. Change the power with `Station.set_power`, the schedule with `Station.renegotiate`."""
        ...


class ReadsBatteries(Protocol):
    """Optional ability of a back end: get the state of charge of EVs, in DC, in ISO 15118-20, and at AC
    outlets with `soc.read`."""

    async def battery_read(self, evse_id: str, battery: EvBattery) -> None:
        """The battery as the EV reports it, whenever that changes. Return soon; a call that raises is
        reported and changes nothing."""
        ...


class OcspSource(Protocol):
    """Where OCSP responses about the station's own certificate come from: the CSMS, or the responder itself.

    `secc.station.ocsp.HttpFetcher` asks the responder that the certificate names.
    """

    async def ocsp_response(self, question: Question) -> bytes | None:
        """The response in DER as received, or None; it is checked before it is used. Limited to 10 s."""
        ...


class CrlSource(Protocol):
    """Where revocation lists come from. `secc.station.ocsp.HttpFetcher` is one."""

    async def crl(self, url: str) -> bytes | None:
        """The list in DER as received, or None; it is checked before it is used."""
        ...


class CertificateSigner(Protocol):
    """Optional ability of a back end: have the station's own certificate signed (OCPP SignCertificate)."""

    async def sign_certificate(self, request: bytes) -> list[bytes]:
        """`request` is PKCS#10 in DER; the result is the new chain in DER, leaf first, with or without the
        root.

        May take minutes; an exception counts as a refusal and is reported.
        """
        ...


class WantsRenewal(Protocol):
    """Optional ability of a `CertificateSigner`: request an early renewal of the certificate."""

    async def certificate_due(self) -> None:
        """Return when a renewal is wanted now (OCPP TriggerMessage SignV2GCertificate)."""
        ...


class PlcModem(Protocol):
    """Raw HomePlug frames in and out; `secc.station.raw_modem.RawModem` is the one for a Linux interface."""

    def open(self) -> bytes:
        """Open the interface and return its address, six bytes. May be called again after `close`.

        Raises LinkError when it cannot be done now.
        """
        ...

    def close(self) -> None:
        """Close the interface; may be called again."""
        ...

    def send(self, frame: bytes) -> None:
        """Send one Ethernet frame, header included, at once; a full queue drops it.

        Raises LinkError when the interface is gone.
        """
        ...

    async def receive(self) -> bytes:
        """The next Ethernet frame of EtherType 0x88E1. Raises LinkError when the interface is gone."""
        ...


class SleepsModem(Protocol):
    """Optional ability of a PlcModem: `[slac] sleep_on_pause` uses it."""

    def sleep(self) -> None:
        """A session is paused: save power. The interface may go away. Return at once."""
        ...

    def wake(self) -> None:
        """The modem is needed again; its key is set again as soon as it answers. Return at once."""
        ...


class DrivesPilot(Protocol):
    """Optional ability of a controller, required with SLAC: drive the oscillator of the control pilot."""

    def drive_pilot(self, signal: PilotSignal) -> None:
        """Show X1, a duty cycle, or E/F from now on. Return at once."""
        ...


class ChargesBasically(Protocol):
    """Optional ability of an AC controller: charging by IEC 61851 alone, without a message."""

    def basic_charging(self, allowed: bool) -> None:
        """True: the pilot shows a nominal duty cycle. False: it no longer does; switch off at once.

        The outlet itself decides whether this EV may charge, by a card for example, and operates contactor
        and meter, until a session starts.
        """
        ...
