"""Tables for people: what they do with rows that are wider than the terminal."""

from helicline.cli.show import table

COLUMNS = ("run", "name", "status", "metrics", "began")
ROW = ("0af3c1d2e4b5", "a deep forest with many trees " * 3, "FINISHED", "accuracy=0.91 " * 12, "3 min ago")


def printed(capsys, monkeypatch, rows):
    monkeypatch.setenv("COLUMNS", "80")
    table("", COLUMNS, rows, shortened=("name", "metrics"))
    return capsys.readouterr().out.splitlines()


def test_a_row_with_shortened_columns_takes_one_line_of_80(capsys, monkeypatch):
    lines = printed(capsys, monkeypatch, [ROW, ("71bc" * 3, "short", "RUNNING", "", "now")])
    assert len(lines) == 3
    assert max(len(line.rstrip()) for line in lines) <= 80


def test_what_is_not_shortened_is_whole(capsys, monkeypatch):
    line = printed(capsys, monkeypatch, [ROW])[1]
    assert line.startswith("0af3c1d2e4b5")
    assert "FINISHED" in line
    assert line.rstrip().endswith("3 min ago")
