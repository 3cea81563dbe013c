"""Pictures of studies."""
import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed: no plot can be drawn")
from tinycnn.analysis.studies import factorise, g4, measure, pictures


@pytest.mark.parametrize(("study", "eager"), [(g4, True), (factorise, False)])
def test_bars(study, eager, tmp_path):
    found = measure(study(quick=True), threads=1, eager=eager, seconds=0, fewest=1)
    pictures.ratio_bars(found, tmp_path / "new" / "bars.png")
    assert (tmp_path / "new" / "bars.png").read_bytes().startswith(b"\x89PNG\r\n")
