"""Pages that are made from the code."""

import xml.etree.ElementTree as ET

from secc.session.iso2.states import State
from tools.docs import codes, diagram, requirements


def test_every_state_is_in_the_picture() -> None:
    text = " ".join(ET.fromstring(diagram.svg()).itertext())
    assert {state.name for state in State} <= set(text.split())


def test_a_cause_is_found_through_the_functions_that_a_handler_calls() -> None:
    page = codes.page()
    section = page[page.index("### PowerDeliveryRes") : page.index("### MeteringReceiptRes")]
    assert "| FAILED_ContactorError | the contactor did not close in time" in section
    assert "| FAILED_PowerDeliveryNotApplied | no grant" in section
    assert "| FAILED_ChargingProfileInvalid |" in section


def test_the_register_knows_where_a_requirement_is_fulfilled_and_tested() -> None:
    (entry,) = [one for one in requirements.entries() if one.id == "V2G2-479"]
    assert entry.status == "tested"
    assert ("secc/session/profile.py", "chosen_offer") in entry.code
    assert any(name == "test_schedule_that_was_not_offered_is_refused" for _, name in entry.tests)
