"""Every page is within reach of the keyboard, and old links still lead somewhere."""

from __future__ import annotations

import re

from playwright.sync_api import expect
from world import World

from conftest import Opened


def test_the_palette_finds_a_model_by_name(served: World, ui: Opened) -> None:
    page = ui.go("/")
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name="Search").fill("flowers model")
    expect(page.get_by_role("option", selected=True)).to_contain_text("flowers")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/models/flowers$"))


def test_g_and_a_letter_goes_to_a_page_and_a_question_mark_shows_the_keys(world: World, ui: Opened) -> None:
    page = ui.go("/")
    page.keyboard.press("g")
    page.keyboard.press("t")
    expect(page.get_by_role("heading", level=1, name="Turns")).to_be_visible()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keyboard shortcuts")).to_contain_text("Next row")


def test_j_walks_the_rows_and_enter_opens_one(world: World, ui: Opened) -> None:
    page = ui.go("/turns")
    expect(page.get_by_role("table", name="Turns")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/turns/flowers~"))


def test_a_slash_goes_to_the_filter(world: World, ui: Opened) -> None:
    page = ui.go("/runs")
    page.keyboard.press("/")
    expect(page.get_by_label("Filter")).to_be_focused()


def test_links_of_the_mlflow_client_lead_to_our_pages(served: World, ui: Opened) -> None:
    run = served.long_run
    page = ui.go(f"/#/experiments/1/runs/{run}")
    expect(page).to_have_url(re.compile(f"/runs/{run}$"))
    expect(page.get_by_role("heading", level=1, name="long-run")).to_be_visible()
    other = ui.page.context.new_page()
    other.goto(f"{ui.url}/#/models/flowers/versions/1")
    expect(other.get_by_role("heading", level=1, name="flowers/1")).to_be_visible()
    other.goto(f"{ui.url}/#/models/flowers")
    expect(other).to_have_url(re.compile("/models/flowers$"))


def test_the_theme_switch_is_kept(world: World, ui: Opened) -> None:
    page = ui.go("/")
    page.get_by_role("button", name=re.compile("Colours follow the system")).click()
    page.get_by_role("button", name=re.compile("Light colours")).click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")


def test_an_unknown_page_says_so(world: World, ui: Opened) -> None:
    page = ui.go("/nothing/here")
    expect(page.get_by_role("heading", level=1)).to_have_text("There is no such page")
