"""The tables that must match each other: routes and permissions, settings and commands and their pages."""

import importlib.util
import re
from pathlib import Path
from typing import get_args

import msgspec
import pytest

import helicline
from helicline import errors
from helicline.errors import Bug, HeliclineError
from helicline.loop.context import Context
from helicline.protocol.mlflow.routes import ROUTES as MLFLOW
from helicline.protocol.rest.errors import STATUS, status_of
from helicline.protocol.rest.feed import Feed
from helicline.records.access import ROLES, Permission
from helicline.server import openapi, permissions
from helicline.server.app import make_api, routes_of
from helicline.settings import Settings
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.tracking.checks import TooLong
from helicline.tracking.errors import NotActive

ROOT = Path(__file__).parents[2]


def generator():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def context(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'meta.db'}")
    yield Context(store, LocalBlobs(tmp_path / "blobs"), Settings(home=str(tmp_path)))
    store.close()


def test_every_route_has_a_permission_and_every_permission_a_route(context):
    routes = {(method, path) for method, path in routes_of(make_api(context, Feed())) if path not in ("", "/{path}")}
    assert routes - {("GET", "/")} == permissions.PERMISSIONS.keys()


def test_a_permission_without_a_route_stops_the_start(context, monkeypatch):
    monkeypatch.setitem(permissions.PERMISSIONS, ("POST", "/nowhere"), "admin")
    with pytest.raises(Bug, match="POST /api/v1/nowhere is gone"):
        make_api(context, Feed())


def test_a_route_without_a_permission_stops_the_start(context, monkeypatch):
    monkeypatch.delitem(permissions.PERMISSIONS, ("GET", "/status"))
    with pytest.raises(Bug, match="GET /api/v1/status is without a permission"):
        make_api(context, Feed())


def test_every_route_of_the_mlflow_wire_has_a_known_permission():
    permissions_of_roles = set(get_args(Permission))
    assert {route[2] for route in MLFLOW} <= permissions_of_roles
    assert set(permissions.PERMISSIONS.values()) <= permissions_of_roles


def test_writing_over_the_mlflow_wire_is_never_open_or_read():
    readers = ("search", "get", "batch", "list", "download", "traces/metrics", "calculate")
    loose = [
        (method, path)
        for method, path, permission, _ in MLFLOW
        if method != "GET" and permission in ("open", "read") and not any(word in path.lower() for word in readers)
    ]
    assert loose == []


def test_roles_hold_known_permissions_and_admin_holds_all():
    assert set().union(*ROLES.values()) == set(get_args(Permission)) == ROLES["admin"]


def test_every_error_class_has_a_status():
    codes = {
        error_class.code
        for error_class in vars(errors).values()
        if isinstance(error_class, type) and issubclass(error_class, HeliclineError)
    }
    assert codes - {"error"} <= STATUS.keys()


def test_an_error_of_a_room_has_the_status_of_what_it_is_a_kind_of():
    assert status_of(TooLong) == 400
    assert status_of(NotActive) == 409


def test_every_setting_has_a_sentence():
    fields = {field.name for field in msgspec.structs.fields(Settings)}
    assert generator().SETTINGS.keys() == fields


@pytest.mark.parametrize("page", ["cli.md", "settings.md", "python.md"])
def test_the_generated_pages_are_up_to_date(page):
    expected = generator().PAGES[page]()
    assert (ROOT / "docs" / page).read_text() == expected, "run: python docs/generate.py"


def test_the_python_reference_has_every_public_name_and_what_it_is_for():
    text = (ROOT / "docs" / "python.md").read_text()
    sections = {part.partition("\n")[0]: part for part in text.split("\n### ")[1:]}
    assert sections.keys() == {f"hl.{name}" for name in helicline.__all__}
    prose = re.compile(r"^[A-Z].*[.:]$", re.MULTILINE)
    assert [name for name, part in sections.items() if not prose.search(part)] == []


def test_the_web_ui_types_come_from_the_present_api():
    assert openapi.document() == (ROOT / "ui" / "openapi.json").read_text(), (
        "run: python -m helicline.server.openapi > ui/openapi.json"
    )
