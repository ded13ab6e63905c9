"""Random messages, encoded by this library and by an independent EXI processor: equal bytes."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest

from secc import exi
from secc.exi import Codec, codec
from secc.messages import iso20_common
from secc.pki.keys import KeyType
from secc.pki.xmldsig import signed_info_octets
from secc.session.iso20 import price_schedules
from secc.session.iso20.schedules import Form, tuples
from secc.session.prices import PriceOffer, SignedPrices, TuplePrices
from secc.session.schedules import PowerSchedule, PowerStep, ScheduleOffer
from tests.support import prices
from tests.support.iso20 import HEAD
from tests.support.messages import Generator, schema_sets
from tests.support.pnc20 import car
from tools.oracles import compare_many
from tools.oracles.compare import SETS, compare
from tools.oracles.exificient import PYTHON, Exificient


@pytest.mark.parametrize("schema", SETS)
def test_random_messages_have_the_bytes_of_exificient(exificient: Exificient, schema: str) -> None:
    tally = compare(exificient, schema, count=25, seed=2026)
    assert tally.differences == []
    assert tally.same > 0


@pytest.mark.parametrize("keys", KeyType)
@pytest.mark.req("V2G20-119", "V2G20-765")
def test_the_element_that_a_contract_signs_has_the_bytes_of_exificient(
    exificient: Exificient, keys: KeyType
) -> None:
    mode = car(keys).mode(bytes(range(16)))
    common = codec("iso20-common")
    data = common.json_form.from_value("PnC_AReqAuthorizationMode", mode)
    expected = common.encode_fragment("PnC_AReqAuthorizationMode", mode)
    assert exificient.encode("iso20-common", data) == expected


@pytest.mark.req("V2G20-119", "V2G20-765")
def test_signed_info_has_the_bytes_of_exificient(exificient: Exificient) -> None:
    """With SHA-256: that program writes its names of SHA-256 in place of those of SHA-512. The bytes of
    SHA-512 are those of a vector in tests/pki/test_suites.py, which EXIficient has made by itself."""
    shown = car(KeyType.SECP256R1)
    info = shown.sign(shown.mode(bytes(range(16)))).signed_info
    data = codec("xmldsig").json_form.from_value("SignedInfo", info)
    assert exificient.encode("xmldsig", data) == signed_info_octets(info)


@pytest.fixture
def many() -> None:
    if compare_many.jar() is None or shutil.which("javac") is None:
        pytest.skip("EXIficient needs a JDK and .venv-interop, which `make interop` sets up")


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("schema", compare_many.GRAMMARS)
def test_random_messages_have_the_bytes_of_exificient_past_its_json(schema: str) -> None:
    assert compare_many.compare(schema, count=200, seed=2026) == (200, [])


@pytest.mark.usefixtures("many")
def test_a_schema_of_a_user_has_the_grammars_that_exificient_makes_of_it() -> None:
    file = Path(__file__).with_name("vendor.xsd")
    assert compare_many.compare_xsd(file, ("Report", "Note", "Small", "Large"), 200, 2026) == (200, [])


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize("schema", schema_sets())
def test_exificient_makes_the_same_grammars_of_the_exported_schemas(schema: str) -> None:
    assert compare_many.compare_exported(schema, 50, 2026) == (50, [])


@pytest.mark.usefixtures("many")
def test_a_message_of_other_content_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def other(make: Generator, ours: Codec, count: int, seed: int) -> list[str]:
        first, second = compare_many_lines(make, ours, 2 * count, seed)
        return [first.split("\t")[0] + "\t" + second.split("\t")[1]]

    compare_many_lines = compare_many.lines
    monkeypatch.setattr(compare_many, "lines", other)
    same, differences = compare_many.compare("sap", count=1, seed=1)
    assert same == 0
    assert differences[0].startswith("encode\t")


# --- prices of ISO 15118-20 --------------------------------------------------------------------------------


def priced_answers() -> list[iso20_common.ScheduleExchangeRes]:
    """Levels and absolute prices, signed and not, for both directions, in both control modes."""
    one, two = PowerStep(0, 11_000.0), PowerStep(3600, 4000.0)
    offer = ScheduleOffer((PowerSchedule(1, (one, two), 3600), PowerSchedule(2, (one,), 7200)))
    signed = SignedPrices(prices.fragment(prices.message()))
    choices = (
        TuplePrices(prices.DAY, prices.BACK),
        TuplePrices(prices.LEVELS, prices.LEVELS),
        TuplePrices(signed),
    )
    form = Form(anchor=7, departure=7200, points=1024, prices=True, discharge=5_000_000)
    scheduled = [
        answer(
            scheduled_se_res_control_mode=tuples(
                offer, msgspec.structs.replace(form, offer=PriceOffer((one,)))
            )
        )
        for one in choices
    ]
    written = [price_schedules.written(one, anchor=7, end=7200) for one in (prices.DAY, prices.LEVELS)]
    modes = [iso20_common.DynamicSEResControlMode(**price_schedules.element(one)) for one in written]
    return [*scheduled, *(answer(dynamic_se_res_control_mode=mode) for mode in modes)]


def answer(**mode: Any) -> iso20_common.ScheduleExchangeRes:
    return iso20_common.ScheduleExchangeRes(
        header=HEAD,
        response_code=iso20_common.ResponseCode.OK,
        evse_processing=iso20_common.Processing.FINISHED,
        **mode,
    )


def test_price_schedules_have_the_bytes_of_exificient(exificient: Exificient) -> None:
    codec = exi.codec("iso20-common", full_lists="marked")
    for message in priced_answers():
        data = codec.json_form.from_value("ScheduleExchangeRes", message)
        assert exificient.encode("iso20-common", data) == codec.encode(message)
        assert exificient.decode("iso20-common", codec.encode(message)) == data


MODEL = """
import json, sys
from iso15118.shared.messages.iso15118_20.common_messages import ScheduleExchangeRes
for data in json.load(sys.stdin):
    ScheduleExchangeRes.parse_obj(data)
"""


@pytest.mark.usefixtures("exificient")
def test_an_independent_ev_accepts_the_price_schedules() -> None:
    codec = exi.codec("iso20-common")
    found = [codec.json_form.from_value("ScheduleExchangeRes", one) for one in priced_answers()]
    text = json.dumps([one["ScheduleExchangeRes"] for one in found])
    done = subprocess.run([str(PYTHON), "-c", MODEL], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
