"""Identifiers in certificates and messages: eMAID, PCID, EVSEID, SECCID.

Each type is made by `parse`, which raises IdentifierError. It keeps the original spelling (`str()`), for
display, hashes and the back end, and has one normal form (`normal`) for comparison: upper case, no
separators. Two identifiers are equal if their normal forms are; the check digit of an eMAID is optional and
has separate rules, see `EMAID.matches`.

Check digits are computed and reported, but never enforced: contracts with wrong or missing ones are in
service.
"""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar, Self

from secc.errors import IdentifierError

__all__ = [
    "DinContractId",
    "EMAID",
    "EVCCID",
    "EVSEID",
    "PCID",
    "SECCID",
    "din_check_digit",
    "iso_check_digit",
    "normal_emaid",
]


@dataclasses.dataclass(frozen=True, slots=True)
class _Identifier:
    """Common part of all identifiers: the text as given, and a normal form to compare."""

    text: str = dataclasses.field(compare=False)
    """As received."""
    normal: str
    """Upper case, without separators."""

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True, slots=True)
class EMAID(_Identifier):
    """E-mobility account identifier: country, provider, instance and an optional check digit."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse 14 or 15 characters with or without hyphens, in any case; raises IdentifierError.

        The older format of DIN SPEC 91286 (12 characters, `*` or `-` between the parts) is another type,
        `DinContractId`; its `emaid` is the eMAID of the same contract.
        """
        found = _EMAID.fullmatch(text)
        if found is None:
            raise IdentifierError(
                f"{_short(text)} is not an eMAID: expected country (2 letters), provider (3), instance (9), "
                "check digit (0 or 1)",
                rule="eMAID syntax",
            )
        return cls(text, "".join(part or "" for part in found.groups()).upper())

    @property
    def country(self) -> str:
        """Country: two letters, upper case."""
        return self.normal[:2]

    @property
    def provider(self) -> str:
        """The mobility operator within the country: three characters."""
        return self.normal[2:5]

    @property
    def instance(self) -> str:
        """The contract of the provider: nine characters."""
        return self.normal[5:14]

    @property
    def check_digit(self) -> str | None:
        """The fifteenth character, if present."""
        return self.normal[14:] or None

    @property
    def expected_check_digit(self) -> str:
        """The check digit that belongs to the first fourteen characters."""
        return iso_check_digit(self.normal[:14])

    @property
    def check_digit_is_wrong(self) -> bool:
        """A check digit is present and wrong: worth a warning, never a refusal."""
        return self.check_digit not in (None, self.expected_check_digit)

    @property
    def warning(self) -> str:
        """What is wrong with the check digit, for a person; empty if it is right or absent."""
        if not self.check_digit_is_wrong:
            return ""
        return f"{self.normal}: check digit {self.check_digit}, expected {self.expected_check_digit}"

    def matches(self, other: EMAID) -> bool:
        """Return whether both name the same contract: fourteen equal characters, and equal check digits if
        both have one."""
        if self.normal[:14] != other.normal[:14]:
            return False
        return None in (self.check_digit, other.check_digit) or self.check_digit == other.check_digit

    def format(self, *, separator: str = "-", check_digit: bool = True) -> str:
        """Upper case with separators; a missing check digit is computed."""
        parts = [self.country, self.provider, self.instance]
        if check_digit:
            parts.append(self.check_digit or self.expected_check_digit)
        return separator.join(parts)


def normal_emaid(text: str) -> str:
    """Return the normal form of an eMAID in any spelling; text that is no eMAID, such as a card, unchanged.

    Everything that stores or compares eMAIDs uses this form: upper case, no hyphens, the check digit as
    given.
    """
    return text if _EMAID.fullmatch(text) is None else text.replace("-", "").upper()


