"""One PKI for the whole folder."""

import pytest

from tests.ocpp.support import Certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.make(tmp_path_factory.mktemp("ocpp"))
