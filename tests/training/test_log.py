"""CSVLog: rows that stay, headers that must fit."""
import pytest

from tinycnn.training import CSVLog, read_log


def test_rows_are_there_at_once_and_appended_to(tmp_path):
    path = tmp_path / "new" / "log.csv"
    log = CSVLog(path)
    log.write({"epoch": 1, "loss": 0.25})
    assert path.read_text() == "epoch,loss\n1,0.25\n"
    CSVLog(path).write({"epoch": 2, "loss": 0.1 + 0.2})
    assert read_log(path) == [{"epoch": 1, "loss": 0.25}, {"epoch": 2, "loss": 0.1 + 0.2}]


def test_columns_must_fit(tmp_path):
    log = CSVLog(tmp_path / "log.csv")
    log.write({"epoch": 1, "loss": 0.25})
    before = log.path.read_bytes()
    for row in ({"epoch": 2, "error": 1}, {"loss": 1, "epoch": 2}, {"epoch": 2}):
        with pytest.raises(ValueError, match=r"log\.csv: its columns are \['epoch', 'loss'\]"):
            log.write(row)
    with pytest.raises(ValueError, match="needs a column epoch"):
        log.write({"loss": 1})
    assert log.path.read_bytes() == before


def test_keep(tmp_path):
    log = CSVLog(tmp_path / "log.csv")
    log.keep(3)
    assert not log.exists()
    for epoch in range(1, 6):
        log.write({"loss": 0.5, "epoch": epoch})
    log.keep(3)
    assert [row["epoch"] for row in read_log(log.path)] == [1, 2, 3]
    log.keep(0)
    assert log.path.read_text() == "loss,epoch\n"
    assert list(tmp_path.iterdir()) == [log.path]


def test_keep_leaves_another_file_alone(tmp_path):
    path = tmp_path / "prices.csv"
    path.write_text("fruit,price\napple,1\n")
    with pytest.raises(ValueError, match=r"prices\.csv: not a log of epochs"):
        CSVLog(path).keep(0)
    assert path.read_text() == "fruit,price\napple,1\n"


@pytest.mark.parametrize(("torn", "rows"), [("epo", []), ("epoch,loss\n", []), ("epoch,loss\n1,0.", []),
                                            ("epoch,loss\n1,0.5\n2", [1])])
def test_a_line_cut_short_by_a_kill_is_dropped(tmp_path, torn, rows):
    path = tmp_path / "log.csv"
    path.write_text(torn)
    CSVLog(path).write({"epoch": 7, "loss": 0.5})
    assert [row["epoch"] for row in read_log(path)] == [*rows, 7]


def test_text_stays_text(tmp_path):
    log = CSVLog(tmp_path / "log.csv")
    log.write({"epoch": 1, "note": 'a "quoted", thing'})
    assert read_log(log.path) == [{"epoch": 1, "note": 'a "quoted", thing'}]
