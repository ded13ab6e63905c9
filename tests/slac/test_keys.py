"""Network keys against vectors of other tools."""

from __future__ import annotations

import os

import pytest

from secc.slac.keys import NetworkKey, nid_of, nmk_of
from tests.support import vectors


def test_identifiers_agree_with_those_of_other_tools() -> None:
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "nid" and row.get("derived", True)]
    assert len(rows) >= 3
    assert [nid_of(bytes.fromhex(row["nmk"])).hex() for row in rows] == [row["nid"] for row in rows]


def test_keys_of_passwords_agree_with_those_of_other_tools() -> None:
    rows = [row for row in vectors.lines("slac.jsonl") if row["kind"] == "nmk"]
    assert [nmk_of(row["password"]).hex() for row in rows] == [row["nmk"] for row in rows]


def test_the_identifier_of_the_default_password_is_known() -> None:
    assert nid_of(nmk_of("HomePlugAV")).hex() == "b0f2e695666b03"


@pytest.mark.threat("SLAC-08")
def test_ten_thousand_keys_are_all_different() -> None:
    keys = {NetworkKey.fresh(os.urandom).nmk for _ in range(10_000)}
    assert len(keys) == 10_000


@pytest.mark.inv("INV-25")
def test_a_key_does_not_show_in_texts() -> None:
    key = NetworkKey.fresh(lambda count: b"\xab" * count)
    assert "ab" not in repr(key).replace(repr(key.nid), "")
    assert repr(key.nmk) not in repr(key)
