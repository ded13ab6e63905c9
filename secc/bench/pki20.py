"""Certificates and keys of the car of ISO 15118-20, and defective ones from the keys of the authorities."""

from __future__ import annotations

import dataclasses
import datetime
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from secc.bench.reissue import changed_subject, reissue
from secc.pki.certificates import Certificate, read_chain
from secc.pki.chains import KINDS
from secc.pki.hierarchy import CHAIN_NAMES, ISSUERS, HierarchyNames, make_iso20_hierarchy
from secc.pki.issuing import Holder, key_pem
from secc.pki.keys import read_private_key
from secc.pki.kinds import Kind
from secc.pki.trust import Role
from secc.sim.iso20 import Iso20Contract, Iso20Wallet
from secc.tls.credentials import CredentialFiles


@dataclasses.dataclass(frozen=True)
class Iso20CarPki:
    """What a folder of `secc pki new` holds of ISO 15118-20."""

    holders: Mapping[Kind, Holder]
    """Certificates whose key is there."""
    certificates: Mapping[Kind, Certificate]

    @classmethod
    def read(cls, folder: Path) -> Iso20CarPki | None:
        """None without a contract or a provisioning certificate."""
        holders, certificates = {}, {}
        for kind in Kind:
            path, key = folder / f"{kind.value}.pem", folder / f"{kind.value}_key.pem"
            if path.is_file():
                certificates[kind] = read_chain(path.read_bytes())[0]
                if key.is_file():
                    holders[kind] = Holder(certificates[kind], read_private_key(key.read_bytes()))
        shown = (*KINDS[Role.CONTRACT], *KINDS[Role.OEM], Kind.V2G_ROOT)
        complete = all(kind in certificates for kind in shown)
        if not complete or not {Kind.CONTRACT_LEAF, Kind.OEM_LEAF} <= holders.keys():
            return None
        return cls(holders, certificates)

    @property
    def can_issue(self) -> bool:
        """The keys of the authorities are there."""
        return all(ISSUERS[kind] in self.holders for kind in (*_CHANGED, Kind.MO_SUB_CA_1))

    def chain(self, role: Role, **changed: Certificate) -> tuple[Certificate, ...]:
        """Leaf, Sub-CA 2, Sub-CA 1; some of them replaced: `leaf`, `sub_ca_2`, `sub_ca_1`."""
        usual = dict(zip(("leaf", "sub_ca_2", "sub_ca_1"), self._chain(role), strict=True))
        return tuple((usual | changed).values())

    def contract(self, **changed: Any) -> Iso20Contract:
        """The contract of the folder; `changed`: fields of `Iso20Contract`."""
        usual = {"chain": self._chain(Role.CONTRACT), "key": self.holders[Kind.CONTRACT_LEAF].key}
        return Iso20Contract(**(usual | changed))

    def wallet(self, oem: Certificate | None = None) -> Iso20Wallet:
        """A car without a contract; `oem`: another provisioning certificate for its key."""
        holder = self.holders[Kind.OEM_LEAF]
        return Iso20Wallet(
            Holder(oem or holder.certificate, holder.key),
            self._chain(Role.OEM)[1:],
            (self.certificates[Kind.V2G_ROOT],),
        )

    def again(self, kind: Kind, *, common_name: str | None = None, **changed: Any) -> Certificate:
        """The certificate of this kind from its valid issuer, with a change (`reissue.reissue`)."""
        base = self.holders[kind]
        if common_name is not None:
            old = base.certificate.to_cryptography().subject
            changed["subject"] = changed_subject(old, common_name=common_name)
        return reissue(base, self.holders[ISSUERS[kind]], **changed)

    def foreign(self, names: HierarchyNames | None = None) -> Iso20CarPki:
        """Another hierarchy that is not trusted, with the same names or with others."""
        begin = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
        made = make_iso20_hierarchy(not_before=begin, random_bytes=os.urandom(16), names=names)
        return Iso20CarPki(made, {kind: one.certificate for kind, one in made.items()})

    @contextmanager
    def files(self, role: Role, **changed: Certificate) -> Iterator[CredentialFiles]:
        """A chain and its key as files, as TLS wants them."""
        with tempfile.TemporaryDirectory() as folder:
            name = CHAIN_NAMES[role]
            chain, key = Path(folder, f"{name}.pem"), Path(folder, f"{name}_key.pem")
            chain.write_bytes(b"".join(one.pem for one in self.chain(role, **changed)))
            key.touch(mode=0o600)
            key.write_bytes(key_pem(self.holders[KINDS[role][0]].key))
            yield CredentialFiles(chain=chain, key=key)

    def _chain(self, role: Role) -> tuple[Certificate, ...]:
        return tuple(self.certificates[kind] for kind in KINDS[role])


_CHANGED = (Kind.CONTRACT_LEAF, Kind.OEM_LEAF, Kind.MO_SUB_CA_2, Kind.VEHICLE_LEAF)
