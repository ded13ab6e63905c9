"""Throwaway certificates are good enough for a station and an EV."""

from pathlib import Path

from secc.sim.certificates import make_throwaway_pki
from secc.tls import TlsContext


def test_a_station_can_serve_with_them_and_an_ev_trusts_it(tmp_path: Path) -> None:
    pki = make_throwaway_pki(tmp_path)
    station = TlsContext.for_server(pki.chain, pki.key).engine()
    ev = TlsContext.for_client(pki.root).engine()
    to_station, to_ev = ev.start(), station.start()
    for _ in range(10):
        progress = station.feed(to_station)
        to_ev += progress.to_send
        progress = ev.feed(to_ev)
        to_station, to_ev = progress.to_send, b""
    assert station.handshake_done
    assert ev.handshake_done


def test_the_key_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    assert make_throwaway_pki(tmp_path).key.stat().st_mode & 0o777 == 0o600
