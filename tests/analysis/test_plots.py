"""Plots are written whole, as pictures; without matplotlib the extra is named."""
import pytest
from toys import Block

from tinycnn.analysis import Peaks, profile

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no plot can be drawn")
from tinycnn.analysis import plots

PNG = b"\x89PNG\r\n"


@pytest.fixture(scope="module")
def found():
    return profile(Block(), (1, 3, 64, 64), threads=1, rounds=1, peak=Peaks(1, 1e11, 1e10))


def test_pictures_of_a_profile(found, tmp_path):
    plots.roofline(found, tmp_path / "new" / "roofline.png", "title")
    plots.time_by_kind({"one": found, "two": found}, tmp_path / "kinds.png")
    for path in (tmp_path / "new" / "roofline.png", tmp_path / "kinds.png"):
        assert path.read_bytes().startswith(PNG)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["kinds.png", "new"]


def test_a_picture_of_networks(tmp_path):
    points = [plots.Point("a", 1.0, 10.0), plots.Point("b", 100.0, 20.0)]
    plots.scatter(points, tmp_path / "s.png", ("x", "y"), "title", front=True)
    plots.scatter(points[:1], tmp_path / "one.png", ("x", "y"), "title")
    assert (tmp_path / "s.png").read_bytes().startswith(PNG)


def test_names_of_networks_near_each_other_stand_apart(monkeypatch, tmp_path):
    figures = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, path: figures.append(figure))
    near = [plots.Point("mobilenet_v2", 301, 12.3), plots.Point("mnasnet_a1", 312, 12.5),
            plots.Point("mnasnet1_0", 314, 11.9), plots.Point("efficientnet_lite0", 385, 12.6)]
    plots.scatter([plots.Point("far", 40, 1.7), *near], tmp_path / "s.png", ("x", "y"), "title")
    boxes = [text.get_window_extent() for text in figures[0].axes[0].texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_the_front():
    points = [plots.Point(*p) for p in (("a", 2, 5), ("b", 1, 5), ("c", 3, 4), ("d", 3, 9), ("e", 3, 8))]
    assert [p.name for p in plots.pareto_front(points)] == ["b", "d"]


def test_a_file_that_cannot_be_written(found, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        plots.roofline(found, tmp_path / "file" / "roofline.png")


def test_the_extra_is_named(monkeypatch):
    import sys
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"tinycnn\[plot\]"):
        plots.new_figure(1, 1)
