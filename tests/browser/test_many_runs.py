"""The runs table with a hundred thousand runs: any of them within reach, and never more than a screen of them asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from seed import seed
from world import World

from conftest import Opened
from helicline import tracking
from helicline.store.database import Store
from helicline.store.migrations import upgrade

MANY = 100_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose store was filled before it started."""
    running = World(tmp_path_factory.mktemp("many"))
    running.home.mkdir()
    store = Store(f"sqlite:///{running.home / 'meta.db'}")
    upgrade(store)
    experiment = store.write(lambda tx: tracking.create_experiment(tx, "many")).experiment_id
    seed(store, experiment, MANY)
    store.close()
    try:
        running.start()
        yield running
    finally:
        running.stop()


@pytest.fixture
def table(many: World, open_page: Callable[..., Opened]) -> Opened:
    opened = open_page(url=many.url)
    opened.go("/runs")
    return opened


def row(page: Page, name: str):
    return page.get_by_role("grid", name="Runs").get_by_role("row").filter(has_text=name)


def scroll(page: Page, share: float) -> None:
    page.get_by_role("rowgroup").evaluate("(node, share) => node.scrollTo(0, node.scrollHeight * share)", share)


def test_the_last_run_is_one_scroll_away_and_costs_a_screen(table: Opened) -> None:
    page, table_requests = table.page, []
    expect(page.get_by_role("grid", name="Runs")).to_have_attribute("aria-rowcount", str(MANY + 1))
    page.on("request", lambda request: table_requests.append(request.url) if "/runs/table" in request.url else None)
    scroll(page, 1)
    expect(row(page, "run-099999")).to_be_visible()
    scroll(page, 0.5)
    expect(row(page, "run-050000")).to_be_visible()
    assert page.locator("*").count() <= 1500
    assert len(table_requests) <= 8


def test_the_server_sorts_all_of_them_by_a_metric(table: Opened, many: World) -> None:
    page = table.page
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="loss")).to_have_attribute("aria-sort", "descending")
    best = many.get("/runs/table", order_by="metrics.loss DESC", limit=1)["items"][0]["name"]
    worst = many.get("/runs/table", order_by="metrics.loss ASC", limit=1)["items"][0]["name"]
    expect(row(page, best)).to_be_visible()
    scroll(page, 1)
    expect(row(page, worst)).to_be_visible()


def test_a_filter_and_groups_count_all_of_them(table: Opened) -> None:
    page = table.page
    page.get_by_role("combobox", name="Filter").fill("params.model = 'tree'")
    page.keyboard.press("Enter")
    expect(page.get_by_role("grid", name="Runs")).to_have_attribute("aria-rowcount", "33335")
    page.get_by_label("Group by").select_option("params.model")
    expect(page.get_by_role("table", name="Runs by params.model").get_by_role("row")).to_have_count(2)
    expect(page.get_by_role("table", name="Runs by params.model")).to_contain_text("33,334")
