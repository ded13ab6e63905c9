"""The prices of the demo, in the session with both directions, and the picture of what the EV is offered."""

from __future__ import annotations

from pathlib import Path

from secc.session.prices import AbsolutePrices, PriceBand, PriceOffer, PriceStep, Tax, TuplePrices
from secc.settings.config import SeccConfig
from secc.trace import read
from secc.trace.curve import svg
from secc.trace.offer_picture import offer_svg
from secc.trace.offers import offers
from secc.trace.recorder import Recorder
from secc.trace.summary import summarize

_CHARGING = AbsolutePrices(
    currency="EUR",
    language="eng",
    description="demo",
    steps=(
        PriceStep(0, (PriceBand(0, 390_000), PriceBand(22_000, 450_000))),
        PriceStep(1800, (PriceBand(0, 290_000), PriceBand(22_000, 350_000))),
    ),
    taxes=(Tax(1, 19_000, "VAT", included=True),),
)
_DISCHARGING = AbsolutePrices(
    currency="EUR",
    language="eng",
    steps=(PriceStep(0, (PriceBand(0, -250_000),)), PriceStep(1800, (PriceBand(0, -150_000),))),
)
PRICES = PriceOffer((TuplePrices(_CHARGING, _DISCHARGING),))
"""Dearer above 22 kW; energy from the EV is paid."""


class OfferRecorder:
    """Records a session to draw its offer."""

    def __init__(self, config: SeccConfig, now: float) -> None:
        """`now`: monotonic seconds."""
        self._lines: list[str] = []
        self.recorder = Recorder(self._lines.append, config, now=now, wall=0.0)

    def draw(self, picture: Path) -> Path:
        """Write the picture of the offer, and beside it that of the session and the trace; return the path of
        the trace."""
        path = picture.with_suffix(".trace")
        path.write_text("".join(self._lines), "utf-8")
        trace = read(path)
        summary = summarize(trace.sessions[0], trace.config)
        picture.write_text(offer_svg(offers(summary), title="secc demo"), "utf-8")
        curve = picture.with_name(f"{picture.stem}-session{picture.suffix}")
        curve.write_text(svg(summary, title="secc demo"), "utf-8")
        return path
