"""When the EV is asked to sign a meter reading: MeteringReceipt of ISO 15118-2, MeteringConfirmation of
ISO 15118-20. Evidence is kept of each value once."""

from __future__ import annotations

from secc.session.context import Context
from secc.session.outlet import MeterReading
from secc.settings.services import Payment


def due(session: Context) -> MeterReading | None:
    """The reading to ask for now, each `pnc.receipt_interval` at most; None: nothing is asked.

    Only with a contract [V2G2-691], and only with a reading [V2G2-902]. A reading that has not changed since
    it was signed is not asked for again; its turn comes with the next Wh.
    """
    interval, reading, pnc = session.config.pnc.receipt_interval, session.evse.meter, session.pnc
    if interval is None or reading is None or not session.config.energy.meter_info:
        return None
    if session.payment is not Payment.CONTRACT:
        return None
    if pnc.receipt_at is None:
        pnc.receipt_at = session.now
    if not session.granted or session.now < pnc.receipt_at + interval or _registers(reading) == pnc.signed:
        return None
    pnc.receipt_at = session.now
    return reading


def signed(session: Context, reading: MeterReading) -> None:
    """The EV has signed this reading."""
    session.pnc.signed = _registers(reading)


def same(one: MeterReading, other: MeterReading) -> bool:
    """Both have the same meter and registers; a later time alone is no other reading."""
    return _registers(one) == _registers(other)


def _registers(reading: MeterReading) -> tuple[str, int, int | None]:
    return reading.meter_id, reading.energy, reading.exported
