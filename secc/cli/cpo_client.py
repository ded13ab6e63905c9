"""`secc cpo car` and `secc cpo enroll`: the body for a car, the certificate of a station."""

from __future__ import annotations

import argparse
import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from secc.cli import misused, refused
from secc.pki.certificates import read_certificate, read_chain
from secc.pki.issuing import key_pem, make_request, new_key
from secc.pki.profiles import Kind
from secc.private_files import write_private


def configure_car(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `secc cpo car`."""
    parser.add_argument("emaid", help="contract that the car receives")
    parser.add_argument("chain", type=Path, help="PEM: provisioning certificate and the ones above it")


def car(arguments: argparse.Namespace) -> int:
    """Print the body of `POST /v1/cars`."""
    try:
        chain = read_chain(arguments.chain.read_bytes())
    except OSError as error:
        return misused(f"{arguments.chain}: {error.strerror}")
    ders = [base64.b64encode(one.der).decode() for one in chain]
    print(json.dumps({"emaid": arguments.emaid, "chain": ders}))
    return 0


def configure_enroll(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `secc cpo enroll`."""
    parser.add_argument("url", help="address of the service, for example http://127.0.0.1:8470")
    parser.add_argument("station", help="id of the station, as in its token")
    parser.add_argument("--token-file", type=Path, help="file with the access token")
    parser.add_argument("--name", help="common name in the certificate; default: the id of the station")
    parser.add_argument("--organization", default="Operator", help="in the certificate (%(default)s)")
    parser.add_argument("--country", default="DE", help="in the certificate (%(default)s)")
    parser.add_argument("--out", type=Path, help="name of the files without .pem; default: the station")


def enroll(arguments: argparse.Namespace) -> int:
    """Make a key, have it certified by the service, and write chain and key."""
    out: Path = arguments.out or Path(arguments.station)
    chain_path, key_path = out.with_name(f"{out.name}.pem"), out.with_name(f"{out.name}_key.pem")
    if key_path.exists():
        return misused(f"{key_path} exists already")
    key = new_key()
    request = make_request(
        key,
        Kind.SECC_LEAF,
        common_name=arguments.name or arguments.station,
        organization=arguments.organization,
        country=arguments.country,
    )
    path = f"/v1/stations/{urllib.parse.quote(arguments.station, safe='')}/certificate"
    try:
        token = "" if arguments.token_file is None else arguments.token_file.read_text().strip()
        answer = _post(
            arguments.url.rstrip("/") + path, {"request": base64.b64encode(request).decode()}, token
        )
    except urllib.error.HTTPError as error:
        return refused(f"{error.code} {error.read(1000).decode('utf-8', 'replace')}")
    except OSError as error:
        return refused(f"{arguments.url}: {error}")
    chain = [read_certificate(base64.b64decode(one)) for one in answer["chain"]]
    write_private(key_path, key_pem(key))
    chain_path.write_bytes(b"".join(one.pem for one in chain))
    print(f"{chain_path}, {key_path}: {chain[0].subject.common_name}, until {chain[0].not_after:%Y-%m-%d}")
    return 0


def _post(url: str, body: dict[str, str], token: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(url, data=json.dumps(body).encode(), headers=headers, method="POST")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=15) as answer:
        found: dict[str, Any] = json.loads(answer.read(1_000_000))
        return found
