"""Signing in with a token, the end of a session, and who one is, on a server with `auth=token`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect
from test_pages import AXE, broken_rules, cut_off

from conftest import Opened
from helicline.access import tokens
from helicline.loop.context import Context
from helicline.records.access import Token
from helicline.store import nouns
from support.live_server import make_context, running_server

REFUSED = "40"  # the console's line of a 401 or 403, which these tests provoke


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return make_context(tmp_path, auth="token")


@pytest.fixture
def server(context: Context) -> Iterator[httpx.Client]:
    with running_server(context) as client:
        yield client


@pytest.fixture
def opened(server: httpx.Client, open_page: Callable[..., Opened]) -> Opened:
    opened = open_page(url=str(server.base_url).rstrip("/"))
    opened.expected = REFUSED
    return opened


def mint(context: Context, role: str = "approver") -> tuple[Token, str]:
    return context.store.write(lambda tx: tokens.mint(tx, "ann", role=role, lifetime=timedelta(days=1)))


def sign_in(page: Page, secret: str) -> None:
    page.get_by_label("Token", exact=True).fill(secret)
    page.get_by_role("button", name="Sign in").click()


def test_one_signs_in_where_one_wanted_to_go_and_is_told_what_one_may_do(opened: Opened, context: Context) -> None:
    page = opened.go("/models?filter=x")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    expect(page).to_have_title("Sign in · Helicline")
    sign_in(page, mint(context)[1])
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")
    assert page.url.endswith("/models?filter=x")
    page.get_by_role("button", name="Account: ann").click()
    account = page.get_by_role("dialog", name="Account")
    expect(account).to_contain_text("ann (approver)")
    expect(account).to_contain_text("approve, reject and waive")
    expect(account).not_to_contain_text("make tokens")


def test_a_reload_keeps_the_session_and_no_script_can_read_it(opened: Opened, context: Context) -> None:
    page = opened.go("/")
    sign_in(page, mint(context)[1])
    expect(page.get_by_role("button", name="Account: ann")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Account: ann")).to_be_visible()
    assert page.evaluate("document.cookie + JSON.stringify({...localStorage, ...sessionStorage})").find("hl_") == -1
    assert page.evaluate("document.cookie") == ""


def test_a_wrong_token_is_answered_with_the_servers_words(opened: Opened) -> None:
    page = opened.go("/")
    sign_in(page, "hl_wrong")
    expect(page.get_by_role("alert")).to_contain_text("not known, expired or revoked")
    expect(page.get_by_role("alert")).to_contain_text("hl token create")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_page_says_that_its_session_ended_and_returns_to_where_one_was(opened: Opened, context: Context) -> None:
    page = opened.go("/turns")
    token, secret = mint(context)
    sign_in(page, secret)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    context.store.write(lambda tx: tokens.revoke(tx, token.id))
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    sign_in(page, mint(context)[1])
    expect(page.get_by_role("heading", level=1)).to_have_text("Turns")
    assert page.url.endswith("/turns")


def test_signing_out_ends_the_session_and_leaves_no_data_on_the_page(opened: Opened, context: Context) -> None:
    page = opened.go("/audit")
    sign_in(page, mint(context)[1])
    expect(page.get_by_text("Chain verified").first).to_be_visible()
    page.get_by_role("button", name="Account: ann").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_text("You are signed out.")).to_be_visible()
    expect(page.get_by_text("Chain verified")).to_have_count(0)
    assert context.store.read(nouns.SESSIONS.select)[0].revoked_at is not None


def test_a_change_by_the_page_is_accepted(opened: Opened, context: Context) -> None:
    page = opened.go("/")
    sign_in(page, mint(context, role="operator")[1])
    expect(page.get_by_role("button", name="Account: ann")).to_be_visible()
    with page.expect_response("**/api/v1/session") as ended:
        page.get_by_role("button", name="Account: ann").click()
        page.get_by_role("button", name="Sign out").click()
    assert ended.value.status == 204  # 403 without the CSRF token


def test_the_sign_in_is_accessible_and_fits_a_phone(opened: Opened) -> None:
    page = opened.go("/")
    page.evaluate(AXE.read_text())
    sign_in(page, "hl_wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
            expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", scheme)
            assert broken_rules(page) == [], f"{width} px, {scheme}"
            assert cut_off(page) == []


@pytest.mark.parametrize("width", [1440, 390])
def test_the_account_is_accessible_and_fits(width: int, opened: Opened, context: Context) -> None:
    page = opened.go("/")
    page.set_viewport_size({"width": width, "height": 844})
    sign_in(page, mint(context, role="admin")[1])
    page.get_by_role("button", name="Account: ann").click()
    expect(page.get_by_role("dialog", name="Account")).to_be_visible()
    page.evaluate(AXE.read_text())
    assert broken_rules(page) == []
    assert cut_off(page) == []


def test_a_local_server_asks_nobody_to_sign_in_and_lets_one_who_wants_to(
    tmp_path: Path, open_page: Callable[..., Opened]
) -> None:
    context = make_context(tmp_path / "local")
    with running_server(context) as client:
        page = open_page(url=str(client.base_url).rstrip("/")).go("/")
        page.get_by_role("button", name="Account: local").click()
        page.get_by_role("button", name="Sign in with a token").click()
        page.get_by_role("button", name="Go on without").click()
        page.get_by_role("button", name="Account: local").click()
        page.get_by_role("button", name="Sign in with a token").click()
        sign_in(page, mint(context)[1])
        page.get_by_role("button", name="Account: ann").click()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Account: local")).to_be_visible()
        page.goto("about:blank")
