"""What a page says when something is missing, long, offline or new, and how it fits a phone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect
from world import World

from conftest import Opened

TRACE = "step train failed: Traceback (most recent call last):\n" + '  File "train.py", line 7\n' * 60 + "KeyError: 'x'"
MISSING = {
    "/turns/flowers~99": ("turn flowers~99", "Turns"),
    f"/runs/{'0' * 32}": (f"run {'0' * 32}", "Runs"),
    "/models/nobody": ("model nobody", "Models"),
    "/models/flowers/99": ("version flowers/99", "flowers"),
    "/models/nobody/diff": ("model nobody", "Models"),
    "/deployments/nobody": ("deployment nobody", "Deployments"),
    "/alerts/nobody!9": ("alert nobody!9", "Alerts"),
    "/data/nobody": ("dataset nobody", "Data"),
    f"/pipeline-runs/{'0' * 32}": (f"pipeline run {'0' * 32}", "Pipelines"),
    "/why/0193a1c2-7b5e-7c3a-9f00-0123456789ab": ("prediction 0193a1c2-7b5e-7c3a-9f00-0123456789ab", "Why"),
}


@pytest.mark.parametrize("path", MISSING)
def test_a_missing_object_is_reported_once_with_the_way_back(
    path: str, served: World, open_page: Callable[..., Opened]
) -> None:
    opened = open_page()
    opened.expected = "404"
    page = opened.go(path)
    subject, above = MISSING[path]
    expect(page.get_by_role("heading", level=1)).to_have_text(f"There is no {subject}")
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("link", name=f"Back to {above}")).to_be_visible()


def test_a_click_without_a_server_stays_in_the_application_and_the_page_comes_when_it_is_back(
    world: World, open_page: Callable[..., Opened]
) -> None:
    opened = open_page()
    opened.expected = "ERR_"
    page = opened.go("/turns")
    page.route("**/*", lambda route: route.abort("connectionrefused"))
    page.get_by_role("navigation", name="Main").get_by_role("link", name=re.compile("^Audit")).click()
    expect(page.get_by_role("status", name="Connection")).to_contain_text("The server does not answer")
    expect(page.get_by_role("navigation", name="Main")).to_be_visible()
    page.unroute("**/*")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit")
    expect(page.get_by_role("status", name="Connection")).to_be_empty()
    assert page.url.endswith("/audit")


def test_an_interrupted_stream_is_reported_in_the_page(world: World, open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    opened.expected = "ERR_"
    opened.page.route("**/api/v1/stream", lambda route: route.abort())
    page = opened.go("/turns")
    expect(page.get_by_role("status", name="Connection")).to_contain_text("reconnecting")
    page.unroute("**/api/v1/stream")
    expect(page.get_by_role("status", name="Connection")).to_be_empty()


def with_result(page: Page, text: str) -> None:
    """Let every turn of the list have this result."""

    def answer(route: Route) -> None:
        body = route.fetch().json()
        for turn in body["items"]:
            turn["result"] = text
        route.fulfill(body=json.dumps(body), content_type="application/json")

    page.route("**/api/v1/turns?**", answer)


def test_a_long_failure_is_one_line_with_the_rest_on_request(world: World, ui: Opened) -> None:
    with_result(ui.page, TRACE)
    page = ui.go("/")
    row = page.get_by_role("table", name="Turns").get_by_role("row").nth(1)
    expect(row).to_contain_text("step train failed: KeyError: 'x'")
    assert (row.bounding_box() or {})["height"] < 90
    row.get_by_role("button", name="more").click()
    expect(row.get_by_role("region", name="The whole text")).to_contain_text("line 7")


def test_the_inbox_comes_first_on_a_phone_and_beside_the_circle_on_a_screen(world: World, ui: Opened) -> None:
    page = ui.go("/")
    inbox, circle = page.get_by_role("region", name="Needs you"), page.get_by_role("region", name="Stations")
    wide = inbox.bounding_box(), circle.bounding_box()
    page.set_viewport_size({"width": 390, "height": 844})
    narrow = inbox.bounding_box(), circle.bounding_box()
    assert all([*wide, *narrow])
    assert wide[0]["x"] > wide[1]["x"]  # type: ignore[index]
    assert narrow[0]["y"] < narrow[1]["y"]  # type: ignore[index]


def test_the_links_keep_their_height_above_a_short_page_on_a_tall_phone(world: World, ui: Opened) -> None:
    page = ui.go("/turns")
    page.set_viewport_size({"width": 390, "height": 2400})
    rail = page.get_by_role("navigation", name="Main").bounding_box()
    assert (rail or {})["height"] < 160


def test_a_selection_moves_no_row(world: World, ui: Opened) -> None:
    page = ui.go("/runs")
    grid = page.get_by_role("grid", name="Runs")
    expect(grid.get_by_role("row").nth(1)).to_be_visible()
    before = grid.bounding_box()
    grid.get_by_role("row").nth(1).get_by_role("checkbox").check(force=True)
    expect(page.get_by_role("toolbar", name="Selected runs")).to_be_visible()
    assert grid.bounding_box() == before


def test_a_rollout_that_succeeded_at_once_has_skipped_steps(served: World, ui: Opened) -> None:
    page = ui.go("/turns/flowers~1")
    panel = page.get_by_role("region", name="Rollout")
    expect(panel).to_be_visible()
    expect(panel.get_by_text("Not reached")).to_have_count(0)