@dataclasses.dataclass(frozen=True, slots=True)
class DinContractId(_Identifier):
    """A contract in the older format of DIN SPEC 91286: country, provider, six characters, a check digit."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse for example `NL-TNM-012204-5` or `NL*TNM*012204*5`; raises IdentifierError."""
        found = _DIN_CONTRACT.fullmatch(text)
        if found is None:
            raise IdentifierError(
                f"{_short(text)} is not a DIN SPEC 91286 contract identifier: expected country (2 letters), "
                "provider (3), instance (6), check digit",
                rule="DIN contract identifier syntax",
            )
        return cls(text, "".join(found.group(1, 3, 4, 5)).upper())

    @property
    def expected_check_digit(self) -> str:
        """Check digit: 0 to 9 or X."""
        return din_check_digit(self.normal[:11])

    @property
    def check_digit_is_wrong(self) -> bool:
        """The check digit is wrong: worth a warning, never a refusal."""
        return self.normal[11] != self.expected_check_digit

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the same contract: two zeros, the six characters, the old check digit."""
        text = f"{self.normal[:5]}00{self.normal[5:]}"
        return EMAID.parse(text + iso_check_digit(text))


@dataclasses.dataclass(frozen=True, slots=True)
class PCID(_Identifier):
    """Provisioning certificate identifier of a car, the common name of the OEM certificate [V2G2-933].

    It identifies a car and thus a person: never log it without hashing.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse world manufacturer identifier (3) and 14 characters, and an optional check character.

        Any case.
        """
        if _PCID.fullmatch(text) is None:
            raise IdentifierError(
                f"{_short(text)} is not a PCID: expected 17 or 18 letters and digits", rule="PCID syntax"
            )
        return cls(text, text.upper())

    @classmethod
    def lenient(cls, text: str) -> Self:
        """Any name of a car, as test hierarchies have it; only where `Leniency.OTHER_PCID` tolerates it."""
        return cls(text, text.upper())

    @property
    def manufacturer(self) -> str:
        """World manufacturer identifier: the first three characters."""
        return self.normal[:3]

    def matches(self, other: PCID) -> bool:
        """Return whether both name the same car: seventeen equal characters, and equal check characters if
        both have one."""
        return self.normal[:17] == other.normal[:17] and (
            len(self.normal) != len(other.normal) or self.normal == other.normal
        )


@dataclasses.dataclass(frozen=True, slots=True)
class EVCCID(_Identifier):
    """Which car, in ISO 15118-20: common name of its vehicle certificate [V2G20-3087].

    It identifies a car and so a person: no logs without hashing. In ISO 15118-2 the EVCCID is a MAC address.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Maker code (3), `V`, an id, a check character; at least 20 characters without I, O and Q
        [V2G20-2090] [V2G20-2093]. Hyphens may separate the elements. The check character is not computed.
        """
        if _EVCCID.fullmatch(text) is None or len(text.replace("-", "")) < 20 or len(text) > 64:
            raise IdentifierError(
                f"{_short(text)} is no EVCCID: expected 20 or more of 0-9 and A-Z without I, O, Q: maker "
                "code (3), V, id, check character",
                rule="EVCCID syntax",
            )
        return cls(text, text.replace("-", "").upper())

    @property
    def manufacturer(self) -> str:
        """Maker code: the first three characters."""
        return self.normal[:3]


@dataclasses.dataclass(frozen=True, slots=True)
class EVSEID(_Identifier):
    """Identifier of an outlet: `DE*ABC*E1234*5`, or `+49*810*000*438` in the older format of DIN SPEC
    91286."""

    UNKNOWN: ClassVar[str] = "ZZ00000"
    """Sent by a station without an identifier: a schema-valid text that identifies nothing."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse either format, with or without `*`; 7 to 37 characters as the message allows."""
        iso = _EVSEID.fullmatch(text)
        if (iso is None and _DIN_EVSEID.fullmatch(text) is None and text != cls.UNKNOWN) or len(text) > 37:
            raise IdentifierError(
                f"{_short(text)} is not an EVSEID: expected country (2 letters), operator (3), E and outlet, "
                "or +country*operator*outlet in digits, at most 37 characters",
                rule="EVSEID syntax",
            )
        # In the DIN format the separators have a meaning: parts have no fixed length.
        return cls(text, text.replace("*", "").upper() if iso else text)

    @property
    def is_din(self) -> bool:
        """The older format, in digits."""
        return _DIN_EVSEID.fullmatch(self.text) is not None

    @property
    def country(self) -> str:
        """Country: two letters, or the dialling code in the DIN format; ZZ for an unknown outlet."""
        return self.normal.split("*")[0] if self.is_din else self.normal[:2]

    @property
    def operator(self) -> str:
        """The operator within the country."""
        return self.normal.split("*")[1] if self.is_din else self.normal[2:5]

    @property
    def outlet(self) -> str:
        """The outlet of the operator, with the leading E in the newer format."""
        return self.normal.split("*", 2)[2] if self.is_din else self.normal[5:]


