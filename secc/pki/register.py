"""Register of issued and revoked certificates: one JSON line for each event, only appended.

A line is on the disk before the certificate is delivered, so the register knows every certificate and no
serial number is used twice. It can be read with any text tool and compared with `diff`. It is made for the
Sub-CA of an operator with some hundred thousand leaves, not for a public authority.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from cryptography.x509 import ReasonFlags

from secc.errors import CertificateError
from secc.pki.certificates import Certificate, read_certificate
from secc.pki.issuing import Revocation
from secc.pki.profiles import Kind
from secc.pki.rules import Rule

__all__ = ["RegisterEntry", "Register"]


@dataclasses.dataclass(frozen=True, slots=True)
class RegisterEntry:
    """One issued certificate."""

    certificate: Certificate
    kind: Kind
    issuer: str
    """Fingerprint of the issuing certificate."""
    at: datetime.datetime
    revocation: Revocation | None = None
    replaced: bool = False
    """A newer certificate for the same subject has been issued since."""


class Register:
    """The register of one folder; the file is read when it is opened. Use `lock` for writing."""

    def __init__(self, path: Path) -> None:
        """Raises CertificateError for an unreadable line: an incomplete register must not be used."""
        self.path = path
        self._entries: dict[tuple[str, int], RegisterEntry] = {}
        self._newest: dict[tuple[str, bytes], tuple[str, int]] = {}  # by issuer and subject
        data = path.read_bytes() if path.exists() else b""
        # A line without its end was cut off by a crash, before the certificate was delivered.
        self._size = data.rfind(b"\n") + 1
        lines = data[: self._size].decode(errors="replace").splitlines()
        for number, line in enumerate(lines, 1):
            try:
                self._apply(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError, CertificateError) as error:
                raise CertificateError(f"{path}, line {number}: {error}", rule=Rule.MALFORMED) from error

    def __iter__(self) -> Iterator[RegisterEntry]:
        return iter(list(self._entries.values()))

    def find(self, issuer: Certificate, serial: int) -> RegisterEntry | None:
        """Return the entry for a serial number of an issuer."""
        return self._entries.get((issuer.fingerprint, serial))

    def revoked(self, issuer: Certificate) -> tuple[Revocation, ...]:
        """Return everything that the issuer has revoked, in the order of issue."""
        mine = (entry for entry in self if entry.issuer == issuer.fingerprint)
        return tuple(entry.revocation for entry in mine if entry.revocation is not None)

    def expiring(self, issuer: Certificate, by: datetime.datetime) -> tuple[RegisterEntry, ...]:
        """Return certificates of the issuer in use that end until then: not revoked, not replaced."""
        return tuple(
            entry
            for entry in self
            if entry.issuer == issuer.fingerprint
            and entry.revocation is None
            and not entry.replaced
            and entry.certificate.not_after <= by
        )

    def add(self, certificate: Certificate, kind: Kind, issuer: Certificate, at: datetime.datetime) -> None:
        """Record a certificate before it is delivered; raises CertificateError for a serial number in use."""
        if self.find(issuer, certificate.serial) is not None:
            raise CertificateError(f"serial {certificate.serial:x} is in use already", rule=Rule.SERIAL)
        self._append(
            {
                "event": "issued",
                "at": at.isoformat(),
                "kind": kind.value,
                "serial": f"{certificate.serial:x}",
                "subject": str(certificate.subject),
                "not_after": certificate.not_after.isoformat(),
                "issuer": issuer.fingerprint,
                "certificate": base64.b64encode(certificate.der).decode(),
            }
        )

    def revoke(self, issuer: Certificate, revocation: Revocation) -> None:
        """Record a revocation, which is final.

        Raises CertificateError for an unknown or revoked serial number.
        """
        entry = self.find(issuer, revocation.serial)
        if entry is None or entry.revocation is not None:
            state = "unknown here" if entry is None else "revoked already"
            raise CertificateError(f"serial {revocation.serial:x} is {state}", rule=Rule.SERIAL)
        self._append(
            {
                "event": "revoked",
                "at": revocation.at.isoformat(),
                "serial": f"{revocation.serial:x}",
                "issuer": issuer.fingerprint,
                "reason": revocation.reason.value,
            }
        )

    @contextlib.contextmanager
    def lock(self) -> Iterator[Register]:
        """Context for one process at a time; inside, the file has been read again."""
        with self.path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield Register(self.path)

    def _append(self, event: dict[str, str]) -> None:
        line = json.dumps(event, ensure_ascii=True).encode() + b"\n"
        self.path.touch()
        with self.path.open("r+b") as file:
            file.seek(self._size)
            self._size += file.read().rfind(b"\n") + 1
            file.seek(self._size)
            file.truncate()
            self._size += file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._apply(event)

    def _apply(self, event: dict[str, str]) -> None:
        at = datetime.datetime.fromisoformat(event["at"])
        key = (event["issuer"], int(event["serial"], 16))
        if event["event"] == "revoked":
            revocation = Revocation(key[1], at, ReasonFlags(event["reason"]))
            self._entries[key] = dataclasses.replace(self._entries[key], revocation=revocation)
            return
        certificate = read_certificate(base64.b64decode(event["certificate"]))
        subject = (key[0], certificate.subject.der)
        if (older := self._newest.get(subject)) is not None:
            self._entries[older] = dataclasses.replace(self._entries[older], replaced=True)
        self._newest[subject] = key
        self._entries[key] = RegisterEntry(certificate, Kind(event["kind"]), event["issuer"], at)
