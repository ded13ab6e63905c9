"""Words to write the table of defective chains in: `good` and `bad` rows, and changes of a certificate."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Callable, Sequence

from cryptography.hazmat.primitives.asymmetric import ec

from secc.pki.chains import ChainPolicy
from secc.pki.names import COMMON_NAME as CN
from secc.pki.names import COUNTRY, ORGANIZATION
from secc.pki.profiles import Kind, Leniency
from secc.pki.rules import Rule
from secc.pki.trust import Role
from tests.support.pki import (
    AKI,
    BASIC,
    NOW,
    PURPOSE,
    SKI,
    USAGE,
    Plan,
    Tree,
    basic,
    integer,
    key_of,
    key_usage,
    name,
    plan,
    point_of,
    purposes,
    spki,
    tlv,
    tree,
)

CHAIN_ERROR = "FAILED_CertChainError"
EXPIRED = "FAILED_CertificateExpired"
NOT_ALLOWED = "FAILED_CertificateNotAllowedAtThisEVSE"

Certificates = Sequence[bytes]
ROOTS = {
    Role.SECC: Kind.V2G_ROOT,
    Role.CPS: Kind.V2G_ROOT,
    Role.CONTRACT: Kind.MO_ROOT,
    Role.OEM: Kind.OEM_ROOT,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One case: the chain, the trusted roots, the time, and the expected result."""

    title: str
    role: Role
    chain: tuple[bytes, ...]
    roots: tuple[tuple[Kind, bytes], ...]
    now: datetime.datetime
    policy: ChainPolicy
    rule: Rule | None
    """None: it passes."""
    code: str | None
    tolerated: frozenset[Leniency]
    """What is tolerated when it passes, a long validity aside."""


Change = Callable[[Plan], Plan]
Arrange = Callable[[Certificates], Certificates]


def _row(
    title: str,
    rule: Rule | None,
    code: str | None,
    tolerated: tuple[Leniency, ...] = (),
    *,
    role: Role = Role.CONTRACT,
    arrange: Arrange = lambda c: c[:3],
    roots: Callable[[Certificates], Sequence[tuple[Kind, bytes]]] | None = None,
    now: datetime.datetime = NOW,
    policy: ChainPolicy | None = None,
    of: Tree | None = None,
    **changes: Change,
) -> Row:
    made = (of or tree(role)).but(**changes).certificates
    trusted = roots(made) if roots else [(ROOTS[role], made[3])]
    return Row(
        title=title,
        role=role,
        chain=tuple(arrange(made)),
        roots=tuple(trusted),
        now=now,
        policy=policy or ChainPolicy(),
        rule=rule,
        code=code,
        tolerated=frozenset(tolerated),
    )


def good(title: str, *tolerated: Leniency, **arguments: object) -> Row:
    """It passes, and this is what is let pass."""
    return _row(title, None, None, tolerated, **arguments)  # type: ignore[arg-type]


def bad(title: str, rule: Rule, code: str = CHAIN_ERROR, **arguments: object) -> Row:
    """Refused by this rule, with this response code for the car."""
    return _row(title, rule, code, **arguments)  # type: ignore[arg-type]


STRICTLY = ChainPolicy(leniencies=frozenset({Leniency.LONG_VALIDITY}))
CROSS = ChainPolicy(cross_certificates=1)


def day(text: str) -> datetime.datetime:
    """Midnight in UTC, or a moment."""
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.UTC)


def second(seconds: int, moment: str) -> datetime.datetime:
    """So many seconds after a moment."""
    return day(moment) + datetime.timedelta(seconds=seconds)


def named(*attributes: tuple[str, str]) -> Change:
    """Another subject."""
    return lambda plan: plan.but(subject=name(*attributes))


def contract(common_name: str, *more: tuple[str, str]) -> Change:
    """A contract with another common name, and more attributes."""
    return named((CN, common_name), (ORGANIZATION, "Test"), *more)


def usage(*bits: str) -> Change:
    """Another key usage."""
    return lambda plan: plan.with_(USAGE, key_usage(*bits), critical=True)


def constraints(authority: bool | None, path_length: int | None = None) -> Change:
    """Other basic constraints."""
    return lambda plan: plan.with_(BASIC, basic(authority, path_length), critical=True)


def purpose(*oids: str) -> Change:
    """An extended key usage."""
    return lambda plan: plan.with_(PURPOSE, purposes(*oids))


def without(*extensions: str) -> Change:
    """Without some extensions."""
    return lambda plan: plan.without(*extensions)


def changed(change: Callable[[bytes], bytes]) -> Change:
    """Other bytes, after it was signed."""
    return lambda plan: plan.but(change=change)


def with_key(key: ec.EllipticCurvePrivateKey, curve: str) -> Change:
    """A key on another curve."""
    return lambda plan: plan.but(key=key, info=spki(point_of(key), curve))


def lasting(begin: str, end: str) -> Change:
    """Another validity."""
    return lambda plan: plan.lasting(day(begin), day(end))


