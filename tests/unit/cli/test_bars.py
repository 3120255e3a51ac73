"""The lines of a copy: each knows how much is expected of it, where that is known."""

from rich.progress import Progress

from helicline.cli.transfer.command import Bars


def test_a_line_stands_at_what_is_done_of_what_there_is():
    shown = Progress(disable=True)
    bars = Bars(shown)
    for count in (3, 2):
        bars.expect("runs", count)
    for kind in ("runs", "runs", "files"):
        bars.step(kind)
    assert [(line.description, line.completed, line.total) for line in shown.tasks] == [
        ("runs", 2, 5),
        ("files", 1, None),
    ]
