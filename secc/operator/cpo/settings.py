"""Settings of the service, from one TOML file.

Durations are in seconds unless the name states another unit.
"""

from __future__ import annotations

import dataclasses
import enum
import tomllib
from pathlib import Path
from typing import cast

from secc.errors import ConfigError
from secc.operator.cpo.journal import MOST_POWER
from secc.operator.cpo.keys import KeyPlace
from secc.operator.cpo.planning import ContractRenewalPolicy
from secc.operator.opcp.settings import OpcpSettings
from secc.settings import checks as settings

__all__ = ["Access", "CpoSettings", "PageLogin", "Roots", "StationNames", "Tls", "Token", "check", "load"]


class Access(enum.StrEnum):
    """What the holder of a token may do."""

    STATION = "station"
    """Request bundles and certificates of stations, report sessions and refusals."""
    OPERATOR = "operator"
    """Read everything."""
    ADMIN = "admin"
    """Change contracts, cars and roots, revoke; includes all of the above."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An access token. `secc cpo token` creates one."""

    name: str
    """Appears in the audit log."""
    sha256: str
    """SHA-256 of the token, hexadecimal: the token itself is not stored."""
    access: tuple[Access, ...]
    station: str = ""
    """Bound to this station; empty: speaks for all stations, as a CSMS does."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PageLogin:
    """The personal login of an operator for the pages. `secc cpo login` creates one."""

    name: str
    """Appears in the audit log."""
    password: str
    """Argon2id hash of the password: the password itself is not stored."""
    access: tuple[Access, ...] = (Access.OPERATOR,)
    """`operator` reads, `admin` changes."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class StationNames:
    """The common names that the certificates of one station may have."""

    station: str
    """The station's id, as in its token and in the path of the request."""
    names: tuple[str, ...]


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Roots:
    """PEM files of roots that are trusted from the start."""

    v2g: tuple[Path, ...] = ()
    mo: tuple[Path, ...] = ()
    oem: tuple[Path, ...] = ()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """HTTPS, and client certificates if `client_roots` is set."""

    certificate: Path
    key: Path
    client_roots: Path | None = None
    """PEM: only clients with a certificate under one of these may connect."""


_RENEWAL = ContractRenewalPolicy()


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CpoSettings:
    """All settings of `secc cpo`."""

    database: str = "sqlite:///cpo.db"
    """In the form of SQLAlchemy; the path of a SQLite file is relative to the settings file."""
    host: str = "127.0.0.1"
    """Any address other than loopback needs tokens and TLS."""
    port: int = 8470
    answer_within: float = 4.0
    """Seconds for an answer to a car, including the ecosystem; the station needs it within 4.2 s."""
    ocsp_url: str = ""
    """OCSP responder in issued certificates; empty: the one in the certificate of the authority."""
    operator: str = "Charging point operator"
    """Name on the pages for operators."""
    roots: Roots = Roots()
    mo: KeyPlace | None = None
    """Mobility operator Sub-CA: issues contracts."""
    cps: KeyPlace | None = None
    """Certificate provisioning service: signs bundles."""
    cpo: KeyPlace | None = None
    """Sub-CA of the operator: issues certificates of stations."""
    iso20_mo: KeyPlace | None = None
    """Like `mo`, with a key on secp521r1 or Ed448: issues contracts of ISO 15118-20."""
    iso20_cps: KeyPlace | None = None
    """Like `cps`, with such a key: signs answers of ISO 15118-20."""
    iso20_cpo: KeyPlace | None = None
    """Like `cpo`, with such a key: issues certificates of stations for ISO 15118-20."""
    authorities: tuple[KeyPlace, ...] = ()
    """Further authorities whose keys are here, such as the ones above `mo` and `cpo`: this service answers
    OCSP requests and publishes CRLs about the Sub-CAs that they have issued."""
    most_power: float = MOST_POWER
    """W that no outlet exceeds: a session with more energy than that is flagged."""
    station_days: int = 90
    """Validity of a station's certificate."""
    certificate_names: tuple[str, ...] = ("{station}",)
    """Common names that a station may ask for; `{station}` is replaced by the station's id."""
    stations: tuple[StationNames, ...] = ()
    """Additional common names that do not follow from the id of the station."""
    contract_days: int = 365
    """Validity of a contract certificate."""
    renewal: ContractRenewalPolicy = _RENEWAL
    jobs: bool = True
    """Run jobs in this process; with many contracts run `secc cpo work` beside `serve` instead."""
    audit_key: Path | None = None
    """File with the key of the audit log seals, at least 32 bytes in hexadecimal; none: plain hashes."""
    opcp: OpcpSettings | None = None
    """The ecosystem, for unknown cars and for the root pool."""
    tls: Tls | None = None
    tokens: tuple[Token, ...] = ()
    logins: tuple[PageLogin, ...] = ()
    """Personal logins for the pages; a token is valid there as well."""
    session_key: Path | None = None
    """File with the key that signs the logins of the pages, at least 32 bytes in hexadecimal; none: a random
    key, so a restart ends all logins."""
    wrong_per_minute: int = 10
    """Wrong tokens or passwords from one address, and wrong passwords of one person, within a minute; further
    attempts are answered with 429."""
    login_hours: float = 8.0
    """A login ends after this time."""

    @property
    def open(self) -> bool:
        """No token and no login: every program on this machine may do everything."""
        return not self.tokens and not self.logins


