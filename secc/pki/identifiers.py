"""Identifiers that stand in certificates and messages: eMAID, PCID, EVSEID, SECCID.

Each type is made by `parse`, which raises IdentifierError. It keeps the spelling it was given (`str()`),
for display, hashes and the back end, and has one normal form (`normal`) for comparison: upper case, no
separators. Two identifiers are equal when their normal forms are; the check digit of an eMAID is optional
and has rules of its own, see `EMAID.matches`.

Check digits are computed and reported, never enforced: contracts with wrong or missing ones are in service.
"""

from __future__ import annotations

import dataclasses
import re
from typing import ClassVar, Self

from secc.errors import IdentifierError


@dataclasses.dataclass(frozen=True, slots=True)
class _Identifier:
    """What all identifiers share: the text as given, and a normal form to compare."""

    text: str = dataclasses.field(compare=False)
    """As it was received."""
    normal: str
    """Upper case, without separators."""

    def __str__(self) -> str:
        return self.text


@dataclasses.dataclass(frozen=True, slots=True)
class EMAID(_Identifier):
    """Who pays: e-mobility account identifier, country, provider, instance and an optional check digit."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """14 or 15 characters with or without hyphens, in any case; raises IdentifierError.

        The older form of DIN SPEC 91286 (12 characters, `*` or `-` between the parts) is another type,
        `DinContractId`: its `emaid` is the eMAID that means the same contract.
        """
        found = _EMAID.fullmatch(text)
        if found is None:
            raise IdentifierError(
                f"{_short(text)} is no eMAID: expected country (2 letters), provider (3), instance (9), "
                "check digit (0 or 1)",
                rule="eMAID syntax",
            )
        return cls(text, "".join(part or "" for part in found.groups()).upper())

    @property
    def country(self) -> str:
        """Two letters, upper case."""
        return self.normal[:2]

    @property
    def provider(self) -> str:
        """The mobility operator within the country: three characters."""
        return self.normal[2:5]

    @property
    def instance(self) -> str:
        """The contract at the provider: nine characters."""
        return self.normal[5:14]

    @property
    def check_digit(self) -> str | None:
        """The fifteenth character, where there is one."""
        return self.normal[14:] or None

    @property
    def expected_check_digit(self) -> str:
        """The one that belongs to the first fourteen characters."""
        return iso_check_digit(self.normal[:14])

    @property
    def check_digit_is_wrong(self) -> bool:
        """There is one, and it is not the expected one: worth a warning, never a refusal."""
        return self.check_digit not in (None, self.expected_check_digit)

    def matches(self, other: EMAID) -> bool:
        """The same contract: fourteen equal characters, and equal check digits where both have one."""
        if self.normal[:14] != other.normal[:14]:
            return False
        return None in (self.check_digit, other.check_digit) or self.check_digit == other.check_digit

    def format(self, *, separator: str = "-", check_digit: bool = True) -> str:
        """Upper case with separators; the check digit is computed where it is missing."""
        parts = [self.country, self.provider, self.instance]
        if check_digit:
            parts.append(self.check_digit or self.expected_check_digit)
        return separator.join(parts)


@dataclasses.dataclass(frozen=True, slots=True)
class DinContractId(_Identifier):
    """A contract in the older form of DIN SPEC 91286: country, provider, six characters, a check digit."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """For example `NL-TNM-012204-5` or `NL*TNM*012204*5`; raises IdentifierError."""
        found = _DIN_CONTRACT.fullmatch(text)
        if found is None:
            raise IdentifierError(
                f"{_short(text)} is no contract identifier of DIN SPEC 91286: expected country (2 letters), "
                "provider (3), instance (6), check digit",
                rule="DIN contract identifier syntax",
            )
        return cls(text, "".join(found.group(1, 3, 4, 5)).upper())

    @property
    def expected_check_digit(self) -> str:
        """0 to 9 or X."""
        return din_check_digit(self.normal[:11])

    @property
    def check_digit_is_wrong(self) -> bool:
        """Worth a warning, never a refusal."""
        return self.normal[11] != self.expected_check_digit

    @property
    def emaid(self) -> EMAID:
        """The eMAID of the same contract: two zeros, the six characters, the old check digit."""
        text = f"{self.normal[:5]}00{self.normal[5:]}"
        return EMAID.parse(text + iso_check_digit(text))


@dataclasses.dataclass(frozen=True, slots=True)
class PCID(_Identifier):
    """Which car: provisioning certificate identifier, common name of the OEM's certificate [V2G2-933].

    It tells a car and so a person: no logs without hashing.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """World manufacturer identifier (3) and 14 characters, and a check character in some; any case."""
        if _PCID.fullmatch(text) is None:
            raise IdentifierError(
                f"{_short(text)} is no PCID: expected 17 or 18 letters and digits", rule="PCID syntax"
            )
        return cls(text, text.upper())

    @property
    def manufacturer(self) -> str:
        """World manufacturer identifier: the first three characters."""
        return self.normal[:3]

    def matches(self, other: PCID) -> bool:
        """The same car: seventeen equal characters, and equal check characters where both have one."""
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
    """Which outlet: `DE*ABC*E1234*5`, or `+49*810*000*438` in the older form of DIN SPEC 91286."""

    UNKNOWN: ClassVar[str] = "ZZ00000"
    """What a station sends that has no identifier: a schema-valid text that names nobody."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Either form, with or without `*`; 7 to 37 characters as the message allows."""
        iso = _EVSEID.fullmatch(text)
        if (iso is None and _DIN_EVSEID.fullmatch(text) is None and text != cls.UNKNOWN) or len(text) > 37:
            raise IdentifierError(
                f"{_short(text)} is no EVSEID: expected country (2 letters), operator (3), E and the outlet, "
                "or +country*operator*outlet in digits, at most 37 characters",
                rule="EVSEID syntax",
            )
        # In the DIN form the separators carry meaning: parts have no fixed length.
        return cls(text, text.replace("*", "").upper() if iso else text)

    @property
    def is_din(self) -> bool:
        """The older form, in digits."""
        return _DIN_EVSEID.fullmatch(self.text) is not None

    @property
    def country(self) -> str:
        """Two letters, or the dialling code in the DIN form; ZZ for an unknown outlet."""
        return self.normal.split("*")[0] if self.is_din else self.normal[:2]

    @property
    def operator(self) -> str:
        """The operator within the country."""
        return self.normal.split("*")[1] if self.is_din else self.normal[2:5]

    @property
    def outlet(self) -> str:
        """The outlet at the operator, with the E in front in the newer form."""
        return self.normal.split("*", 2)[2] if self.is_din else self.normal[5:]


