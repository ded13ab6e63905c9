"""JSON bodies of requests and answers, validated on input."""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import Annotated

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, Strict, StringConstraints

from secc.pki.profiles import Generation
from secc.pki.provisioning import Action
from secc.site.store import Status

_BASE64 = r"^[A-Za-z0-9+/]*={0,2}$"


def _is_base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64: {error}") from None
    return text


def _in_years(value: datetime.datetime) -> datetime.datetime:
    if not 2000 <= value.year <= 9000:
        raise ValueError("expected a year between 2000 and 9000")
    return value


Base64 = Annotated[
    str, StringConstraints(min_length=4, max_length=32768, pattern=_BASE64), AfterValidator(_is_base64)
]
Name = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
ShortText = Annotated[str, StringConstraints(max_length=500, pattern=r"^[ -~]*$")]
Emaid = Annotated[
    str,
    StringConstraints(
        min_length=14, max_length=18, pattern=r"^[A-Za-z]{2}-?[A-Za-z0-9]{3}-?[A-Za-z0-9]{9}(-?[A-Za-z0-9])?$"
    ),
]
Pcid = Annotated[str, StringConstraints(min_length=17, max_length=18, pattern=r"^[A-Za-z0-9]+$")]
Serial = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[0-9a-f]+$")]
Fingerprint = Annotated[str, StringConstraints(min_length=64, max_length=64, pattern=r"^[0-9a-f]+$")]
Energy = Annotated[int, Strict(), Field(ge=0, le=10**9)]
Reading = Annotated[int, Strict(), Field(ge=0, le=10**15)]
Time = Annotated[AwareDatetime, AfterValidator(_in_years)]


ISO2_SCHEMA = "urn:iso:15118:2:2013:MsgDef"
ISO20_SCHEMA = "urn:iso:std:iso:15118:-20:CommonMessages"


def _is_schema(text: str) -> str:
    if text not in (ISO2_SCHEMA, ISO20_SCHEMA):
        raise ValueError(f"schema {text} is not supported, expected {ISO2_SCHEMA} or {ISO20_SCHEMA}")
    return text


Schema = Annotated[
    Name,
    AfterValidator(_is_schema),
    Field(alias="schema", description=f"{ISO2_SCHEMA} or {ISO20_SCHEMA}"),
]


def generation_of_schema(schema: str) -> Generation:
    """Return the generation of messages of this schema."""
    return Generation.ISO20 if schema == ISO20_SCHEMA else Generation.ISO2


class PageForm(BaseModel):
    """Unknown members are refused: a misspelt member would otherwise be lost without notice."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Problem(BaseModel):
    """An error answer."""

    detail: str
    rule: str = ""


# --- cars and stations ------------------------------------------------------------------------------------


class ProvisioningForm(PageForm):
    """A car's request, as the station received it."""

    action: Action
    request: Annotated[Base64, Field(description="The message of the car, EXI in base64")]
    schema_: Schema = ISO2_SCHEMA
    station: Name | None = None


class ProvisioningReply(BaseModel):
    """The answer for the car, or why there is none."""

    status: Annotated[str, Field(description="Accepted or Failed")]
    response: Annotated[str, Field(description="The message for the car, EXI in base64")] = ""
    code: Annotated[str, Field(description="Response code for the car")] = "OK"
    rule: str = ""
    reason: str = ""


class AuthorizationForm(PageForm):
    """Question whether a contract may charge."""

    emaid: Emaid
    evse_id: Name | None = None


class AuthorizationReply(BaseModel):
    """Answer from the contracts of this service."""

    status: Annotated[str, Field(description="accepted, blocked or unknown")]
    warning: Annotated[str, Field(description="A wrong check digit; it never refuses")] = ""


class SigningForm(PageForm):
    """A request for a certificate."""

    request: Annotated[Base64, Field(description="PKCS#10, DER in base64")]


class ChainReply(BaseModel):
    """A certificate and the certificates above it."""

    chain: Annotated[list[str], Field(description="DER in base64, leaf first, without the root")]
    not_after: datetime.datetime


class SessionForm(PageForm):
    """A charging session; report it again when it ends."""

    id: Name
    station: Name
    evse_id: Name
    emaid: Annotated[str, StringConstraints(max_length=36, pattern=r"^[ -~]*$")] = ""
    started_at: Time
    ended_at: Time | None = None
    energy_wh: Energy | None = None
    reason: ShortText = ""
    meter_start_wh: Reading | None = None
    meter_stop_wh: Reading | None = None


class RefusalForm(PageForm):
    """A request that a station refused."""

    id: Name
    at: Time
    station: Name
    what: Name
    identity: Annotated[str, StringConstraints(max_length=64, pattern=r"^[ -~]*$")] = ""
    rule: Annotated[str, StringConstraints(max_length=64, pattern=r"^[ -~]*$")] = ""
    code: Annotated[str, StringConstraints(max_length=64, pattern=r"^[ -~]*$")] = ""
    text: ShortText = ""


# --- administration ---------------------------------------------------------------------------------------


class ContractForm(PageForm):
    """The wanted state of a contract."""

    status: Status = Status.ACTIVE


class ContractReply(BaseModel):
    """The present state of a contract."""

    emaid: str
    status: Status
    pcid: str | None
    generation: Annotated[int, Field(description="How many certificates have been issued")]
    not_after: datetime.datetime | None
    renew_at: datetime.datetime | None
    warning: Annotated[str, Field(description="A wrong check digit; it never refuses")] = ""


class CarForm(PageForm):
    """A car and its contract."""

    emaid: Emaid
    chain: Annotated[
        list[Base64],
        Field(
            min_length=1,
            max_length=5,
            description="Provisioning certificate and the certificates above it, DER in base64, leaf first",
        ),
    ]


class RootForm(PageForm):
    """A root to trust."""

    kind: Annotated[str, StringConstraints(pattern=r"^(v2g|mo|oem)_root$")]
    certificate: Annotated[Base64, Field(description="DER in base64")]


class RootReply(BaseModel):
    """A root of the pool."""

    kind: str
    subject: str
    fingerprint: str
    not_after: datetime.datetime
    source: str
    certificate: str


class PoolForm(PageForm):
    """A contract for the pool of the ecosystem."""

    emaid: Emaid
    pcid: Pcid
    days: Annotated[int, Strict(), Field(ge=1, le=3650, description="Validity from now")] = 365
    schema_: Schema = ISO2_SCHEMA


class RevocationForm(PageForm):
    """A revocation."""

    reason: Annotated[
        str,
        StringConstraints(
            pattern=r"^(unspecified|key_compromise|affiliation_changed|superseded|cessation_of_operation)$"
        ),
    ] = "unspecified"


class CertificateReply(BaseModel):
    """A certificate of the register."""

    serial: str
    kind: str
    owner: str
    not_before: datetime.datetime
    not_after: datetime.datetime
    replaced: bool
    revoked_at: datetime.datetime | None
    reason: str | None


class AuditReply(BaseModel):
    """A row of the audit log."""

    id: int
    at: datetime.datetime
    who: str
    what: str
    subject: str
    detail: str
    sealed: bool


class CheckpointReply(BaseModel):
    """The state of the audit log, in one line."""

    checkpoint: str


class Done(BaseModel):
    """Number of changed objects."""

    count: int


class Health(BaseModel):
    """State of the service."""

    status: str
