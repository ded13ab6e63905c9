"""The exceptions this library raises.

    SeccError
    ├── ConfigError            the operator must change something
    │   └── InUseError         interface or outlet in use: the process that uses it
    ├── IntegrationError       a value or a call of the integrator's code: method, value, what is expected
    ├── FramingError           bytes that are not V2GTP, SDP or SLAC frames
    ├── CodecError
    │   ├── DecodeError        bytes that are not a message: kind, bit offset, element path
    │   └── EncodeError        a message that cannot be written: element path
    │       └── InputError     JSON or XML that is no message: file, line, column
    ├── CertificateError       which certificate, which rule
    │   ├── ChainError         no path to an accepted root, or a profile is broken
    │   ├── SignatureError     a signature or digest does not fit
    │   └── IdentifierError    eMAID, PCID, EVSEID malformed or in contradiction
    └── LinkError              network, TLS, PLC; the cause is chained

There is one class per reaction a caller can have, not one per place. Each class says how the peer gets to
see the error: `peer_sees` names the kind of reaction, `response_code` the code literal where the reaction
is a response message. Verification functions return a proof or raise one of these; none returns a bool.
"""

from __future__ import annotations

import enum
from typing import ClassVar


class PeerSees(enum.Enum):
    """What the other side notices when an error of a class happens."""

    NOTHING = "nothing"
    """No answer; the connection stays as it is."""
    CLOSE = "close"
    """The connection is closed without an answer."""
    ALERT = "alert"
    """A TLS alert, where TLS is in use, then the connection is closed."""
    RESPONSE = "response"
    """The response that belongs to the request, with `response_code`."""


class SeccError(Exception):
    """Base of every error this library raises on purpose."""

    peer_sees: ClassVar[PeerSees] = PeerSees.NOTHING
    response_code: str | None = None
    """Literal of the ISO 15118-2 response code; None where no message is sent."""


class ConfigError(SeccError):
    """The configuration cannot be used; the message says what the operator must change."""

    def __init__(self, message: str, *, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting
        """Path of the setting, `tls.policy` for example; empty where the error is not about one."""


class InUseError(ConfigError):
    """Another station uses the interface or the outlet."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        super().__init__(message)
        self.pid = pid
        """Process id of the other station; None where the kernel does not show it."""


class IntegrationError(SeccError):
    """A value that a controller, a back end or a caller of `Station` gives, or a call, that is not accepted.

    What is refused changes nothing: not in the running session, not in later ones.
    """

    def __init__(self, method: str, found: str, expected: str) -> None:
        super().__init__(f"{method}: {found}, expected {expected}")
        self.method = method
        """The method that the value was given to, or that has returned it."""
        self.found = found
        """The value, shortened, with the field it stands in."""
        self.expected = expected
        """Type, range and unit."""

    def __reduce__(self) -> tuple[type[IntegrationError], tuple[str, str, str]]:
        return type(self), (self.method, self.found, self.expected)


class FramingError(SeccError):
    """Bytes that are not a V2GTP, SDP or SLAC frame, or break a limit of theirs.

    On a stream it means that the connection has to be closed: the frame boundary is lost or not worth
    finding. For a datagram it means that the datagram is ignored.
    """

    peer_sees = PeerSees.CLOSE


class CodecError(SeccError):
    """EXI and messages do not fit together."""

    peer_sees = PeerSees.CLOSE


class DecodeError(CodecError):
    """Bytes that are not an EXI document of the schema, or break a limit."""

    def __init__(self, message: str, *, kind: str = "", bit_offset: int = 0, path: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        """Short word for the class of defect, for example `truncated`."""
        self.bit_offset = bit_offset
        """Where it was found: bits from the start of the document."""
        self.path = path
        """Element path at that place, from the root, separated by `/`."""

    def __str__(self) -> str:
        where = f" in {self.path}" if self.path else ""
        return f"{super().__str__()} (bit {self.bit_offset}{where})"


class EncodeError(CodecError):
    """A message object that the schema does not allow: our own mistake, never the peer's."""

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path
        """Element path of the offending value, from the root, separated by `/`."""

    def __str__(self) -> str:
        return f"{super().__str__()} (in {self.path})" if self.path else super().__str__()


class InputError(EncodeError):
    """A text that somebody hands in, JSON or XML, is no message: their mistake."""

    def __init__(
        self, message: str, *, path: str = "", file: str = "", line: int = 0, column: int = 0
    ) -> None:
        super().__init__(message, path=path)
        self.file = file
        """Name of the file; empty where the text came from elsewhere."""
        self.line = line
        """Line of the text from 1; 0 where only the element is known."""
        self.column = column
        """Column in that line, from 1."""

    def within(self, file: str) -> InputError:
        """The same error of a text that came from `file`."""
        where = {"file": file, "line": self.line, "column": self.column}
        return InputError(str(self.args[0]), path=self.path, **where)  # type: ignore[arg-type]

    def __str__(self) -> str:
        place = f"line {self.line}, column {self.column}" if self.line else ""
        where = ", ".join(filter(None, (self.file, place)))
        return f"{where}: {super().__str__()}" if where else super().__str__()


class CertificateError(SeccError):
    """Something about a certificate, a signature or an identifier in one is wrong."""

    peer_sees = PeerSees.RESPONSE
    response_code = "FAILED"

    def __init__(
        self, message: str, *, certificate: str = "", rule: str = "", response_code: str | None = None
    ) -> None:
        super().__init__(message)
        self.certificate = certificate
        """Which certificate: its role or subject; never key material."""
        self.rule = rule
        """The rule that was broken, with its id where the standard has one."""
        if response_code is not None:
            self.response_code = response_code


class ChainError(CertificateError):
    """A chain does not reach an accepted root, or a certificate in it breaks its profile."""

    response_code = "FAILED_CertChainError"


class SignatureError(CertificateError):
    """A digest or signature does not fit what it claims to sign."""

    response_code = "FAILED_SignatureError"


class IdentifierError(CertificateError):
    """An eMAID, PCID, EVSEID or SECCID is malformed or contradicts another one."""


class LinkError(SeccError):
    """The network, TLS or the powerline link failed; `__cause__` holds the original error."""

    peer_sees = PeerSees.ALERT
