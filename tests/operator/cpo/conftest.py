"""PostgreSQL for the tests that need it: started once, with a separate database for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from tools.bench.postgres import Cluster, binaries, cluster

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    if binaries() is None:
        pytest.skip("no PostgreSQL on this machine (apt install postgresql)")
    with cluster(durable=False) as running:
        yield running


@pytest.fixture
def postgres_url(postgres: Cluster) -> str:
    return postgres.make_database(f"test{next(_NUMBERS)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def changes(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Settings for each kind of database: the same tests hold for both."""
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("postgres_url")}
