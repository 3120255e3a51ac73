"""The page of a dataset: uploads in the browser, columns now and before, pictures, and versions that failed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect
from test_pages import AXE, broken_rules, cut_off
from world import World

from conftest import Opened

GOOD = "id,plan,amount\n" + "".join(f"{at},{'basic' if at % 3 else 'pro'},{at % 7}\n" for at in range(90))
BROKEN = "id,plan,amount\n" + "".join(f"{at},basic,-1\n" for at in range(80))
DRAWING = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'run'</script></svg>"


def choose(page: Page, name: str, content: bytes) -> None:
    page.get_by_label("Drop files here").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )


def test_a_file_is_uploaded_as_a_dataset_and_its_columns_are_shown_now_and_before(world: World, ui: Opened) -> None:
    page = ui.go("/data")
    page.get_by_role("button", name="Upload a dataset").click()
    dialog = page.get_by_role("dialog", name="A new dataset")
    dialog.get_by_label("Name").fill("shop")
    choose(page, "june.csv", GOOD.encode())
    page.evaluate(AXE.read_text())
    assert broken_rules(page) == []
    dialog.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", level=1, name="shop")).to_be_visible()
    expect(page.get_by_role("table", name="First rows").get_by_role("row")).to_have_count(21)
    expect(page.get_by_role("region", name="Columns")).to_contain_text("pro")
    page.get_by_role("button", name="Upload a version").click()
    dialog = page.get_by_role("dialog", name="A new version of shop")
    dialog.get_by_label("Add to the files").check()
    choose(page, "july.csv", GOOD.replace("basic", "plus").encode())
    dialog.get_by_role("button", name="Upload").click()
    expect(page.get_by_text("20 rows of 180")).to_be_visible()
    expect(page.get_by_role("region", name="Columns")).to_contain_text("version 1 version 2")


@pytest.fixture
def orders(world: World) -> Iterator[str]:
    """A dataset with a contract; no version of it waits for a person when the test is over."""
    world.hl("data", "commit", "orders", write(world, "orders.csv", GOOD))
    contract = {"dataset": "orders", "columns": [{"name": "amount", "low": 0}]}
    world.http.put("/api/v1/datasets/orders/contract", json=contract).raise_for_status()
    yield "orders"
    newest = world.get("/datasets/orders/versions")["items"][0]["id"]
    world.hl("data", "publish", f"orders@{newest}", "--because", "the test is over", "--by", "Ann")


def test_a_version_that_breaks_the_contract_is_quarantined_with_the_rows_that_fail(orders: str, ui: Opened) -> None:
    page = ui.go(f"/data/{orders}")
    expect(page.get_by_role("table", name="Contract")).to_contain_text("at least 0")
    page.get_by_role("button", name="Upload a version").click()
    choose(page, "orders.csv", BROKEN.encode())
    page.get_by_role("dialog").get_by_role("button", name="Upload").click()
    rows = page.get_by_role("table", name="Rows that fail range amount")
    expect(rows.get_by_role("row")).to_have_count(6)
    expect(page.get_by_role("region", name="Versions").get_by_text("Quarantined")).to_be_visible()
    page.evaluate(AXE.read_text())
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert cut_off(page) == [], f"at {width} px"
        assert broken_rules(page) == []
    page = ui.go("/")  # the need leads to the version, whose address has a question mark
    page.get_by_role("region", name="Needs you").get_by_role("link", name="See the checks and the rows").click()
    expect(page.get_by_role("table", name="Rows that fail range amount")).to_be_visible()


def test_what_cannot_be_uploaded_is_said_by_its_name(world: World, ui: Opened) -> None:
    ui.expected = "400"
    page = ui.go("/data")
    page.get_by_role("button", name="Upload a dataset").click()
    dialog = page.get_by_role("dialog", name="A new dataset")
    choose(page, "empty.csv", b"")
    expect(dialog.get_by_role("alert")).to_contain_text("empty.csv is empty")
    dialog.get_by_role("button", name="Leave out empty.csv").click()
    dialog.get_by_label("Name").fill("no such/name")
    choose(page, "a.csv", b"id,id\n1,2\n")
    expect(dialog.get_by_role("alert")).to_contain_text("no such/name is no name")
    dialog.get_by_label("Name").fill("flowers")
    expect(dialog.get_by_role("alert")).to_contain_text("There is a dataset flowers already")
    dialog.get_by_label("Name").fill("doubled")
    dialog.get_by_role("button", name="Upload").click()
    expect(dialog.get_by_role("alert")).to_contain_text("2 columns named 'id'")


def test_pictures_are_shown_and_no_script_in_them_runs(world: World, ui: Opened) -> None:
    world.hl("data", "commit", "drawings", write(world, "drawing.svg", DRAWING.decode()))
    page = ui.go("/data/drawings")
    page.get_by_role("link", name="Open drawing.svg").wait_for()
    address = page.get_by_role("link", name="Open drawing.svg").get_attribute("href")
    ui.expected = "sandboxed"  # the browser says that it did not run the script
    page.goto(f"{ui.url}{address}")
    assert page.title() != "run"


def write(world: World, name: str, content: str) -> str:
    path = world.folder / name
    path.write_text(content)
    return str(path)
