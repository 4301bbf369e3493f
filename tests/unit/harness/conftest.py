"""One store for all tests of the harness: the good version is evaluated once, each test adds its own mutation."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.harness.lab import MODEL, Lab, a_lab, fitted, good_rows


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    made = a_lab(tmp_path_factory.mktemp("lab"))
    training, holdout = good_rows()
    made.log("good", fitted(training), holdout=holdout, claims={"holdout_auc": 0.83})
    made.harness.run_now(MODEL, made.versions["good"])
    yield made
    made.close()
