"""Experiments: equal multiply-adds, memory access as the paper's formulas have it, the bound."""
import pytest

from tinycnn.analysis import summary
from tinycnn.analysis.studies import STUDIES, factorise, g1, g2, g3, g4
from tinycnn.analysis.studies.experiment import grouped_memory_access, least_memory_access, memory_access

MOST = {"g1": 0.055, "g2": 0.012, "g3": 0.012, "g4": 0, "factorise": 0.015}  # 36:432 is the paper's: 5.1 % less
EVERY = [pytest.param(name, aligned, id=f"{name}{'-aligned' * aligned}") for name in STUDIES
         for aligned in (False, True)]


def costs(experiment):
    return {variant.name: summary(variant.model, variant.shape) for variant in experiment.variants}


@pytest.mark.parametrize(("name", "aligned"), EVERY)
@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
def test_multiply_adds_are_equal(name, aligned, quick):
    experiment = STUDIES[name](quick, aligned)
    found = costs(experiment)
    assert len(found) == len(experiment.variants) > 1
    for variant in experiment.variants:
        macs, other = found[variant.name].macs, found[experiment.against(variant)].macs
        if variant.equal:
            assert macs == pytest.approx(other, rel=0.01 if aligned and name in ("g1", "g2", "g3") else MOST[name])
        else:
            assert macs < 0.7 * other


def test_formulas_by_hand():
    """28 x 28 = 784 places, 24 and 96 channels: B = 784 * 24 * 96."""
    assert memory_access(784, 24, 96) == 784 * 120 + 2304
    assert memory_access(784, 24, 96, groups=4) == 784 * 120 + 576
    assert least_memory_access(784, 784 * 24 * 96) == 2 * 784 * 48 + 2304  # sqrt(784^2 * 48^2)
    assert grouped_memory_access(784, 784 * 24 * 96 // 4, 24, 4) == 784 * 24 + 784 * 96 + 576


@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize("quick", [False, True])
def test_no_width_is_below_the_bound(quick, aligned):
    experiment = g1(quick, aligned)
    found = costs(experiment)
    excess = [found[variant.name].memory_access / variant.theory for variant in experiment.variants]
    assert excess[0] == pytest.approx(1)
    assert excess == sorted(excess)
    assert excess[-1] > 1.15


@pytest.mark.parametrize("aligned", [False, True])
def test_groups_cost_what_the_formula_says(aligned):
    experiment = g2(aligned=aligned)
    found = costs(experiment)
    accesses = [variant.theory for variant in experiment.variants]
    assert [found[variant.name].memory_access for variant in experiment.variants] == pytest.approx(accesses)
    assert accesses == sorted(accesses)


def test_the_papers_set_ups():
    assert [variant.shape[1:] for variant in g1().variants] == [(c, 56, 56) for c in (128, 90, 52, 36)]
    assert [variant.shape[1] for variant in g2().variants] == [128, 180, 256, 360]
    for experiment, convolutions in ((g1(), 20), (g2(), 10), (g4(), 30)):
        for found in costs(experiment).values():
            assert sum(row.op == "conv2d" for row in found.rows) == convolutions
    assert [sum(row.op == "conv2d" for row in found.rows) for found in costs(g3()).values()] == [10, 20, 40, 20, 40]
    assert [sum(row.op == "add" for row in found.rows) for found in costs(g3()).values()] == [0, 0, 0, 10, 30]


def test_g4_removes_what_it_says():
    ops = {name: (sum(row.op == "relu" for row in found.rows), sum(row.op == "add" for row in found.rows))
           for name, found in costs(g4(quick=True)).items()}
    assert ops == {"ReLU + shortcut": (6, 2), "no ReLU": (0, 2), "no shortcut": (6, 0), "neither": (0, 0)}


def test_factorised_windows():
    found = costs(factorise(quick=True))
    assert [row.window for row in found["1x5 5x1, 112 channels"].rows[:2]] == ["1x5", "5x1"]
    shares = [found[f"1x{k} {k}x1, {c} channels"].macs / found[f"{k}x{k}, {c} channels"].macs
              for k, c in ((3, 144), (5, 112), (7, 128))]
    assert shares == pytest.approx([2 / 3, 2 / 5, 2 / 7])
