"""The pages of models: pointers that people move together, cards, lineage, differences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from test_pages import settled
from test_runs import accessible
from world import World

from conftest import Opened


@pytest.fixture(scope="module")
def model(world: World) -> str:
    """A model with two versions; `champion` names the first and is protected."""
    experiment = world.mlflow("experiments/create", {"name": "guarded"})["experiment_id"]
    world.mlflow("registered-models/create", {"name": "guarded"})
    for kind in ("double", "long"):
        run_id = world.log_run(experiment, f"train {kind}", points=3, params={"kind": kind})
        document = f'signature:\n  inputs: \'[{{"type": "{kind}", "name": "x", "required": true}}]\'\n'
        target = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/{run_id}/artifacts/model/MLmodel"
        world.http.put(target, content=document.encode()).raise_for_status()
        world.post("/models/guarded/versions", {"source": f"runs:/{run_id}/model"})
    world.post("/models/guarded/aliases/champion", {"number": 1})
    return "guarded"


def test_a_protected_alias_is_asked_for_and_moves_when_another_person_approves(
    model: str, world: World, ui: Opened
) -> None:
    page = ui.go(f"/models/{model}")
    aliases = page.get_by_role("region", name="Aliases")
    aliases.get_by_role("button", name="Change").click()
    aliases.get_by_role("button", name="must approve: protect it").click()
    expect(aliases).to_contain_text("protected, 1 person of role approver must approve")
    form = aliases.get_by_role("form", name="Ask to move champion")
    form.get_by_label("Version").select_option("2")
    form.get_by_label("Your name").fill("Ann")
    form.get_by_label("Why").fill("it takes whole numbers")
    form.get_by_role("button", name="Ask for approval").click()
    requests = page.get_by_role("region", name="Requests to promote")
    expect(requests).to_contain_text("by local (said to be Ann): “it takes whole numbers”")
    settled(page, "")
    accessible(page)
    bob = world.post("/tokens", {"name": "Bob", "role": "approver"})["secret"]
    page.get_by_role("button", name="Account: local").click()
    page.get_by_role("button", name="Sign in with a token").click()
    page.get_by_label("Token", exact=True).fill(bob)
    page.get_by_role("button", name="Sign in").click()
    requests.get_by_role("button", name="Approve").click()
    expect(aliases.get_by_role("link", name="version 2")).to_be_visible()
    expect(requests).to_contain_text("Bob")


def test_who_asked_is_told_that_another_must_approve(
    model: str, world: World, open_page: Callable[..., Opened]
) -> None:
    opened = open_page()
    opened.expected = "403"
    world.post("/models/guarded/aliases/careful", {"number": 1})
    world.post("/models/guarded/aliases/careful/protect", {})
    request = world.post("/promotion-requests", {"model": model, "number": 2, "alias": "careful", "person": "Ann"})
    page = opened.go(f"/models/{model}")
    requests = page.get_by_role("region", name="Requests to promote")
    requests.get_by_label("Your name").first.fill("Ann")
    requests.get_by_role("button", name="Approve").first.click()
    expect(page.get_by_text("Somebody else must approve it (four eyes).")).to_be_visible()
    world.post(f"/promotion-requests/{request['id']}/reject", {"person": "Bob"})
    expect(requests.get_by_text("Rejected").first).to_be_visible()


def test_a_card_is_filled_in_and_shows_what_was_recorded(model: str, ui: Opened) -> None:
    page = ui.go(f"/models/{model}/1")
    card = page.get_by_role("region", name="Model card")
    expect(card).to_contain_text("5 of 5 to fill in")
    card.get_by_role("button", name="Fill in: What it is for, and who should use it").click()
    card.get_by_role("textbox", name="What it is for, and who should use it").fill("To tell **flowers** apart")
    card.get_by_role("button", name="Keep").click()
    expect(card.locator("strong")).to_have_text("flowers")
    expect(card).to_contain_text("4 of 5 to fill in")
    card.get_by_text("Training", exact=True).click()
    expect(card).to_contain_text("train double")
    accessible(page)


def test_lineage_leads_back_and_forth(waived: World, ui: Opened) -> None:
    page = ui.go("/models/flowers/1")
    lineage = page.get_by_role("region", name="Lineage")
    expect(lineage.get_by_role("link", name="flowers", exact=True)).to_be_visible()
    lineage.get_by_role("listitem").filter(has_text="Data").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("flowers")


def test_two_versions_are_compared_by_signature_metrics_and_files(model: str, ui: Opened) -> None:
    page = ui.go(f"/models/{model}/2")
    page.get_by_role("link", name="Compare with the one before").click()
    expect(page.get_by_role("table", name="Signature")).to_contain_text("Breaks them")
    page.get_by_role("button", name="MLmodel").click()
    expect(page.get_by_role("region", name="How MLmodel differs")).to_contain_text('"long"')
    settled(page, "")
    accessible(page)


def test_a_version_whose_files_changed_says_so(model: str, world: World, ui: Opened) -> None:
    """Files of a version are frozen, but for one that was registered before its files came."""
    run = world.mlflow("runs/create", {"experiment_id": "0"})["run"]["info"]
    body = {"name": f"{model}-late", "source": f"{run['artifact_uri']}/late", "run_id": run["run_id"]}
    world.mlflow("registered-models/create", {"name": body["name"]})
    world.mlflow("model-versions/create", body)
    root = world.get(f"/models/{body['name']}/versions/1")["version"]["artifact_root"]
    world.http.put(f"/api/2.0/mlflow-artifacts/artifacts/{root}/extra.txt", content=b"more").raise_for_status()
    page = ui.go(f"/models/{body['name']}/1")
    expect(page.get_by_role("alert")).to_contain_text("changed since it was registered")


def test_a_version_that_a_stock_client_archived_says_so(model: str, world: World, ui: Opened) -> None:
    body = {"name": model, "version": "2", "stage": "Archived", "archive_existing_versions": False}
    world.mlflow("model-versions/transition-stage", body)
    page = ui.go(f"/models/{model}")
    expect(page.get_by_role("table", name="Versions").get_by_role("row").nth(1)).to_contain_text("Archived")
    page = ui.go(f"/models/{model}/2")
    expect(page.get_by_role("region", name="About")).to_contain_text("Archived")
    world.mlflow("model-versions/transition-stage", body | {"stage": "None"})
