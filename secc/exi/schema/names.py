"""Python names for the components of a schema."""

from __future__ import annotations

import re

# Names whose words cannot be separated by their capitals.
_SPECIAL = {
    "DHpublickey": "dh_public_key",
    "XPath": "xpath",
    "SPKISexp": "spki_sexp",
    "SPKIData": "spki_data",
    "eMAID": "emaid",
    "EMAID": "emaid",
}
# Acronyms that meet other acronyms without a small letter between them.
_ACRONYMS = ("EVSE", "EVCC", "RESS", "SECC", "EMAID", "OEM", "PCID", "EV", "SOC", "DC", "AC", "SA", "ID")
_WORD = re.compile(r"SoC|PnC|IDs|[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+")


def _split(run: str) -> list[str]:
    for acronym in _ACRONYMS if run.isupper() and run not in _ACRONYMS else ():
        if run.startswith(acronym):
            return [acronym, *_split(run[len(acronym) :])]
    return [run]


def field_name(wire: str) -> str:
    """``EVMaximumCurrentLimit`` -> ``ev_maximum_current_limit``."""
    if wire in _SPECIAL:
        return _SPECIAL[wire]
    joined: list[str] = []
    for part in wire.split("_"):
        start = len(joined)
        for piece in (piece for word in _WORD.findall(part) for piece in _split(word)):
            if piece.isdigit() and len(joined) > start:
                joined[-1] += piece  # digits belong to the word before them: X509, not X_509
            else:
                joined.append(piece)
    return "_".join(joined).lower()


def member_name(literal: str) -> str:
    """``FAILED_SequenceError`` -> ``FAILED_SEQUENCE_ERROR``."""
    return field_name(literal).upper()


def class_name(type_name: str) -> str:
    """``DC_EVStatusType`` -> ``DCEVStatus``; the type of element V2G_Message -> ``V2GMessage``."""
    stem = type_name.lstrip("@").replace("/", "_").removesuffix("Type").replace("_", "")
    return stem[0].upper() + stem[1:]
