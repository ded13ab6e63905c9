"""Distinguished names: reading, comparison, text."""

from __future__ import annotations

import dataclasses

from asn1crypto import core

from secc.pki.asn1 import AttributeContent, DistinguishedName

__all__ = ["Name", "read_name"]

COMMON_NAME = "2.5.4.3"
COUNTRY = "2.5.4.6"
ORGANIZATION = "2.5.4.10"
DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25"


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name in a certificate."""

    der: bytes
    """The encoding with its tag; two names with the same encoding are equal."""
    attributes: tuple[tuple[str, str], ...]
    """(object identifier, text), in order."""

    def all_of(self, oid: str) -> tuple[str, ...]:
        """Return every value of one attribute type."""
        return tuple(text for kind, text in self.attributes if kind == oid)

    @property
    def common_name(self) -> str:
        """The first common name; empty if there is none."""
        return next(iter(self.all_of(COMMON_NAME)), "")

    @property
    def domain_components(self) -> tuple[str, ...]:
        """DC attributes, which name the role of a certificate."""
        return self.all_of(DOMAIN_COMPONENT)

    def same_as(self, other: Name) -> bool:
        """Compare by encoding, or with the folding of RFC 5280, which ignores string type, case and inner
        spaces.

        A name only suggests an issuer; the key decides.
        """
        return self.der == other.der or (bool(self.attributes) and self._folded() == other._folded())

    def __str__(self) -> str:
        """Text like `CN=…, O=…, C=…, DC=…`, in the order of the certificate."""
        return ", ".join(f"{_SHORT.get(kind, kind)}={_printable(text)}" for kind, text in self.attributes)

    def _folded(self) -> tuple[tuple[str, str], ...]:
        return tuple((kind, " ".join(text.split()).casefold()) for kind, text in self.attributes)


def read_name(name: DistinguishedName) -> Name:
    """Read a name of a certificate."""
    attributes = tuple(
        (attribute["type"].dotted, _text(attribute["value"])) for relative in name for attribute in relative
    )
    return Name(name.dump(), attributes)


def _text(value: AttributeContent) -> str:
    if isinstance(value.chosen, core.AbstractString):
        return str(value.native)
    return f"#{value.dump().hex()}"  # not a text; it must not compare equal to one by accident


def _printable(text: str) -> str:
    """Escape control characters, so that certificates cannot write them to logs."""
    return "".join(character if character.isprintable() else "?" for character in text[:80])


_SHORT = {
    COMMON_NAME: "CN",
    COUNTRY: "C",
    ORGANIZATION: "O",
    DOMAIN_COMPONENT: "DC",
    "2.5.4.5": "SERIALNUMBER",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.11": "OU",
    "1.2.840.113549.1.9.1": "E",
}
