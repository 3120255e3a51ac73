"""The pages for readers: links and paths that lead somewhere, and the index of the decision notes."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOTES = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md")), ROOT / "bench" / "README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| (\d{4}) \| \[[^\]]+\]\(([^)]+)\) \| (\d{4}-\d\d-\d\d) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
STATUS = re.compile(r"accepted|amended|superseded by \d{4}")
CODE = re.compile(r"```.*?```", re.DOTALL)
PATH = re.compile(r"`((?:src|tests|docs|ui|bench)/[^`\s]*)`")


def name_of(page):
    return page.relative_to(ROOT).as_posix()


def links(page):
    """Return the relative links of a page, without their anchors."""
    targets = [target.partition("#")[0] for target in LINK.findall(CODE.sub("", page.read_text()))]
    return [target for target in targets if target and not re.match(r"[a-z]+:", target)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_relative_link_leads_to_a_file(page):
    assert [target for target in links(page) if not (page.parent / target).exists()] == []


def test_every_note_stands_in_the_index_with_a_date_and_a_status():
    rows = ROW.findall((DOCS / "decisions" / "README.md").read_text())
    assert [(number, file) for number, file, *_ in rows] == [(note.name[:4], note.name) for note in NOTES]
    assert [number for number, _, _, status, _ in rows if not STATUS.fullmatch(status)] == []


@pytest.mark.parametrize("note", NOTES, ids=name_of)
def test_a_note_fits_on_a_page(note):
    assert len(note.read_text().splitlines()) <= 40


@pytest.mark.parametrize("page", [ROOT / "CONTRIBUTING.md", DOCS / "words.md"], ids=name_of)
def test_every_path_of_the_repository_exists(page):
    assert [path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()] == []
