"""prefetch: results in order, made ahead; errors where they belong; no thread that stays."""
import threading
import time

import pytest

from tinycnn.data.prefetch import prefetch

WORKERS = pytest.mark.parametrize("workers", [0, 1, 3])


def threads():
    return [thread for thread in threading.enumerate() if thread.name.startswith("tinycnn-data")]


@WORKERS
def test_order(workers):
    def slow_first(i):
        time.sleep(0.01 * (i % 3 == 0))
        return i * i
    assert list(prefetch(slow_first, range(20), workers)) == [i * i for i in range(20)]
    assert list(prefetch(slow_first, [], workers)) == []
    assert not threads()


def test_work_is_done_ahead_but_not_all_of_it():
    done = []
    results = prefetch(lambda i: done.append(i) or i, range(50), workers=2)
    assert next(results) == 0
    deadline = time.monotonic() + 5
    while len(done) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.02)
    assert sorted(done) == [0, 1, 2, 3]  # one given, and one more than there are threads
    results.close()
    assert not threads()


def test_work_goes_on_beside_its_use():
    """While a result is used, a thread is at the next one: the two wait for each other here, or fail."""
    meeting = threading.Barrier(2, timeout=20)

    def work(i):
        if i == 2:
            meeting.wait()
        return i
    results = prefetch(work, range(4), workers=1)
    assert next(results) == 0
    meeting.wait()
    assert list(results) == [1, 2, 3]


@WORKERS
def test_an_error_comes_where_its_result_would(workers):
    def work(i):
        if i == 4:
            raise KeyError("the fourth")
        return i
    results = prefetch(work, range(10), workers)
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(KeyError, match="the fourth"):
        next(results)
    assert not threads()


def test_threads_end_when_their_results_are_no_longer_wanted():
    results = prefetch(lambda i: i, range(100), workers=3)
    for result in results:
        if result == 5:
            break
    assert threads()
    results.close()
    assert not threads()
