"""Comparisons: rows, rankings, bounds, and documents that come from files."""
import copy
import json

import pytest
from toys import Block

from tinycnn.analysis import Known, comparing, comparison_tables, summary
from tinycnn.analysis.comparing import checked, fps_bound, latency, measured, objective, ranking, structure
from tinycnn.analysis.machine import Peaks
from tinycnn.models import WEIGHTS
from tinycnn.models.accuracy import TOP1


def row(name, ms, accuracy=None, source="ImageNet, published", threads=(1,)):
    return {"model": name, "structure": "2 conv", "input": [2, 3, 8, 8], "params": 10, "macs": 5_000_000,
            "flops": 10_000_000, "memory_access": 100, "bytes": 40, "accuracy": accuracy,
            "accuracy_of": accuracy and source,
            "latency": [{"threads": n, "median_ms": ms / n, "p95_ms": 1.5 * ms / n, "calls": 10} for n in threads]}


def document(*rows, cpu="A"):
    return {"schema": 1, "date": "2020-01-01", "machine": {"cpu": cpu, "cores": 2, "isa": "avx2", "tinycnn": "0"},
            "peaks": [{"threads": 1, "flops": 1e10, "bandwidth": 1e9}, {"threads": 2, "flops": 2e10, "bandwidth": 1e9}],
            "rows": list(rows)}


def test_a_row_is_measured():
    model = Block().train()
    found = measured("toy", model, (1, 3, 32, 32), (1, 2), seconds=0.01, known=Known(50.0, "here"))
    assert (found["params"], found["macs"]) == (summary(model, (1, 3, 32, 32)).params, found["flops"] // 2)
    assert [t["threads"] for t in found["latency"]] == [1, 2]
    assert all(0 < t["median_ms"] <= t["p95_ms"] for t in found["latency"])
    assert all(t["calls"] >= comparing.FEWEST for t in found["latency"])
    assert (found["accuracy"], found["accuracy_of"]) == (50.0, "here")
    assert model.training
    assert json.loads(json.dumps(found)) == found


def test_latency_counts_calls_after_warming_up():
    calls = []
    found = latency(lambda: calls.append(1), seconds=0.0)
    assert found["calls"] == comparing.FEWEST
    assert len(calls) == comparing.FEWEST + comparing.WARMING


def test_structure_is_one_line():
    assert structure(summary(Block(), (1, 3, 32, 32))) == "4 conv (1 dense, 2 pointwise, 1 depthwise); 1 linear; 1 add"


def test_the_document_knows_the_machine(monkeypatch):
    monkeypatch.setattr(comparing, "peaks", lambda threads: Peaks(threads, 1e9, 1e9))
    found = comparing.document([row("a", 1.0)], (1, 2))
    assert [p["threads"] for p in found["peaks"]] == [1, 2]
    assert found["machine"]["cores"] >= 1
    assert checked(json.loads(json.dumps(found)), "file") == found


def test_mnasnets_objective():
    """Tan et al., "MnasNet", section 3.2: twice the latency is to be worth 5 % of accuracy."""
    assert objective(80.0, 10.0, 10.0, hard=False) == 80
    assert objective(80.0, 20.0, 10.0, hard=False) == pytest.approx(80 / 1.05, rel=2e-3)
    assert objective(80.0, 5.0, 10.0, hard=True) == 80
    assert objective(80.0, 20.0, 10.0, hard=True) == 40


def test_ranking_by_source():
    found = ranking(document(row("slow", 40, 75.0), row("quick", 10, 70.0), row("unknown", 1), row("bad", 5, 40.0),
                             row("own", 5, 90.0, "zoo")), 10.0)
    assert {source: [r.model for r in ranked] for source, ranked in found.items()} == {
        "ImageNet, published": ["quick", "slow", "bad"], "zoo": ["own"]}
    assert found["ImageNet, published"][1].hard == pytest.approx(75 / 4)
    with pytest.raises(ValueError, match="target must be above 0"):
        ranking(document(), 0.0)


def test_images_a_second_on_another_machine():
    found = document(row("a", 10.0, threads=(1, 2)))
    # 10 MFLOPs in 5 ms are 2 GFLOP/s, a tenth of the peak of two threads; an image takes half of the FLOPs
    assert fps_bound(found, found["rows"][0], 1e12) == pytest.approx(1e11 / 5e6)


def test_tables():
    found = document(row("a", 10.0, 71.25, threads=(1, 2)), row("b", 20.0))
    text = comparison_tables.comparison_table(found, target_ms=10.0, peak=1e12)
    for words in ("ms (2 threads)", "71.25 % (ImageNet, published)", "soft", "1 TFLOP/s", "20000.0"):
        assert words in text
    assert "no network has a known accuracy" in comparison_tables.comparison_table(document(row("b", 1)), 1.0)
    lines = comparison_tables.comparison_csv(found).splitlines()
    assert len(lines) == 1 + 3
    assert lines[1].startswith("a,2 conv,2x3x8x8,10,5000000,10000000,")


def test_two_machines():
    a, b = document(row("x", 10.0), row("only here", 1.0)), document(row("x", 5.0), cpu="B")
    b["rows"][0]["macs"] += 1
    text = comparison_tables.difference_table(a, b)
    assert "a: A, 2 cores" in text
    assert "b: B, 2 cores" in text
    assert "only here" not in text
    assert "0.50  not the same network or input" in text


@pytest.mark.parametrize("damage", [
    lambda d: d.update(schema=2), lambda d: d.pop("rows"), lambda d: d["rows"][0].pop("latency"),
    lambda d: d["rows"].append(3), lambda d: d.pop("machine"), lambda d: d["machine"].pop("cpu"),
    lambda d: d["rows"][0]["latency"][0].update(median_ms="fast")])
def test_another_file_is_refused(damage):
    found = copy.deepcopy(document(row("a", 1.0)))
    damage(found)
    with pytest.raises(ValueError, match=r"my\.json"):
        checked(found, "my.json")
    with pytest.raises(ValueError, match=r"my\.json"):
        checked([], "my.json")


def test_published_accuracies_are_torchvisions():
    from torchvision_oracle import import_torchvision
    torchvision = import_torchvision()
    assert TOP1.keys() <= WEIGHTS.keys()
    for name in TOP1.keys() - {f"efficientnet_lite{i}" for i in range(3)}:  # those are not in torchvision
        [theirs] = [w for w in torchvision.models.get_model_weights(name) if w.url.endswith(WEIGHTS[name].file)]
        assert theirs.meta["_metrics"]["ImageNet-1K"]["acc@1"] == TOP1[name]