def load(path: Path) -> CpoSettings:
    """Read a file; raises ConfigError with the name of the setting."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    made = cast(CpoSettings, settings.build(CpoSettings, table, "", path.parent))
    return check(dataclasses.replace(made, database=_relative(made.database, path.parent)))


def check(made: CpoSettings) -> CpoSettings:
    """Check rules that involve several settings; raises ConfigError."""
    loopback = made.host in ("127.0.0.1", "::1", "localhost")
    if not loopback and (made.open or not made.tls):
        raise ConfigError(f"host {made.host} is not loopback: that needs tokens or logins, and [tls]")
    if (made.mo is None) != (made.cps is None):
        raise ConfigError("expected mo and cps together: one issues a contract, the other signs its bundle")
    if (made.iso20_mo is None) != (made.iso20_cps is None):
        raise ConfigError("expected iso20_mo and iso20_cps together, as mo and cps")
    if not 0 < made.answer_within <= 4.2:
        raise ConfigError(
            "answer_within: expected above 0 and at most 4.2, as the car gives up after five seconds"
        )
    if made.most_power <= 0:
        raise ConfigError(f"most_power: {made.most_power:g}, expected a power above 0 in W")
    for template in made.certificate_names:
        if "{station}" not in template:
            raise ConfigError(
                f"certificate_names: {template!r} applies to every station, expected {{station}} in it"
            )
    listed = [name for one in made.stations for name in one.names]
    if twice := sorted({name for name in listed if listed.count(name) > 1}):
        raise ConfigError(f"stations: {', '.join(twice)} belongs to two stations, expected one")
    names = [*(one.name for one in made.tokens), *(one.name for one in made.logins)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(
            f"tokens and logins: {', '.join(twice)} appears twice in the audit log, expected once"
        )
    for login in made.logins:
        if not login.password.startswith("$argon2id$"):
            raise ConfigError(f"login {login.name}: password is no Argon2id hash: use secc cpo login")
    if made.wrong_per_minute < 1:
        raise ConfigError(f"wrong_per_minute: {made.wrong_per_minute}, expected at least 1")
    if not 0 < made.login_hours <= 168:
        raise ConfigError(f"login_hours: {made.login_hours:g}, expected above 0 and at most 168")
    for token in made.tokens:
        if len(token.sha256) != 64 or not all(one in "0123456789abcdef" for one in token.sha256):
            raise ConfigError(f"token {token.name}: sha256 is not a SHA-256 in lower-case hexadecimal")
    return made


def _relative(database: str, folder: Path) -> str:
    path = database.removeprefix("sqlite:///")
    if path == database or path.startswith("/"):
        return database
    return f"sqlite:///{(folder / path).absolute()}"
