"""The exceptions of this library.

    SeccError
    ├── ConfigError            the operator must change something
    │   └── InUseError         interface or outlet in use: the process that uses it
    ├── IntegrationError       a value or a call of the integrator's code: method, value, what is expected
    ├── FramingError           bytes that are not V2GTP, SDP or SLAC frames
    ├── CodecError
    │   ├── DecodeError        bytes that are not a message: kind, bit offset, element path
    │   └── EncodeError        a message that cannot be written: element path
    │       └── InputError     JSON or XML that is not a message: file, line, column
    ├── CertificateError       which certificate, which rule
    │   ├── ChainError         no path to an accepted root, or a profile is broken
    │   ├── SignatureError     a signature or digest is invalid
    │   └── IdentifierError    eMAID, PCID, EVSEID malformed or contradictory
    └── LinkError              network, TLS, PLC; the cause is chained

There is one class per reaction of a caller. `peer_sees` is the reaction that the peer notices, and
`response_code` the code literal if that is a response message. Verification functions return a proof or
raise one of these errors; none returns a bool.
"""

from __future__ import annotations

import enum
from typing import ClassVar

__all__ = [
    "CertificateError",
    "ChainError",
    "CodecError",
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "FramingError",
    "IdentifierError",
    "InUseError",
    "InputError",
    "IntegrationError",
    "LinkError",
    "PeerSees",
    "SeccError",
    "SignatureError",
]


class PeerSees(enum.Enum):
    """Reaction that the peer notices."""

    NOTHING = "nothing"
    """No answer; the connection stays as it is."""
    CLOSE = "close"
    """The connection is closed without an answer."""
    ALERT = "alert"
    """A TLS alert, where TLS is in use, then the connection is closed."""
    RESPONSE = "response"
    """The paired response with `response_code`."""


class SeccError(Exception):
    """Base class of the errors of this library."""

    peer_sees: ClassVar[PeerSees] = PeerSees.NOTHING
    response_code: str | None = None
    """Literal of the ISO 15118-2 response code; None if no message is sent."""


class ConfigError(SeccError):
    """The configuration cannot be used; the message says what the operator must change."""

    def __init__(self, message: str, *, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        """Path of the setting, for example `tls.policy`; empty if the error concerns no single setting."""


class InUseError(ConfigError):
    """Another station uses the interface or the outlet."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        """Process id of the other station; None if the kernel does not report it."""


class IntegrationError(SeccError):
    """A value or a call from a controller, a back end or a caller of `Station` is refused.

    A refused value or call has no effect, neither on the running session nor on later ones.
    """

    def __init__(self, method: str, found: str, expected: str) -> None:
        super().__init__(f"{method}: {found}, expected {expected}")
        self.method = method
        """The method that received or returned the value."""
        self.found = found
        """The value, shortened, with its field."""
        self.expected = expected
        """Type, range and unit."""

    def __reduce__(self) -> tuple[type[IntegrationError], tuple[str, str, str]]:
        return type(self), (self.method, self.found, self.expected)


class FramingError(SeccError):
    """Bytes that are not a V2GTP, SDP or SLAC frame, or break a limit of these.

    On a stream, the connection must be closed: the frame boundary is lost. A datagram is ignored.
    """

    peer_sees = PeerSees.CLOSE


class CodecError(SeccError):
    """EXI stream and message do not match."""

    peer_sees = PeerSees.CLOSE


class DecodeError(CodecError):
    """Bytes that are not an EXI document of the schema, or break a limit."""

    def __init__(self, message: str, *, kind: str = "", bit_offset: int = 0, path: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        """Short word for the class of defect, for example `truncated`."""
        self.bit_offset = bit_offset
        """Position: bits from the start of the document."""
        self.path = path
        """Element path at that position, from the root, separated by `/`."""

    def __str__(self) -> str:
        where = f" in {self.path}" if self.path else ""
        return f"{super().__str__()} (bit {self.bit_offset}{where})"


class EncodeError(CodecError):
    """A message object that the schema does not permit: a fault of the program, never of the peer."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
        """Element path of the offending value, from the root, separated by `/`."""

    def __str__(self) -> str:
        return f"{super().__str__()} (in {self.path})" if self.path else super().__str__()


class InputError(EncodeError):
    """JSON or XML input is not a message."""

    def __init__(
        self, message: str, *, path: str = "", file: str = "", line: int = 0, column: int = 0
    ) -> None:
        super().__init__(message, path=path)
        self.file = file
        """Name of the file; empty if the text is not from a file."""
        self.line = line
        """Line from 1; 0 if only the element is known."""
        self.column = column
        """Column in that line, from 1."""

    def within(self, file: str) -> InputError:
        """Return the same error with the name of the file."""
        where = {"file": file, "line": self.line, "column": self.column}
        return InputError(str(self.args[0]), path=self.path, **where)  # type: ignore[arg-type]

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}" if self.line else ""
        where = ", ".join(filter(None, (self.file, place)))
        return f"{where}: {super().__str__()}" if where else super().__str__()


class CertificateError(SeccError):
    """A certificate, a signature or an identifier in a certificate is invalid."""

    peer_sees = PeerSees.RESPONSE
    response_code = "FAILED"

    def __init__(
        self, message: str, *, certificate: str = "", rule: str = "", response_code: str | None = None
    ) -> None:
        super().__init__(message)
        self.certificate = certificate
        """Role or subject of the certificate; never key material."""
        self.rule = rule
        """The violated rule, with its id in the standard if there is one."""
        if response_code is not None:
            self.response_code = response_code


class ChainError(CertificateError):
    """A chain does not reach an accepted root, or a certificate in it violates its profile."""

    response_code = "FAILED_CertChainError"


class SignatureError(CertificateError):
    """A digest or signature does not match the signed data."""

    response_code = "FAILED_SignatureError"


class IdentifierError(CertificateError):
    """An eMAID, PCID, EVSEID or SECCID is malformed or contradicts another one."""


class LinkError(SeccError):
    """The network, TLS or the power line link failed; `__cause__` holds the original error."""

    peer_sees = PeerSees.ALERT
