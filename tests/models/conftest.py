"""Networks are tested on one thread: whole ones on a busy machine would mostly wait for their second."""
import pytest

from tinycnn import get_num_threads, set_num_threads
from tinycnn.nn import init


@pytest.fixture(autouse=True)
def one_thread():
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)


@pytest.fixture
def blank(monkeypatch):
    """Networks start with zeros, which takes no time."""
    for function in ("normal", "uniform"):
        monkeypatch.setattr(init, function, lambda *_: None)
