"""The table of latencies: what is measured once is kept, for this machine and this number of threads."""
import json

import pytest

from tinycnn import models
from tinycnn.analysis.studies import netadapt_latency
from tinycnn.analysis.studies.netadapt_latency import LatencyTable, measure_part
from tinycnn.analysis.studies.netadapt_networks import structure

MODEL = models.mobilenetv1_025(num_classes=3)
PARTS = structure(MODEL, "").parts(MODEL, [8] * 14, (1, 3, 32, 32))


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """The keys of the parts that were measured; each takes as long as it has input channels."""
    keys = []

    def fake(part, threads):
        keys.append((part.key, threads))
        return float(part.channels[0])
    monkeypatch.setenv("TINYCNN_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(netadapt_latency, "measure_part", fake)
    return keys


def test_every_block_is_measured_once(measured):
    table = LatencyTable()
    assert [table(part) for part in PARTS] == [3.0] + [8.0] * 14
    assert len(measured) == len({part.key for part in PARTS}) < len(PARTS)
    table.save()
    again = LatencyTable()
    assert [again(part) for part in PARTS] == [3.0] + [8.0] * 14
    assert len(measured) == len({part.key for part in PARTS})
    assert (LatencyTable(2)(PARTS[0]), measured[-1]) == (3.0, (PARTS[0].key, 2))


def test_the_file_has_the_machine_and_others_rows(measured):
    other = {"another machine": {"a block": 1.5}}
    table = LatencyTable()
    table.path.parent.mkdir(parents=True)
    table.path.write_text(json.dumps(other))
    table(PARTS[1])
    table.save()
    found = json.loads(table.path.read_text())
    (own,) = found.keys() - other.keys()
    assert found == {**other, own: {PARTS[1].key: 8.0}}
    assert {"cpu", "isa", "tinycnn", "threads"} <= json.loads(own).keys()


@pytest.mark.parametrize("content", ["", "[1]", '{"a": 3}', '{"a": {"b": "c"}}'])
def test_a_damaged_file_is_measured_again(measured, content):
    path = LatencyTable().path
    path.parent.mkdir(parents=True)
    path.write_text(content)
    table = LatencyTable()
    assert table(PARTS[0]) == 3.0
    table.save()
    assert LatencyTable().kept == {PARTS[0].key: 3.0}


def test_where_nothing_can_be_kept(measured, tmp_path):
    (tmp_path / "home").write_text("a file in the way")
    table = LatencyTable()
    assert table(PARTS[0]) == 3.0
    table.save()


def test_blocks_and_networks_take_some_time(measured, monkeypatch):
    monkeypatch.setattr(netadapt_latency, "latency", lambda run: {"median_ms": run().shape[1]})
    assert all(measure_part(part, 1) > 0 for part in (PARTS[0], PARTS[3], PARTS[-1]))
    assert LatencyTable().network(MODEL, (1, 3, 32, 32)) == 3
    assert MODEL.training
