"""`secc schema`"""

import json
from pathlib import Path

import pytest

from secc.cli import main
from tests.exi.schema.test_runtime import VENDOR, VENDOR_SETS
from tests.exi.schema.test_xsd import OWN
from tests.support.messages import ROOT

SCHEMAS = str(ROOT / "exi_schemas")


def test_every_set_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "check", SCHEMAS, "--json"]) == 0
    rows = {row["set"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["iso2"]["messages"] == 80
    assert len(rows) == 11


def test_the_check_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "check", SCHEMAS]) == 0
    assert capsys.readouterr().out.splitlines()[0].split()[0] == "set"


def test_schemas_are_exported_one_file_per_namespace(tmp_path: Path) -> None:
    assert main(["schema", "export", SCHEMAS, "--output", str(tmp_path)]) == 0
    assert len(list(tmp_path.glob("*.xsd"))) == 18


def test_an_xsd_becomes_a_codec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vendor.xsd").write_text(OWN)
    assert main(["schema", "import", str(tmp_path / "vendor.xsd"), "--prefix", "vend"]) == 0
    (tmp_path / "vendor.toml").write_text(capsys.readouterr().out)
    (tmp_path / "sets.toml").write_text(VENDOR_SETS)
    arguments = ["--schemas", str(tmp_path), "--schema", "vendor"]
    report = '{"Report": {"Level": "High", "Note": ["x", "y"], "Count": 7}}'
    assert main(["encode", *arguments, report]) == 0
    stream = capsys.readouterr().out.strip()
    assert main(["decode", *arguments, stream]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(report)


def test_a_directory_of_schemas_is_made_of_an_xsd(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "Vendor_V1.xsd").write_text(OWN)
    made = tmp_path / "schemas"
    assert main(["schema", "import", str(tmp_path / "Vendor_V1.xsd"), "--output", str(made)]) == 0
    assert sorted(path.name for path in made.iterdir()) == ["sets.toml", "v.toml"]
    capsys.readouterr()
    report = '{"Report": {"Level": "High", "Note": ["x"], "Count": 7}}'
    assert main(["encode", "--schemas", str(made), "--schema", "vendor-v1", report]) == 0
    assert capsys.readouterr().out.strip()
    assert main(["schema", "import", str(tmp_path / "Vendor_V1.xsd"), "--output", str(made)]) == 2
    assert "exists already" in capsys.readouterr().err


def test_a_set_of_an_unknown_prefix_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vendor.toml").write_text(VENDOR)
    (tmp_path / "sets.toml").write_text(VENDOR_SETS.replace('["vend"]', '["vend", "more"]'))
    assert main(["schema", "check", str(tmp_path)]) == 1
    assert "vendor: no file has the prefix more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["schema", "import", "nowhere.xsd", "--prefix", "x"], 2, "No such file"),
        (["schema", "check", "nowhere"], 2, "No such file"),
        (["schema", "import", "x.xsd", "--prefix", "x", "--names", "y"], 2, "PREFIX=NAMESPACE"),
        (["decode", "--schema", "iso3", "80"], 2, "iso3 is not a schema set"),
        (["decode", "--schemas", SCHEMAS, "--schema", "iso3", "80"], 2, "iso3 is not a schema set of"),
    ],
)
def test_mistakes_are_explained(
    arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == code
    assert words in capsys.readouterr().err


def test_a_broken_schema_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "vendor.toml").write_text(VENDOR.replace("xs:unsignedShort", "xs:float"))
    (tmp_path / "sets.toml").write_text(VENDOR_SETS)
    assert main(["schema", "check", str(tmp_path)]) == 1
    assert "xs:float" in capsys.readouterr().err
