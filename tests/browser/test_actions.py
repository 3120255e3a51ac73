"""What people do with the mouse and the keyboard comes about on the server."""

from __future__ import annotations

from playwright.sync_api import expect
from world import World

from conftest import PERSON, Opened


def test_an_approval_in_the_inbox_promotes_the_first_version(served: World, ui: Opened) -> None:
    page = ui.go("/models/flowers/1")
    expect(page.get_by_text("@champion").first).to_be_visible()
    expect(page.get_by_role("region", name="Approval")).to_contain_text(PERSON)


def test_a_stopped_version_is_waived_with_a_reason_and_approved(waived: World, ui: Opened) -> None:
    verdicts = waived.get("/gates/flowers/2")["verdicts"]
    waivers = [verdict["waived_by"] for verdict in verdicts if verdict["outcome"] == "waived"]
    assert waivers == [f"local (said to be {PERSON})"]
    page = ui.go("/turns/flowers~2")
    expect(page.get_by_text("Rolling out").first).to_be_visible()


def test_a_rollout_is_held_resumed_and_advanced(waived: World, ui: Opened) -> None:
    page = ui.go("/deployments/flowers")
    expect(page.get_by_role("img", name="Traffic: version 1 (stable) 90 %, version 2 (candidate) 10 %")).to_be_visible()
    page.get_by_role("button", name="Hold", exact=True).click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Advance").click()
    expect(page.get_by_role("img", name="Traffic: version 1 (stable) 50 %, version 2 (candidate) 50 %")).to_be_visible()


def test_promote_then_r_rolls_back_after_asking(waived: World, ui: Opened) -> None:
    page = ui.go("/deployments/flowers")
    page.get_by_role("button", name="Promote").click()
    expect(page.get_by_role("img", name="Traffic: version 2 (stable) 100 %")).to_be_visible()
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Roll back flowers?")
    dialog.get_by_label("Reason").fill("the first one was better")
    dialog.get_by_role("button", name="Roll back now").click()
    expect(page.get_by_role("img", name="Traffic: version 1 (stable) 100 %")).to_be_visible()
    assert waived.get("/deployments/flowers")["deployment"]["stable"] == 1


def test_holding_the_button_rolls_back_at_once(waived: World, ui: Opened) -> None:
    page = ui.go("/deployments/flowers")
    before = waived.get("/deployments/flowers")["deployment"]
    button = page.get_by_role("button", name="Roll back")
    expect(button).to_be_enabled()
    button.hover()
    page.mouse.down()
    expect(page.get_by_text("flowers is rolled back")).to_be_visible()
    page.mouse.up()
    after = waived.get("/deployments/flowers")["deployment"]
    assert (after["stable"], after["previous"]) == (before["previous"], before["stable"])


def test_a_change_elsewhere_appears_without_a_reload(served: World, ui: Opened) -> None:
    page = ui.go("/data/flowers")
    expect(page.get_by_text("one flower less")).to_have_count(0)
    from world import flowers

    served.commit(flowers().iloc[1:], "second", "one flower less")
    expect(page.get_by_text("one flower less")).to_be_visible()


def test_drifted_traffic_raises_alerts_that_can_be_resolved_and_accepted_as_normal(served: World, ui: Opened) -> None:
    def firing() -> list[dict[str, object]]:
        served.predict(shift=4.0, count=30)
        return served.get("/alerts", state="firing")["items"]

    number = served.until("the alert", firing)[0]["number"]
    page = ui.go(f"/alerts/flowers!{number}")
    expect(page.get_by_role("table", name="Evidence")).to_contain_text("petal_length")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("button", name="Acknowledge")).to_have_count(0)
    page.get_by_role("button", name="Resolve").click()
    expect(page.get_by_text("Resolved").first).to_be_visible()
    number = served.until("the next alert, since the traffic stays as it is", firing)[0]["number"]
    page = ui.go(f"/alerts/flowers!{number}")
    page.get_by_role("button", name="Accept as normal").click()
    form = page.get_by_role("form", name=f"Accept flowers!{number} as normal")
    form.get_by_label("Why this is normal from now on").fill("larger flowers are sold since May")
    form.get_by_role("button", name="Accept as normal").click()
    expect(page.get_by_text("Resolved").first).to_be_visible()
    events = served.get("/events", noun="alert")["items"]
    assert "larger flowers are sold since May" in {event["detail"].get("reason") for event in events}


def test_a_turn_is_run_again_with_another_parameter(served: World, ui: Opened) -> None:
    page = ui.go("/turns/flowers~1")
    page.get_by_role("button", name="Run again").click()
    dialog = page.get_by_role("dialog", name="Run flowers again")
    dialog.get_by_label("split.every").fill("4")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("A turn of flowers began")).to_be_visible()
    turn = served.get("/turns/flowers")
    assert turn["params"] == {"split.every": 4}
    served.post(f"/turns/flowers~{turn['number']}/cancel", {"reason": "it was a test"})
