"""What may stand where in the messages of a codec."""

import pytest

from secc import exi
from secc.errors import EncodeError
from secc.exi.structure import Alternative, Slot, Structure
from secc.messages import iso2

DATA_TYPES = "urn:iso:15118:2:2013:MsgDataTypes"


@pytest.fixture(scope="module")
def structure() -> Structure:
    return Structure(exi.ISO2.engine, exi.ISO2.module)


def slot_of(structure: Structure, cls: type, field: str) -> Slot:
    (found,) = [t for t in structure.types if t.cls is cls]
    (slot,) = [s for s in found.slots if s.field == field]
    return slot


def test_a_field_knows_its_element_and_whether_it_repeats(structure: Structure) -> None:
    slot = slot_of(structure, iso2.ChargingProfile, "profile_entry")
    assert (slot.kind, slot.names) == ("list", "ProfileEntry")
    assert slot.alternatives[0].in_full == f"{{{DATA_TYPES}}}ProfileEntry"


def test_the_class_of_a_value_chooses_in_a_substitution_group(structure: Structure) -> None:
    slot = slot_of(structure, iso2.PowerDeliveryRes, "evse_status")
    assert slot.names == "AC_EVSEStatus, DC_EVSEStatus, EVSEStatus"
    status = iso2.ACEVSEStatus(
        notification_max_delay=0, evse_notification=iso2.EVSENotification.NONE, rcd=False
    )
    assert structure.chosen(slot, status).name == "AC_EVSEStatus"
    with pytest.raises(
        EncodeError, match="found str, expected one of AC_EVSEStatus, DC_EVSEStatus, EVSEStatus"
    ):
        structure.chosen(slot, "DC")


def test_a_root_is_found_with_and_without_its_namespace(structure: Structure) -> None:
    assert structure.root("V2G_Message") == structure.root("V2G_Message", "urn:iso:15118:2:2013:MsgDef")
    with pytest.raises(EncodeError, match=r"\{urn:other\}V2G_Message is not an element of this schema set"):
        structure.root("V2G_Message", "urn:other")


def test_any_element_is_a_global_one_named_in_full(structure: Structure) -> None:
    found = structure.any_element("{http://www.w3.org/2000/09/xmldsig#}MgmtData")
    assert isinstance(found, Alternative)
    assert not found.is_complex
    assert structure.any_element("MgmtData") is None


def test_an_empty_body_is_written_and_an_absent_signature_is_not(structure: Structure) -> None:
    body = structure.empty(slot_of(structure, iso2.V2GMessage, "body"))
    assert body is not None
    assert body.name == "Body"
    assert structure.empty(slot_of(structure, iso2.MessageHeader, "signature")) is None


def test_a_missing_field_is_reported_with_the_type(structure: Structure) -> None:
    (found,) = [t for t in structure.types if t.cls is iso2.SessionSetupReq]
    with pytest.raises(EncodeError, match="SessionSetupReqType: Missing required argument 'evcc_id'"):
        found.make({}, "SessionSetupReq")
