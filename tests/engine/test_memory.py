"""The arena: what is needed at the same time lies apart, and little is wasted."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tinycnn.engine.layout import Storage
from tinycnn.engine.memory import ALIGNMENT, lay_out

STORAGES = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 20), st.integers(0, 8)), min_size=1, max_size=30)


@given(STORAGES)
def test_what_is_needed_together_lies_apart(described):
    storages = [Storage(size, first, first + more) for size, first, more in described]
    end = lay_out(storages, 4)
    for i, a in enumerate(storages):
        assert 0 <= a.offset <= a.offset + a.size <= end
        assert a.offset * 4 % ALIGNMENT == 0
        for b in storages[:i]:
            if a.first <= b.last and b.first <= a.last:
                assert a.offset + a.size <= b.offset or b.offset + b.size <= a.offset


@given(STORAGES)
def test_it_is_no_larger_than_all_together(described):
    storages = [Storage(size, first, first + more) for size, first, more in described]
    assert lay_out(storages, 4) <= sum(-(-s.size // 16) * 16 for s in storages)


def test_a_chain_takes_two_places():
    storages = [Storage(160, i, i + 1) for i in range(10)]
    assert lay_out(storages, 4) == 320
