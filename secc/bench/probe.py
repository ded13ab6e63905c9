"""Exploration of a station before the first case: discovery, handshake, services."""

from __future__ import annotations

import contextlib

from secc.bench import requests
from secc.bench.car import BenchCar, Phase
from secc.bench.car20 import Iso20Car, Point
from secc.bench.talk import CarAnswer
from secc.bench.target import DiscoveryOffer, Facts, Target
from secc.bench.trial import Trial
from secc.bench.verdict import Failed, Inconclusive
from secc.errors import LinkError
from secc.messages import iso2
from secc.messages.iso20_common import Authorization, AuthorizationSetupRes
from secc.sdp import Security
from secc.session.iso20.services import Service
from secc.sim.iso20 import requests as requests20

CERTIFICATE_SERVICE = 2
_UNAUTHORIZED = {"refuses", "no-grant"}
_GRANTED_OR_NOT = (Point.AUTHORIZATION, Point.DISCOVERY)
UPDATE = 2
"""Parameter set of the certificate service [V2G2-428]."""
DIN = "urn:din:70121:2012:MsgDef"


async def find_out(target: Target) -> Facts:
    """Explore plain and TLS connections, as far as available; never raises because of the station."""
    problems: list[str] = []
    plain = tls = None
    update = din = False
    for secure in _kinds(target):
        trial = Trial(target, Facts(), tls=secure)
        try:
            car = BenchCar(trial)
            if target.host is None:
                found = await trial.discover(Security.TLS if secure else Security.NONE)
                if (found.security is Security.TLS) is not secure:
                    continue
            if secure:
                tls = DiscoveryOffer()
            else:
                plain = DiscoveryOffer()
            offer, can_update = await _look(car)
            update |= can_update
            if secure:
                tls = offer
            else:
                plain = offer
            await trial.clean_up()
            din = din or await _speaks_din(target, secure=secure)
        except (Inconclusive, Failed) as error:
            problems.append(f"{'TLS' if secure else 'plain'}: {error}")
        finally:
            await trial.clean_up()
    services, over_tls, setup = await _iso20(target)
    known = bool(services) or any(offer is not None and offer.modes for offer in (plain, tls))
    problem = "" if known else "; ".join(problems)
    if not problem and plain is None and tls is None:
        problem = "neither a plain nor a TLS connection is offered"
    return Facts(
        plain=plain,
        tls=tls,
        din=din,
        iso20=services,
        iso20_tls=over_tls,
        iso20_pnc=setup is not None and Authorization.PNC in setup.authorization_services,
        iso20_installation=setup is not None and setup.certificate_installation_service,
        problem=problem,
        can_update=update,
    )


async def unanswered(target: Target) -> str:
    """Why there is no station to test; empty when one answers: the positive control of the whole run.

    A station that answers discovery for one kind of security only is one; so the requests alternate.
    """
    if target.host is not None:
        return ""
    trial = Trial(target, Facts(), tls=False)
    limit, end = target.timers.reach, trial.now + target.timers.reach
    try:
        while trial.now < end:
            for security in (Security.NONE, Security.TLS):
                with contextlib.suppress(Inconclusive):
                    await trial.discover(security, limit=min(_CONTROL, limit))
                    return ""
    except (LinkError, OSError) as error:
        return f"{target.interface}: {error}"
    finally:
        await trial.clean_up()
    return f"no station answered discovery on {target.interface} in {limit:g} s"


_CONTROL = 1.0  # s for each kind of security


def _kinds(target: Target) -> tuple[bool, ...]:
    if target.host is not None:
        return (target.tls,)
    return (False, True)


async def _look(car: BenchCar) -> tuple[DiscoveryOffer, bool]:
    await car.reach(Phase.SELECTION)
    offered = car.offered
    assert offered is not None
    services = () if offered.service_list is None else offered.service_list.service
    offer = DiscoveryOffer(
        modes=offered.charge_service.supported_energy_transfer_mode.energy_transfer_mode,
        payment=offered.payment_option_list.payment_option,
        services=(1, *(service.service_id for service in services)),
    )
    if CERTIFICATE_SERVICE not in offer.services:
        return offer, False
    answer = await car.ask(iso2.ServiceDetailReq(service_id=CERTIFICATE_SERVICE))
    body = answer.body if isinstance(answer, CarAnswer) else None
    sets = body.service_parameter_list if isinstance(body, iso2.ServiceDetailRes) else None
    return offer, sets is not None and any(one.parameter_set_id == UPDATE for one in sets.parameter_set)


async def _speaks_din(target: Target, *, secure: bool) -> bool:
    trial = Trial(target, Facts(), tls=secure)
    try:
        car = BenchCar(trial)
        await car.connect()
        answer = await car.first_word(requests.offer((DIN, 2, 0, 1, 1)))
        return isinstance(answer, CarAnswer) and answer.code.startswith("OK")
    except (Inconclusive, Failed):
        return False
    finally:
        await trial.clean_up()


async def _iso20(target: Target) -> tuple[frozenset[Service], bool, AuthorizationSetupRes | None]:
    """The services of ISO 15118-20, whether they are had over TLS 1.3, and what authorizes."""
    for secure in reversed(_kinds(target)):
        found: set[Service] = set()
        setup = None
        for family in (Service.DC, Service.AC, Service.AC_DER_IEC):
            trial = Trial(target, Facts(), tls=secure)
            car = Iso20Car(trial, family)
            try:
                await car.go(Point.AUTHORIZATION)
                setup = setup or car.setup
                await car.go(Point.DISCOVERY)
                answer = await car.expect(requests20.service_discovery())
                offered = [one.service_id for one in answer.energy_transfer_service_list.service]
                found |= {service for service in Service if service.value in offered}
            except (Inconclusive, Failed, LinkError):
                if car.point in _GRANTED_OR_NOT and target.declared & _UNAUTHORIZED:
                    found.add(family)  # agreed in the handshake: more cannot be seen
            finally:
                await trial.clean_up()
        if found:
            return frozenset(found), secure, setup
    return frozenset(), False, None
