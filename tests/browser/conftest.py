"""A browser, a server with a history, and pages that fail a test on any console error."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from playwright.sync_api import Browser, Page, expect, sync_playwright
from world import World, flowers

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PERSON = "Ada"
expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("chromium is missing; install it: apt-get install -y chromium fonts-dejavu-core", pytrace=False)
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=path, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server whose first turn waits for an approval."""
    running = World(tmp_path_factory.mktemp("world"))
    try:
        running.start()
        running.commit(flowers(), "first", "the first flowers")
        running.begin_turn()
        running.log_runs()
        running.turn(1, "APPROVING")
        yield running
    finally:
        running.stop()


class Opened:
    """A page of the UI, and what its console and network said."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.expected = ""  # what a test that provokes an error finds in its console line
        self.hosts: set[str] = set()
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        expect(self.page.get_by_role("heading", level=1)).to_be_visible()
        return self.page


@pytest.fixture
def open_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Callable[..., Opened]]:
    """Opens pages of the world's server, or of the one whose address is given."""
    opened: list[tuple[Any, Opened]] = []

    def make(scheme: str = "light", url: str = "") -> Opened:
        context = browser.new_context(
            viewport={"width": 1440, "height": 900},
            color_scheme=scheme,
            reduced_motion="reduce",  # type: ignore[arg-type]
        )
        opened_page = Opened(context.new_page(), url or request.getfixturevalue("world").url)
        opened.append((context, opened_page))
        return opened_page

    yield make
    for context, opened_page in opened:
        context.close()
        assert [
            line for line in opened_page.errors if not opened_page.expected or opened_page.expected not in line
        ] == []
        assert opened_page.hosts <= {opened_page.url.split("/")[2]}


@pytest.fixture
def ui(open_page: Callable[..., Opened]) -> Opened:
    return open_page()


@pytest.fixture(scope="session")
def served(browser: Browser, world: World) -> World:
    """The first version, approved by a click in the inbox, answers predictions and was watched."""
    page = browser.new_page()
    page.goto(world.url)
    page.get_by_label("Your name").fill(PERSON)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("Nothing waits for a person.")).to_be_visible()
    page.close()
    world.turn(1, "PROMOTED")
    world.predict()
    return world


@pytest.fixture(scope="session")
def stopped(served: World) -> World:
    """A second version, registered by hand with the stock client, was stopped by the gate."""
    served.register_bad_model()
    served.turn(2, "REJECTED")
    return served


@pytest.fixture(scope="session")
def waived(browser: Browser, stopped: World) -> World:
    """The stopped version was waived and approved by clicks, and takes a tenth of the traffic."""
    page = browser.new_page()
    page.goto(f"{stopped.url}/models/flowers/2")
    page.get_by_role("button", name="Waive this check").click()
    page.get_by_label("Who answers for it").fill(PERSON)
    page.get_by_label("Why it may pass").fill("only to see the rollout")
    page.get_by_role("button", name="Waive", exact=True).click()
    expect(page.get_by_role("listitem").get_by_text("Waived by local (said to be Ada)")).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.close()
    stopped.turn(2, "ROLLING_OUT")

    def is_at_first_step() -> bool:
        rollout = stopped.get("/deployments/flowers")["rollout"]
        return bool(rollout and rollout["state"] == "PROGRESSING" and rollout["step"] == 0)

    stopped.until("the first step", is_at_first_step)
    return stopped
