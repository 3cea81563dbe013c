"""prefetch: work that threads do ahead of its use, in an order that they do not change."""
from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


def prefetch(work: Callable[[Task], Result], tasks: Sequence[Task], workers: int) -> Iterator[Result]:
    """`work(task)` for each task, in their order; while one result is used, `workers` threads make the next ones.

    One result more than there are threads is made ahead.  workers=0: each is made when it is asked for, by the thread
    that asks.  What `work` raises comes out where its result would have.  The threads are gone when the last result
    was given, at an exception, and when the iterator is closed, at most one task of each later.

    Raises ValueError for a negative number of workers.

    >>> list(prefetch(lambda x: x * x, [1, 2, 3], workers=2))
    [1, 4, 9]
    """
    if workers < 0:
        raise ValueError(f"prefetch: workers must not be negative, got {workers}")
    if workers == 0:
        yield from map(work, tasks)
        return
    pool = ThreadPoolExecutor(min(workers, len(tasks)) or 1, thread_name_prefix="tinycnn-data")
    try:
        waiting: deque[Future[Result]] = deque()
        for task in tasks:
            waiting.append(pool.submit(work, task))
            if len(waiting) > workers + 1:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
