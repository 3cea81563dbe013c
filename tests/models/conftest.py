"""Networks are tested on one thread: whole ones on a busy machine would mostly wait for their second."""
import pytest

from tinycnn import get_num_threads, set_num_threads


@pytest.fixture(autouse=True)
def one_thread():
    before = get_num_threads()
    set_num_threads(1)
    yield
    set_num_threads(before)