@dataclasses.dataclass(frozen=True, slots=True)
class SECCID(_Identifier):
    """Identifier of a controller: common name of the certificate of a station as authorities require it.

    The standard leaves the common name open (SECCID or CPID), and EVs do not check it: check it when ordering
    a certificate, not when verifying one.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse country (2), operator (3), `S`, and at least 33 characters, the last a check character."""
        if _SECCID.fullmatch(text) is None:
            raise IdentifierError(
                f"{_short(text)} is not a SECCID: expected country (2 letters), operator (3), S and 33 to 58 "
                "letters or digits",
                rule="SECCID syntax",
            )
        return cls(text, text.upper())

    @property
    def country(self) -> str:
        """Country: two letters, upper case."""
        return self.normal[:2]

    @property
    def operator(self) -> str:
        """Operator: three characters."""
        return self.normal[2:5]


def iso_check_digit(first_fourteen: str) -> str:
    """Return the fifteenth character of an eMAID.

    Each character is a pair of pairs: quotient by 9 as two bits, remainder by 9 as two ternary digits. The
    sum of the pairs, each multiplied by a matrix to the power of its position, must be zero: modulo 2 with
    [[0,1],[1,1]], modulo 3 with [[0,1],[1,2]]. The matrices are invertible, so exactly one character
    satisfies this.
    """
    if len(first_fourteen) != 14 or _ALPHANUMERIC.fullmatch(first_fourteen) is None:
        raise IdentifierError(
            f"{_short(first_fourteen)}: expected 14 letters and digits", rule="eMAID syntax"
        )
    bits = ternary = (0, 0)
    # Horner scheme from the last position: one multiplication by the matrix for each step.
    for character in reversed(first_fourteen):
        quotient, remainder = divmod(int(character, 36), 9)
        bits = _step(bits, divmod(quotient, 2), (0, 1, 1, 1), 2)
        ternary = _step(ternary, divmod(remainder, 3), (0, 1, 1, 2), 3)
    # The missing value is x with x * P^14 = -sum; go back fourteen steps with the inverse matrices.
    bits = (-bits[0] % 2, -bits[1] % 2)
    ternary = (-ternary[0] % 3, -ternary[1] % 3)
    for _ in range(14):
        bits = _step(bits, (0, 0), (1, 1, 1, 0), 2)
        ternary = _step(ternary, (0, 0), (1, 1, 1, 0), 3)
    return _DIGITS[9 * (2 * bits[0] + bits[1]) + 3 * ternary[0] + ternary[1]]


def din_check_digit(first_eleven: str) -> str:
    """Return the last character of a DIN SPEC 91286 contract: digits weighted by powers of 2, modulo 11."""
    if len(first_eleven) != 11 or _ALPHANUMERIC.fullmatch(first_eleven) is None:
        raise IdentifierError(
            f"{_short(first_eleven)}: expected 11 letters and digits", rule="DIN contract identifier syntax"
        )
    digits = "".join(str(int(character, 36)) for character in first_eleven)
    return "0123456789X"[sum(int(digit) << place for place, digit in enumerate(digits)) % 11]


_EMAID = re.compile(r"([A-Za-z]{2})-?([A-Za-z0-9]{3})-?([A-Za-z0-9]{9})(?:-?([A-Za-z0-9]))?")
_DIN_CONTRACT = re.compile(r"([A-Za-z]{2})([*-]?)([A-Za-z0-9]{3})\2([A-Za-z0-9]{6})\2([0-9Xx])")
_EVCCID = re.compile(r"[A-HJ-NPR-Z0-9]{3}-?V-?[A-HJ-NPR-Z0-9]{15,}-?[0-9X]")
_PCID = re.compile(r"[A-Za-z0-9]{17,18}")
_EVSEID = re.compile(r"[A-Za-z]{2}\*?[A-Za-z0-9]{3}\*?[Ee][A-Za-z0-9][A-Za-z0-9*]{0,30}")
_DIN_EVSEID = re.compile(r"\+[0-9]{1,3}\*[0-9]{3,6}\*[0-9*]{1,32}")
_SECCID = re.compile(r"[A-Za-z]{2}[A-Za-z0-9]{3}[Ss][A-Za-z0-9]{33,58}")
_ALPHANUMERIC = re.compile(r"[A-Za-z0-9]*")
_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_Pair = tuple[int, int]


def _step(vector: _Pair, addend: _Pair, matrix: tuple[int, int, int, int], modulus: int) -> _Pair:
    """Return vector · matrix + addend, with the vector as a row."""
    a, b, c, d = matrix
    x, y = vector
    return (x * a + y * c + addend[0]) % modulus, (x * b + y * d + addend[1]) % modulus


def _short(text: str) -> str:
    """Return a text for a message: quoted, and truncated if it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
