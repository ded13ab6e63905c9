"""Run by the tests of tokens in a separate process: a station of ISO 15118-20 whose key is stored in a token.

    python -m tests.tls_peers.token20 FOLDER

FOLDER has the file of the token's key as token.pem and its public key as public.pem; OPENSSL_CONF names the
provider. Prints what happened, one word per line: `shaken` and `refused` (a key that is not the leaf's), or
`cannot-sign` where the station refuses to start, as OpenSSL finds the key and does not sign with it.
"""

import dataclasses
import sys
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_public_key

from secc.errors import ConfigError
from secc.pki.hierarchy import make_iso20_hierarchy, write_hierarchy
from secc.pki.issuing import Holder, Order, issue
from secc.pki.profiles import Generation, Kind
from tests.support import tls13


def main(folder: Path) -> None:
    pki = dict(make_iso20_hierarchy(not_before=tls13.BEGIN, seed=b"token"))
    order = Order(
        kind=Kind.SECC_LEAF,
        generation=Generation.ISO20,
        common_name="DEABCS1",
        organization="Test only",
        country="DE",
        serial=7,
        not_before=tls13.BEGIN,
        ocsp_url="http://ocsp.test.invalid:8080/",
    )
    public = load_pem_public_key((folder / "public.pem").read_bytes())
    leaf = issue(order, public, pki[Kind.CPO_SUB_CA_2])  # type: ignore[arg-type]
    pki[Kind.SECC_LEAF] = Holder(leaf, pki[Kind.SECC_LEAF].key)
    write_hierarchy(pki, folder, tls13.BEGIN)
    files = dataclasses.replace(tls13.files(folder), key=folder / "token.pem")
    trusted = tls13.roots(folder)
    try:
        station = tls13.station(tls13.policy(folder=folder, trusted=trusted, chains=(files,))).engine()
    except ConfigError as error:
        print("cannot-sign" if "cannot sign with it" in str(error) else f"failed: {error}")
        return
    car = tls13.vehicle(folder).engine()
    ours, _ = tls13.shake(station, car)
    done = station.handshake_done and car.handshake_done
    print("shaken" if done else f"failed: {ours.failure}")
    other = dataclasses.replace(tls13.files(), key=folder / "token.pem")
    try:
        tls13.station(tls13.policy(trusted=trusted, chains=(other,)))
    except ConfigError as error:
        print("refused" if "key values mismatch" in str(error) else f"failed: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
