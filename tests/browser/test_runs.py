"""The pages of runs: what people do in the table, on a run and while comparing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect
from test_pages import AXE, broken_rules, settled
from world import World

from conftest import Opened

FILES = {
    "table.csv": b"name,share\ntrees,0.5\nbees,0.25\n",
    "notes/why.md": b"# Because\n\nof **reasons**\n",
    "page.html": b"<script>document.title = 'taken over'</script>",
    "shape.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title = 'taken over'</script></svg>",
    "code/train.py": b"lr = 0.5\n",
}


@pytest.fixture(scope="module")
def pair(world: World) -> tuple[str, str]:
    """Two runs of an experiment of their own that differ in a parameter, their lines and a file."""
    experiment = world.mlflow("experiments/create", {"name": "pair"})["experiment_id"]
    ids = [world.log_run(experiment, f"pair-{at}", points=900, params={"lr": str(at), "seed": "2"}) for at in (1, 2)]
    for at, run_id in enumerate(ids):
        for path, content in FILES.items():
            changed = content.replace(b"0.5", b"0.7") if at and path.endswith(".py") else content
            target = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/{path}"
            world.http.put(target, content=changed).raise_for_status()
    return ids[0], ids[1]


def rows(page: Page):
    return page.get_by_role("grid", name="Runs").get_by_role("row")


def accessible(page: Page) -> None:
    page.evaluate(AXE.read_text())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
        serious = broken_rules(page)
        assert serious == [], f"{scheme}: {json.dumps(serious, indent=1)}"


def test_the_filter_completes_keys_comparisons_and_values(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go("/runs")
    box = page.get_by_role("combobox", name="Filter")
    box.press_sequentially("params.l")
    completions = page.get_by_role("listbox", name="Completions")
    completions.get_by_role("option", name="params.lr").click()
    expect(box).to_have_value("params.lr ")
    box.press_sequentially("= ")
    expect(completions.get_by_role("option", name="'0.07'")).to_be_visible()
    box.press_sequentially("'0.07")
    expect(completions.get_by_role("option")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box).to_have_value("params.lr = '0.07' ")
    page.keyboard.press("Escape")
    page.keyboard.press("Enter")
    expect(rows(page)).to_have_count(2)
    expect(page).to_have_url(re.compile("filter="))


def test_columns_are_found_pinned_and_remembered(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go("/runs")
    page.get_by_role("button", name="Columns").click()
    page.get_by_label("Search columns").fill("seed")
    page.get_by_role("button", name="Pin params.seed").click()
    page.keyboard.press("Escape")
    heads = page.get_by_role("columnheader")
    expect(heads.nth(2)).to_have_text("seed")
    ui.go("/models")
    ui.go("/runs")
    expect(heads.nth(2)).to_have_text("seed")
    expect(page).to_have_url(re.compile("pinned="))


def test_runs_are_gathered_by_a_parameter_and_a_group_opens_as_a_filter(world: World, ui: Opened) -> None:
    page = ui.go("/runs")
    page.get_by_label("Group by").select_option("params.lr")
    table = page.get_by_role("table", name="Runs by params.lr")
    table.get_by_role("button", name="0.07", exact=True).click()
    expect(page.get_by_role("combobox", name="Filter")).to_have_value("params.lr = '0.07'")
    expect(rows(page)).to_have_count(2)


def test_a_view_is_saved_by_name_and_opened_again(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go("/runs?filter=params.seed+%3D+'1'&varying=true")
    page.get_by_role("button", name="Views").click()
    page.get_by_label("Name of the view").fill("mine")
    page.get_by_role("button", name="Save").click()
    ui.go("/runs")
    page.get_by_role("button", name="Views").click()
    page.get_by_role("button", name="mine", exact=True).click()
    expect(page.get_by_role("combobox", name="Filter")).to_have_value("params.seed = '1'")
    expect(page.get_by_label("Varying only")).to_be_checked()


def test_runs_are_archived_together_and_the_message_undoes_it(world: World, ui: Opened) -> None:
    page = ui.go("/runs?filter=attributes.run_name+LIKE+'try-41%25'")
    expect(rows(page)).to_have_count(11)
    page.get_by_label("Select try-410").check()
    page.get_by_label("Select try-413").click(modifiers=["Shift"])
    bar = page.get_by_role("toolbar", name="Selected runs")
    expect(bar).to_contain_text("4 runs selected")
    bar.get_by_role("button", name="Archive").click()
    expect(rows(page)).to_have_count(7)
    page.get_by_text("Archived", exact=True).click()
    expect(rows(page)).to_have_count(5)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("No run matches the filter")).to_be_visible()


def test_the_keyboard_walks_selects_and_compares(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go("/runs?filter=attributes.run_name+LIKE+'pair-%25'")
    expect(rows(page)).to_have_count(3)
    expect(page.get_by_role("columnheader", name="lr")).to_be_visible()
    for key in "jxjx":
        page.keyboard.press(key)
    expect(page.get_by_role("toolbar", name="Selected runs")).to_contain_text("2 runs selected")
    page.keyboard.press("c")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare")
    table = page.get_by_role("table", name="What differs")
    expect(table.get_by_role("row", name=re.compile("^lr"))).to_be_visible()
    expect(table.get_by_role("row", name=re.compile("^seed"))).to_have_count(0)
    page.get_by_label("Show what is the same").check(force=True)
    expect(table.get_by_role("row", name=re.compile("^seed"))).to_be_visible()


def test_the_comparison_overlays_lines_and_tells_files_apart(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go(f"/runs/compare?ids={','.join(pair)}")
    expect(page.get_by_role("img", name=re.compile("loss: [0-9]+ points of 2 runs"))).to_be_visible()
    page.get_by_role("button", name="code/train.py").click()
    diff = page.get_by_role("region", name="How code/train.py differs")
    expect(diff).to_contain_text("-lr = 0.5")
    expect(diff).to_contain_text("+lr = 0.7")
    settled(page, "")
    accessible(page)
    page.get_by_role("button", name="Leave pair-2 out").click()
    expect(page.get_by_role("table", name="What differs").get_by_role("columnheader")).to_have_count(2)


def test_charts_smooth_change_their_axis_and_say_so_in_the_address(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go(f"/runs/{pair[0]}")
    # 900 points come as 400 buckets
    expect(page.get_by_role("img", name="loss: 400 points")).to_be_visible()
    page.get_by_text("Since its start").click()
    page.get_by_label("Log y").check(force=True)
    expect(page).to_have_url(re.compile("axis=relative.*log=true"))
    page.reload()
    expect(page.get_by_label("Log y")).to_be_checked()
    chart = page.get_by_role("img", name=re.compile("^loss:"))
    box = chart.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 150, box["y"] + 80)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 80, steps=4)
    page.mouse.up()
    expect(page).to_have_url(re.compile("from=.*to="))
    page.get_by_role("button", name="Whole span").click()
    expect(page).not_to_have_url(re.compile("from="))


def test_files_are_shown_as_data_and_never_run(pair: tuple[str, str], ui: Opened) -> None:
    page = ui.go(f"/runs/{pair[0]}")
    page.get_by_role("button", name="table.csv").click()
    expect(page.get_by_role("table", name="table.csv").get_by_role("row")).to_have_count(3)
    page.get_by_role("button", name="notes").click()
    page.get_by_role("button", name="why.md").click()
    expect(page.get_by_role("heading", name="Because")).to_be_visible()
    page.get_by_role("button", name="page.html").click()
    expect(page.get_by_role("region", name="Content")).to_contain_text("<script>")
    page.get_by_role("button", name="shape.svg").click()
    expect(page.get_by_role("img", name="shape.svg")).to_be_visible()
    assert page.title() != "taken over"
    accessible(page)


def test_an_uploaded_drawing_opened_by_itself_runs_nothing(
    pair: tuple[str, str], world: World, open_page: Callable[..., Opened]
) -> None:
    opened = open_page()
    opened.expected = "script"  # the browser says that it refused to run one
    opened.page.goto(f"{world.url}/api/v1/runs/{pair[0]}/artifacts/image?path=shape.svg")
    assert opened.page.title() != "taken over"


def test_a_note_and_tags_are_written_and_kept(pair: tuple[str, str], world: World, ui: Opened) -> None:
    page = ui.go(f"/runs/{pair[1]}")
    page.get_by_role("button", name="Write a note").click()
    page.get_by_label("Note", exact=True).last.fill("Tried a **larger** step")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("region", name="Note").locator("strong")).to_have_text("larger")
    page.get_by_label("Tag", exact=True).fill("team")
    page.get_by_label("Value", exact=True).fill("bees")
    page.get_by_role("button", name="Set", exact=True).click()
    expect(page.get_by_role("region", name="Tags")).to_contain_text("bees")
    assert world.get(f"/runs/{pair[1]}")["tags"]["team"] == "bees"
    page.get_by_role("button", name="Remove the tag team").click()
    expect(page.get_by_role("region", name="Tags")).not_to_contain_text("bees")


def test_the_latest_run_is_followed_when_a_newer_one_begins(world: World, ui: Opened) -> None:
    experiment = world.mlflow("experiments/create", {"name": "followed"})["experiment_id"]
    world.log_run(experiment, "the first", points=3, params={})
    page = ui.go(f"/runs/latest?experiment=%22{experiment}%22")
    expect(page.get_by_role("heading", level=1)).to_have_text("the first")
    world.log_run(experiment, "the second", points=3, params={})
    expect(page.get_by_role("heading", level=1)).to_have_text("the second")
