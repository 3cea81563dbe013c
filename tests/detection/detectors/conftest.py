"""What the tests of detectors share."""
import pytest

from tinycnn.nn import init


@pytest.fixture
def blank(monkeypatch):
    """Networks start with zeros, which takes no time."""
    for function in ("normal", "uniform"):
        monkeypatch.setattr(init, function, lambda *_: None)
