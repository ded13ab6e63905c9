"""Every valid message of DIN has one answer that can be sent, and the outlet stays safe."""

import random

import pytest

from secc import exi
from secc.messages import din
from secc.session.din import table
from secc.session.din.states import DinState as S
from secc.session.outputs import Send
from tests.support.din import WAYS, DinBench
from tests.support.din_safety import DinOracle
from tests.support.messages import generator

LEGAL = [
    (rule.state, rule.input)
    for rule in table.RULES
    if isinstance(rule.state, S) and rule.input in din.PAIRS and not rule.leniency
]


def random_request(request: type, dice: random.Random) -> din.BodyElement:
    """Random content of a request, as the schema allows it."""
    made = generator("din")
    elements = made.schema.elements.values()
    (name,) = [e.type for e in elements if made.classes.get(e.type) is request]
    body: din.BodyElement = made.content(name, dice)
    return body


@pytest.mark.inv("INV-03", "INV-07", "INV-15", "INV-28", "INV-34")
@pytest.mark.parametrize(
    ("state", "request_class"),
    LEGAL,
    ids=lambda value: getattr(value, "name", getattr(value, "__name__", "")),
)
def test_any_content_has_one_answer_and_nothing_unsafe(state: S, request_class: type) -> None:
    dice = random.Random(f"{state.name} {request_class.__name__}")
    for _ in range(25):
        bench = DinBench()
        oracle = DinOracle(bench.config, bench.evse, bench.session.session_id)
        WAYS[state](bench)
        body = random_request(request_class, dice)
        bench.ask(body)
        bench.tick(3.0)  # what waits for pilot or voltage is answered by now
        for now, event, outputs in bench.trace:
            oracle.step(now, event, outputs)
        requests = sum(type(event).__name__ == "Received" for _, event, _ in bench.trace)
        answers = [output.message for output in bench.outputs if isinstance(output, Send)]
        assert len(answers) == requests
        exi.codec("din").encode(answers[-1])
