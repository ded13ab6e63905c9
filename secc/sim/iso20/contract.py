"""A contract of a simulated EV of ISO 15118-20: what it shows and signs, and what it does wrong for tests."""

from __future__ import annotations

import dataclasses
import enum
import hashlib

import msgspec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from secc import exi
from secc.errors import CertificateError
from secc.messages import iso20_common as common
from secc.messages.iso20_common import Authorization
from secc.messages.xmldsig import Signature, SignatureValue
from secc.pki.certificates import Certificate
from secc.pki.keys import KeyType, PrivateKey, key_type, new_private_key
from secc.pki.kinds import Generation
from secc.pki.suites import suite_of
from secc.pki.xmldsig import SignedPart, iso20_part, sign
from secc.sim.iso20 import requests

__all__ = ["ContractFault", "Iso20Contract"]


class ContractFault(enum.StrEnum):
    """One thing an EV does wrong with its contract."""

    UNSIGNED = "unsigned"
    """No signature in the header."""
    WRONG_KEY = "wrong-key"
    """Signed with another key of the same type."""
    WRONG_CHALLENGE = "wrong-challenge"
    """A challenge that the station did not send, properly signed."""
    REPLAYED = "replayed"
    """The request of an earlier session; the first session is without fault."""
    ALTERED = "altered"
    """The challenge is put in after signing."""
    WRONG_ID = "wrong-id"
    """The signature refers to another Id."""
    EXTRA_REFERENCE = "extra-reference"
    """The signature refers to one element more."""
    DER_SIGNATURE = "der-signature"
    """An ECDSA value as DER, not r and s."""
    SWAPPED_SUB_CAS = "swapped-sub-cas"
    """The Sub-CAs in the wrong order."""
    MISSING_SUB_CA = "missing-sub-ca"
    """Only the first Sub-CA."""
    NO_CERTIFICATE = "no-certificate"
    """Bytes that are no certificate in place of the contract."""
    OTHER_SELECTION = "other-selection"
    """External identification is selected, and the contract shown."""
    OTHER_WHILE_PENDING = "other-while-pending"
    """Another request, properly signed, while the station has not decided about the first."""
    EXTERNAL_WHILE_PENDING = "external-while-pending"
    """External identification while the station has not decided about the contract."""


@dataclasses.dataclass(slots=True)
class Iso20Contract:
    """A contract certificate with its Sub-CAs and its key."""

    chain: tuple[Certificate, ...]
    """Leaf first, without the root."""
    key: PrivateKey = dataclasses.field(repr=False)
    fault: ContractFault | None = None
    message_grammar: bool = False
    """SignedInfo is encoded with the schema set of the message, as one stack does, and not with that of XML
    Signature alone."""
    signed: tuple[common.PnCAReqAuthorizationMode, Signature] | None = None
    """The first request and its signature, for ContractFault.REPLAYED."""

    def __post_init__(self) -> None:
        if self.key.public_key() != self.chain[0].key:
            raise CertificateError("the key is not that of the contract", rule="not_our_key")

    @property
    def emaid(self) -> str:
        """As in the certificate."""
        return self.chain[0].subject.common_name

    def request(self, challenge: bytes) -> tuple[common.AuthorizationReq, Signature | None]:
        """AuthorizationReq with the challenge, and the signature for its header; both may be faulty."""
        fault = self.fault
        if fault is ContractFault.REPLAYED and self.signed is not None:
            mode, signature = self.signed
            return requests.contract_authorization(mode), signature
        if fault is ContractFault.WRONG_CHALLENGE:
            challenge = bytes(byte ^ 0xFF for byte in challenge)
        mode = self._mode(challenge)
        made = self._signature(mode)
        if self.signed is None and made is not None:
            self.signed = mode, made
        request = requests.contract_authorization(mode)
        if fault is ContractFault.OTHER_SELECTION:
            request = msgspec.structs.replace(request, selected_authorization_service=Authorization.EIM)
        return request, made

    def another(self, challenge: bytes) -> tuple[common.AuthorizationReq, Signature]:
        """A request with other content, properly signed."""
        mode = msgspec.structs.replace(self._mode(challenge), id="id2")
        return requests.contract_authorization(mode), self._sign(mode)

    def sign_part(self, part: SignedPart) -> Signature:
        """Sign an element with the key of the contract."""
        return sign((part,), self.key, generation=Generation.LAB)

    def _mode(self, challenge: bytes) -> common.PnCAReqAuthorizationMode:
        leaf, subs = self.chain[0].der, tuple(one.der for one in self.chain[1:])
        match self.fault:
            case ContractFault.SWAPPED_SUB_CAS:
                subs = subs[::-1]
            case ContractFault.MISSING_SUB_CA:
                subs = subs[:1]
            case ContractFault.NO_CERTIFICATE:
                leaf = hashlib.sha256(leaf).digest()
            case _:
                pass
        chain = common.ContractCertificateChain(
            certificate=leaf, sub_certificates=common.SubCertificates(certificate=subs)
        )
        return common.PnCAReqAuthorizationMode(
            id="id1", gen_challenge=challenge, contract_certificate_chain=chain
        )

    def _signature(self, mode: common.PnCAReqAuthorizationMode) -> Signature | None:
        replace = msgspec.structs.replace
        match self.fault:
            case ContractFault.UNSIGNED:
                return None
            case ContractFault.WRONG_KEY:
                kind = key_type(self.key) or KeyType.SECP521R1
                return sign((_part(mode),), new_private_key(kind), generation=Generation.LAB)
            case ContractFault.ALTERED:
                return self._sign(replace(mode, gen_challenge=bytes(16)))
            case ContractFault.WRONG_ID:
                return self._sign(replace(mode, id="other"))
            case ContractFault.EXTRA_REFERENCE:
                return self._sign(mode, _part(replace(mode, id="id2")))
            case ContractFault.DER_SIGNATURE:
                return _as_der(self._sign(mode))
            case _:
                return self._sign(mode)

    def _sign(self, mode: common.PnCAReqAuthorizationMode, *more: SignedPart) -> Signature:
        made = sign((_part(mode), *more), self.key, generation=Generation.LAB)
        if not self.message_grammar:
            return made
        suite = suite_of(self.key, Generation.LAB)
        if suite is None:
            raise CertificateError("this key signs no message", rule="curve")
        octets = exi.codec("iso20-common").encode_fragment("SignedInfo", made.signed_info)
        value = SignatureValue(value=suite.sign(self.key, octets))
        return msgspec.structs.replace(made, signature_value=value)


def _part(mode: common.PnCAReqAuthorizationMode) -> SignedPart:
    return iso20_part("PnC_AReqAuthorizationMode", mode)


def _as_der(signature: Signature) -> Signature:
    value = signature.signature_value.value
    half = len(value) // 2
    r, s = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
    return msgspec.structs.replace(
        signature, signature_value=SignatureValue(value=encode_dss_signature(r, s))
    )
