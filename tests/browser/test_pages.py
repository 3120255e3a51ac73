"""Every page shows its data, is accessible in both schemes, and stays within the budgets."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from world import RUNS, World

import helicline
from conftest import Opened

ROOT = Path(__file__).parents[2]
WEB = Path(helicline.__file__).parent / "web"
AXE = ROOT / "ui/node_modules/axe-core/axe.min.js"

# the page, and a text that only its data can have put there
PAGES = {
    "/": "flowers~1",
    "/turns": "flowers~1",
    "/turns/flowers~1": "accuracy at least 0.8",
    "/runs": "long-run",
    "/runs/{run}": "loss",
    "/models": "@champion",
    "/models/flowers": "v1",
    "/models/flowers/1": "accuracy at least 0.8",
    "/models/flowers/2": "Waived by local (said to be Ada)",
    "/deployments": "flowers",
    "/deployments/flowers": "Recent predictions",
    "/monitors": "drift",
    "/alerts": "",
    "/data": "flowers",
    "/data/flowers": "the first flowers",
    "/pipelines": "flowers",
    "/pipeline-runs/{pipeline}": "split",
    "/why/{prediction}": "flowers/",
    "/audit": "Chain verified",
    "/nowhere": "There is no such page",
}


def address(path: str, world: World) -> str:
    if "{prediction}" in path:
        predictions = world.until(
            "a prediction", lambda: world.get("/deployments/flowers/predictions", limit=1)["items"]
        )
        return path.replace("{prediction}", predictions[0]["prediction_id"])
    pipeline = world.get("/pipeline-runs")["items"][0]["id"]
    return path.replace("{run}", world.long_run).replace("{pipeline}", pipeline)


def settled(page: Page, text: str) -> None:
    if text:
        expect(page.get_by_text(text).first).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0)


@pytest.mark.parametrize("path", PAGES)
def test_a_page_shows_its_data_and_axe_finds_nothing_serious_at_any_width_or_scheme(
    path: str, waived: World, ui: Opened
) -> None:
    page = ui.go(address(path, waived))
    settled(page, PAGES[path])
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_count(1)
    expect(page).to_have_title(re.compile(rf"^{re.escape(heading.inner_text())} · (.+ · )?Helicline$"))
    page.evaluate(AXE.read_text())
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 900})
        assert cut_off(page) == [], f"at {width} px"
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
            serious = broken_rules(page)
            assert serious == [], f"{scheme} at {width} px: {json.dumps(serious, indent=1)}"


CUT_OFF = """() => {
  const isScroller = (node) => /(auto|scroll)/.test(getComputedStyle(node).overflowX);
  const scrolls = (node) => node && (isScroller(node) || scrolls(node.parentElement));
  const width = document.documentElement.clientWidth;
  return [...document.querySelectorAll('main *, header *, nav *')]
    .filter((node) => node.checkVisibility() && getComputedStyle(node).position !== 'fixed')
    .filter((node) => !node.closest('.hidden, [aria-hidden=true]') && !scrolls(node.parentElement))
    .filter((node) => {
      const box = node.getBoundingClientRect();
      return box.width > 1 && (box.right > width + 1 || box.left < -1);
    })
    .map((node) => `${node.tagName} ${node.className.baseVal ?? node.className}: ${node.textContent.slice(0, 60)}`)
    .slice(0, 5);
}"""


def cut_off(page: Page) -> list[str]:
    """Return the first elements that stay over the edge of the window and that no scrolling brings into view."""
    for _ in range(50):  # drawings follow a new width some frames later
        elements: list[str] = page.evaluate(CUT_OFF)
        if not elements:
            break
        page.wait_for_timeout(100)
    return elements


def broken_rules(page: Page) -> list[dict[str, Any]]:
    """Return what axe calls serious or critical, with the first few places of each."""
    violations: list[dict[str, Any]] = page.evaluate(
        "async () => (await axe.run(document, {resultTypes: ['violations']})).violations"
    )
    return [
        {
            "rule": violation["id"],
            "nodes": [f"{node['html'][:160]}: {node['failureSummary'][:300]}" for node in violation["nodes"][:3]],
        }
        for violation in violations
        if violation["impact"] in ("serious", "critical")
    ]


def test_a_long_list_of_runs_stays_a_small_page(world: World, ui: Opened) -> None:
    page = ui.go("/runs")
    grid = page.get_by_role("grid", name="Runs")
    expect(grid).to_be_visible()
    body = grid.get_by_role("rowgroup")
    body.focus()
    for _ in range(12):
        page.keyboard.press("End")
        body.evaluate("node => node.scrollTo(0, node.scrollHeight)")
        if grid.get_attribute("aria-rowcount") != "-1":
            break
        page.wait_for_timeout(150)
    assert int(grid.get_attribute("aria-rowcount") or 0) > RUNS
    assert page.locator("*").count() <= 1500


def test_the_runs_table_is_filtered_and_sorted_by_the_server_and_its_address_says_so(world: World, ui: Opened) -> None:
    page = ui.go("/runs")
    page.get_by_label("Filter").fill("attributes.run_name = 'try-007'")
    page.keyboard.press("Enter")
    rows = page.get_by_role("grid", name="Runs").get_by_role("row")
    expect(rows).to_have_count(2)
    page.get_by_label("Filter").fill("params.seed = '1'")
    page.keyboard.press("Enter")
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    page.get_by_role("columnheader", name="loss").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="loss")).to_have_attribute("aria-sort", "ascending")
    expect(rows.nth(1)).to_contain_text("long-run")
    page.reload()
    expect(rows.nth(1)).to_contain_text("long-run")
    page.get_by_label("Varying only").check(force=True)
    expect(page.get_by_role("columnheader", name="seed")).to_have_count(0)


def test_a_wrong_filter_is_answered_with_the_servers_words(world: World, open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    opened.expected = "400"
    page = opened.go("/runs")
    page.get_by_label("Filter").fill("metrics.loss >>> 1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_metric_is_drawn_and_told_as_a_table(world: World, ui: Opened) -> None:
    page = ui.go(f"/runs/{world.long_run}")
    expect(page.get_by_role("img", name="loss: 300 points")).to_be_visible()
    page.get_by_label("Show as table").check(force=True)
    expect(page.get_by_role("table", name="loss").get_by_role("row")).to_have_count(301)


def test_the_heat_map_is_walked_with_arrows_and_told_as_a_table(waived: World, ui: Opened) -> None:
    page = ui.go("/monitors")
    heat = page.get_by_role("application", name="Heat map of drift")
    heat.focus()
    page.keyboard.press("ArrowDown")
    expect(page.get_by_text(re.compile(r"petal_length, \d\d:")).first).to_be_visible()
    page.get_by_label("Show as table").check(force=True)
    expect(page.get_by_role("region", name="The newest windows in numbers")).to_contain_text("petal_length")


def test_a_step_tells_why_it_ran_and_shows_its_log(served: World, ui: Opened) -> None:
    page = ui.go(address("/pipeline-runs/{pipeline}", served))
    page.get_by_role("button", name="Log #1").first.click()
    expect(page.get_by_role("log", name="Log")).to_be_visible()


@pytest.mark.parametrize("codings", ["gzip, br, zstd", "gzip"])
def test_the_first_page_weighs_at_most_200_kb_on_the_wire(codings: str, waived: World, ui: Opened) -> None:
    urls: dict[str, str] = {}
    weights: dict[str, int] = {}  # by address: what an event makes the page ask for again is no part of the first load
    ui.page.goto("about:blank")  # what the page of an earlier test still asks for is no part of the first load
    ui.page.set_extra_http_headers({"Accept-Encoding": codings})
    network = ui.page.context.new_cdp_session(ui.page)
    network.send("Network.enable")
    network.on("Network.requestWillBeSent", lambda event: urls.update({event["requestId"]: event["request"]["url"]}))
    network.on(
        "Network.loadingFinished", lambda event: weights.update({urls[event["requestId"]]: event["encodedDataLength"]})
    )
    page = ui.go("/")
    settled(page, PAGES["/"])
    page.wait_for_timeout(1000)
    heaviest = "\n".join(f"{size:>8} {url}" for url, size in sorted(weights.items(), key=lambda item: -item[1]))
    assert 100_000 < sum(weights.values()) <= 200_000, heaviest


def zipped(name: str) -> int:
    return len(gzip.compress((WEB / name).read_bytes(), 9))


def test_the_bundle_stays_within_its_budgets() -> None:
    manifest: dict[str, Any] = json.loads((WEB / ".vite/manifest.json").read_text())
    entry = next(asset for asset in manifest.values() if asset.get("isEntry"))
    scripts, styles = {entry["file"]}, set(entry.get("css", []))
    waiting = list(entry.get("imports", []))
    while waiting:
        part = manifest[waiting.pop()]
        if part["file"] not in scripts:
            scripts.add(part["file"])
            styles |= set(part.get("css", []))
            waiting += part.get("imports", [])
    assert sum(zipped(name) for name in scripts) <= 200_000
    assert sum(zipped(name) for name in styles) <= 40_000
    lazy = {asset["file"] for asset in manifest.values() if asset["file"].endswith(".js")} - scripts
    assert max(zipped(name) for name in lazy) <= 80_000
