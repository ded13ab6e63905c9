"""The wallet of `secc ev`: a folder in the format of `secc pki new`, and the contract that a station
delivered."""

from __future__ import annotations

from pathlib import Path

from secc.errors import CertificateError
from secc.pki.certificates import read_chain
from secc.pki.issuing import Identity, key_pem, read_key
from secc.pki.keys import read_private_key
from secc.private_files import write_private
from secc.sim import Wallet
from secc.sim.iso20 import Iso20Contract


def open_wallet(folder: Path, contract: Path | None = None) -> Wallet:
    """Return the wallet with the contract in `contract`, or the delivered one; raises CertificateError.

    The key of `x_chain.pem` is `x_leaf_key.pem` or `x_key.pem`, in the same folder.
    """
    oem = Identity(
        read_chain(_read(folder / "oem_leaf.pem"))[0], read_key(_read(folder / "oem_leaf_key.pem"))
    )
    wallet = Wallet(oem, read_chain(_read(folder / "v2g_root.pem")))
    delivered = folder / CONTRACT
    chosen = contract or (delivered if delivered.exists() else None)
    if chosen is not None:
        wallet.chain = read_chain(_read(chosen))
        wallet.key = read_key(_read(key_beside(chosen)))
        if wallet.key.public_key() != wallet.chain[0].public_key:
            raise CertificateError(f"{key_beside(chosen)} is not the key of {chosen}", rule="not_our_key")
    return wallet


def keep_contract(folder: Path, wallet: Wallet) -> None:
    """Store the delivered contract for the next session."""
    if wallet.key is None:
        return
    (folder / CONTRACT).write_bytes(b"".join(one.pem for one in wallet.chain))
    path = key_beside(folder / CONTRACT)
    path.unlink(missing_ok=True)
    write_private(path, key_pem(wallet.key))


def open_contract(chain: Path) -> Iso20Contract:
    """Return a contract of ISO 15118-20 with the key beside its chain; raises CertificateError."""
    return Iso20Contract(read_chain(_read(chain)), read_private_key(_read(key_beside(chain))))


CONTRACT = "car_contract.pem"


def key_beside(chain: Path) -> Path:
    """The file of the key that belongs to a chain: `x_leaf_key.pem` or `x_key.pem` beside `x_chain.pem`."""
    name = chain.stem.removesuffix("_chain")
    leaf = chain.with_name(f"{name}_leaf_key.pem")
    return leaf if leaf.exists() else chain.with_name(f"{name}_key.pem")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{path}: {error.strerror}", rule="empty") from error
