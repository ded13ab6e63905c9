"""The demo draws what the car is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from secc.cli import main


def test_the_demo_prices_energy_and_draws_the_offer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "offers.svg"
    words = ["demo", "--only", "iso20-both", "--loops", "3", "--plain-text", "--offers", str(picture)]
    main(words)  # 0 or 1: the response times are not judged here
    shown = capsys.readouterr().out
    assert "OfferSent schedules 1: charging 0.39 EUR/kWh, 2 steps, discharging -0.25 EUR/kWh" in shown
    assert "OfferChosen schedule 1" in shown
    assert "schedule 1, discharging ✓: price, EUR/kWh" in picture.read_text("utf-8")
    assert picture.with_suffix(".trace").exists()
