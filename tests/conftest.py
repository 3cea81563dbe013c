"""Settings that every test shares."""
import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("tinycnn", deadline=None, max_examples=int(os.environ.get("TINYCNN_EXAMPLES", "15")),
                          derandomize=True, database=None, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large,
                                                 HealthCheck.differing_executors, HealthCheck.function_scoped_fixture])
settings.load_profile("tinycnn")


@pytest.fixture
def torch():
    """torch, or a skip that says so."""
    return pytest.importorskip("torch", reason="torch is not installed: its values are not compared")
