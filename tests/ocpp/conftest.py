"""One PKI for the whole folder."""

from pathlib import Path

import pytest

from tests.ocpp.support import (
    Certificates,
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("ocpp"))


@pytest.fixture
def own(tmp_path: Path) -> Certificates:
    """A PKI whose files may change."""
    return Certificates.make(tmp_path / "pki")