@dataclasses.dataclass(frozen=True, slots=True)
class SECCID(_Identifier):
    """Which controller: common name of a station's certificate as certificate authorities ask for it.

    The standard leaves the common name open (SECCID or CPID), and EVs do not look at it: check it where a
    certificate is ordered, not where one is verified.
    """

    @classmethod
    def parse(cls, text: str) -> Self:
        """Country (2), operator (3), `S`, and at least 33 characters, the last a check character."""
        if _SECCID.fullmatch(text) is None:
            raise IdentifierError(
                f"{_short(text)} is no SECCID: expected country (2 letters), operator (3), S and 33 to 58 "
                "letters or digits",
                rule="SECCID syntax",
            )
        return cls(text, text.upper())

    @property
    def country(self) -> str:
        """Two letters, upper case."""
        return self.normal[:2]

    @property
    def operator(self) -> str:
        """Three characters."""
        return self.normal[2:5]


def iso_check_digit(first_fourteen: str) -> str:
    """The fifteenth character of an eMAID.

    Each character is a pair of pairs: quotient by 9 as two bits, remainder by 9 as two ternary digits. The
    sum of the pairs, each multiplied by a matrix to the power of its position, has to vanish: modulo 2 with
    [[0,1],[1,1]], modulo 3 with [[0,1],[1,2]]. The matrices are invertible, so just one character does it.
    """
    if len(first_fourteen) != 14 or _ALPHANUMERIC.fullmatch(first_fourteen) is None:
        raise IdentifierError(
            f"{_short(first_fourteen)}: expected 14 letters and digits", rule="eMAID syntax"
        )
    bits = ternary = (0, 0)
    # Horner from the last position down: one multiplication by the matrix for each step.
    for character in reversed(first_fourteen):
        quotient, remainder = divmod(int(character, 36), 9)
        bits = _step(bits, divmod(quotient, 2), (0, 1, 1, 1), 2)
        ternary = _step(ternary, divmod(remainder, 3), (0, 1, 1, 2), 3)
    # What is missing is x with x * P^14 = -sum; walk back fourteen steps with the inverse matrices.
    bits = (-bits[0] % 2, -bits[1] % 2)
    ternary = (-ternary[0] % 3, -ternary[1] % 3)
    for _ in range(14):
        bits = _step(bits, (0, 0), (1, 1, 1, 0), 2)
        ternary = _step(ternary, (0, 0), (1, 1, 1, 0), 3)
    return _DIGITS[9 * (2 * bits[0] + bits[1]) + 3 * ternary[0] + ternary[1]]


def din_check_digit(first_eleven: str) -> str:
    """The last character of a DIN SPEC 91286 contract: digits weighted by powers of 2, modulo 11."""
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
    """vector · matrix + addend, with the vector as a row."""
    a, b, c, d = matrix
    x, y = vector
    return (x * a + y * c + addend[0]) % modulus, (x * b + y * d + addend[1]) % modulus


def _short(text: str) -> str:
    """A text for a message: quoted, and cut where it is long."""
    return repr(text if len(text) <= 40 else f"{text[:37]}...")
