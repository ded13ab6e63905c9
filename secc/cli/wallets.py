"""The wallets of `secc ev`: a folder in the format of `secc pki new`, and the contracts that a station
delivered."""

from __future__ import annotations

from pathlib import Path

from secc.errors import CertificateError
from secc.pki.certificates import read_chain
from secc.pki.hierarchy import ISO20_FOLDER
from secc.pki.issuing import Holder, Identity, key_pem, read_key
from secc.pki.keys import read_private_key
from secc.private_files import write_private
from secc.sim import Wallet
from secc.sim.iso20 import InstalledContract, Iso20Contract, Iso20Wallet


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


def iso20_folder(folder: Path) -> Path:
    """Return the part of a folder of `secc pki new` that belongs to ISO 15118-20, or the folder itself."""
    return newer if (newer := folder / ISO20_FOLDER).is_dir() else folder


def open_iso20_wallet(folder: Path) -> Iso20Wallet:
    """Return the wallet of ISO 15118-20 with the contracts that were delivered; raises CertificateError."""
    newer = iso20_folder(folder)
    leaf, *above = read_chain(_read(newer / "oem_chain.pem"))
    oem = Holder(leaf, read_private_key(_read(newer / "oem_leaf_key.pem")))
    wallet = Iso20Wallet(oem, above, read_chain(_read(newer / "v2g_root.pem")))
    for path in sorted(newer.glob(f"{DELIVERED}*.pem")):
        if not path.stem.endswith("_key"):
            key = read_private_key(_read(key_beside(path)))
            wallet.contracts.append(InstalledContract(read_chain(_read(path)), key))
    return wallet


def keep_iso20_contracts(folder: Path, wallet: Iso20Wallet) -> None:
    """Store the delivered contracts for the next session, one file for each eMAID and its key beside it."""
    newer = iso20_folder(folder)
    for one in wallet.contracts:
        path = newer / f"{DELIVERED}{one.emaid.normal}.pem"
        path.write_bytes(b"".join(certificate.pem for certificate in one.chain))
        key = key_beside(path)
        key.unlink(missing_ok=True)
        write_private(key, key_pem(one.key))


CONTRACT = "car_contract.pem"
DELIVERED = "car_contract_"


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
