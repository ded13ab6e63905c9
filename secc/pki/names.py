"""Distinguished names: read, compared, written as text."""

from __future__ import annotations

import dataclasses

from asn1crypto import core

from secc.pki.asn1 import AttributeContent, DistinguishedName

COMMON_NAME = "2.5.4.3"
COUNTRY = "2.5.4.6"
ORGANIZATION = "2.5.4.10"
DOMAIN_COMPONENT = "0.9.2342.19200300.100.1.25"


@dataclasses.dataclass(frozen=True, slots=True)
class Name:
    """A distinguished name as it stands in a certificate."""

    der: bytes
    """The encoding, tag included; two names with the same encoding are equal."""
    attributes: tuple[tuple[str, str], ...]
    """(object identifier, text) from the first to the last."""

    def all_of(self, oid: str) -> tuple[str, ...]:
        """Every value of one attribute type."""
        return tuple(text for kind, text in self.attributes if kind == oid)

    @property
    def common_name(self) -> str:
        """The first common name; empty where there is none."""
        return next(iter(self.all_of(COMMON_NAME)), "")

    @property
    def domain_components(self) -> tuple[str, ...]:
        """DC attributes: they name the role of a certificate."""
        return self.all_of(DOMAIN_COMPONENT)

    def same_as(self, other: Name) -> bool:
        """Equal by encoding, or by the folding of RFC 5280: string type, case and inner spaces set aside.

        A name only proposes an issuer; its key decides.
        """
        return self.der == other.der or (bool(self.attributes) and self._folded() == other._folded())

    def __str__(self) -> str:
        """Like `CN=…, O=…, C=…, DC=…`, in the order of the certificate."""
        return ", ".join(f"{_SHORT.get(kind, kind)}={_printable(text)}" for kind, text in self.attributes)

    def _folded(self) -> tuple[tuple[str, str], ...]:
        return tuple((kind, " ".join(text.split()).casefold()) for kind, text in self.attributes)


def read_name(name: DistinguishedName) -> Name:
    """The name that stands in a certificate."""
    attributes = tuple(
        (attribute["type"].dotted, _text(attribute["value"])) for relative in name for attribute in relative
    )
    return Name(name.dump(), attributes)


def _text(value: AttributeContent) -> str:
    if isinstance(value.chosen, core.AbstractString):
        return str(value.native)
    return f"#{value.dump().hex()}"  # not a text; nothing compares equal to it by accident


def _printable(text: str) -> str:
    """No control characters in logs, whatever the certificate holds."""
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
