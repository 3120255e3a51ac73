"""What people read: tables that are wider than the terminal, and text that comes from elsewhere."""

import os
import subprocess
import sys

import pytest

from helicline.cli.show import print_error, say, styled, table
from helicline.errors import Invalid

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


FOREIGN = ("None of ['a'] are in the [columns]", "[/]", "[bold]x[/bold]", "[red", "C:\\", "list[int]", "{0} {name}")


@pytest.mark.parametrize("text", FOREIGN)
def test_text_that_looks_like_markup_is_shown_as_it_is(capsys, text):
    say("[bold]{}[/] {}", text, text)
    table(text, (text,), [(text,)])
    print_error(Invalid("field", text, "another"), place=text)
    captured = capsys.readouterr()
    assert captured.out.count(text) == 5
    assert captured.err.replace("\n", "").count(text) == 2


@pytest.mark.parametrize("control", ["\x1b]0;title\x07", "\x1b[2J", "\x9b31m", "\r", "\x08"])
def test_text_from_elsewhere_does_not_steer_the_terminal(capsys, control):
    say("{}", f"run {control} name")
    table(control, ("name",), [(control,)], empty=control)
    captured = capsys.readouterr().out
    assert not any(char in captured for char in control if ord(char) < 32 or ord(char) > 126)
    assert "run \\x" in captured or "run \\r" in captured


def test_a_value_is_formatted_as_the_template_says():
    assert styled("{:,} {:.1f} {}", 1234, 2.25, "[x]") == "1,234 2.2 \\[x]"


def test_a_terminal_without_utf_8_gets_no_traceback(tmp_path):
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HELICLINE_HOME": str(tmp_path / "home")}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii:strict"}
    for arguments in (["doctor"], ["config", "show"], ["--help"], ["doctor", "--json"]):
        command = [sys.executable, "-m", "helicline.cli.app", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert done.stdout