def padded(size: int) -> Change:
    """A certificate of this many bytes.

    Its signature has a variable length, so the padding is searched for.
    """

    def change(made: Plan) -> Plan:
        for padding in range(1, size):
            candidate = made.with_("2.5.29.17", tlv(0x30, tlv(0x82, b"x" * padding)))
            for serial in range(1 << 62, (1 << 62) + 12):
                tried = candidate.but(serial=integer(serial))
                length = len(tried.build(*_ISSUER_OF_PADDED))
                if length == size:
                    return tried
                if length < size - 4:
                    break
        raise AssertionError("no such size")

    return change


MO = tree(Role.CONTRACT)
_ISSUER_OF_PADDED = (MO.sub2.subject, MO.sub2.key)

P384 = ec.derive_private_key(0x1234567, ec.SECP384R1())
K1 = ec.derive_private_key(0x1234567, ec.SECP256K1())
BRAINPOOL = ec.derive_private_key(0x1234567, ec.BrainpoolP256R1())
FOREIGN = tree(Role.CONTRACT, "X")
OFF_CURVE = b"\x04" + b"\x01" * 64
SERVER, CLIENT = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"
OCSP_SIGNING, ANY = "1.3.6.1.5.5.7.3.9", "2.5.29.37.0"
UNKNOWN = "1.2.3.4.5"


def cut(der: bytes) -> bytes:
    """Half of it."""
    return der[: len(der) // 2]


def indefinite(der: bytes) -> bytes:
    """BER with an indefinite length."""
    return b"\x30\x80" + der[4:] + b"\0\0"


def long_length(der: bytes) -> bytes:
    """A length with a leading zero."""
    return b"\x30\x83\x00" + der[2:]


def signature(value: bytes) -> Callable[[bytes], bytes]:
    """Another signature value in place of the one at the end."""

    def change(der: bytes) -> bytes:
        start = der.rindex(b"\x03", 0, len(der) - 66)
        while not (der[start + 1] == len(der) - start - 2 and der[start + 2] == 0):
            start = der.rindex(b"\x03", 0, start)
        return tlv(0x30, der[4:start], tlv(0x03, value))

    return change


def names_key(identifier: bytes) -> bytes:
    """The value of AuthorityKeyIdentifier."""
    return tlv(0x30, tlv(0x80, identifier))


def key_id(issuer: Plan) -> bytes:
    """The same, with the key of an issuer."""
    return names_key(issuer.extensions[SKI][1][2:])


def authority(seed: str, common_name: str, issuer: str, path_length: int | None) -> Plan:
    """A Sub-CA of any depth; `issuer` names the key above it."""
    subject = name((CN, common_name), (ORGANIZATION, "Test"), (COUNTRY, "DE"))
    return plan(seed, subject, authority=True, path_length=path_length, issuer=issuer)


def deep(*path_lengths: int | None) -> Arrange:
    """leaf, then as many authorities as there are path lengths, from the leaf up, below the MO root."""

    def arrange(_: Certificates) -> Certificates:
        base = tree(Role.CONTRACT)
        plans = [
            authority(f"deep{i}", f"Deep {i}", f"deep{i + 1}", limit) for i, limit in enumerate(path_lengths)
        ]
        plans[-1] = plans[-1].with_(AKI, key_id(base.root))
        issuers = [*plans[1:], base.root]
        leaf = base.leaf.with_(AKI, key_id(plans[0])).build(plans[0].subject, plans[0].key)
        pairs = zip(plans, issuers, strict=True)
        return [leaf, *(one.build(issuer.subject, issuer.key) for one, issuer in pairs)]

    return arrange


def cross() -> bytes:
    """The MO root's key, certified by the V2G root."""
    v2g = tree(Role.SECC).root
    crossed = MO.root.with_(BASIC, basic(True, 2), critical=True).with_(
        AKI, tlv(0x30, tlv(0x80, b"root...."))
    )
    return crossed.build(v2g.subject, v2g.key)


def v2g_root() -> bytes:
    """The root of stations and of the CPS."""
    return tree(Role.SECC).certificates[3]


def under(place: str, role: Role = Role.CONTRACT) -> bytes:
    """The leaf, issued by another one of its tree."""
    whole = tree(role)
    issuer: Plan = getattr(whole, place)
    return whole.leaf.with_(AKI, key_id(issuer)).build(issuer.subject, issuer.key)


def rolled(label: str) -> Plan:
    """The MO root with the same name and another key."""
    return MO.root.but(key=key_of(f"rolled {label}"))


def link() -> Certificates:
    """A chain under the rolled root, with the new key certified by the old one."""
    new = rolled("new")
    top = MO.sub1.with_(AKI, names_key(b"newroot."))
    return [
        *MO.certificates[:2],
        top.build(new.subject, new.key),
        new.with_(SKI, tlv(0x04, b"newroot.")).build(MO.root.subject, MO.root.key),
    ]
