"""The routes of the pages of runs, against a live server that holds real runs."""

from __future__ import annotations

import time

import pytest

from helicline.server.permissions import API
from support.live_server import make_context, running_server

SCRIPT = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
FILES = {
    "plot.svg": SCRIPT,
    "page.html": b"<script>alert(1)</script>",
    "code/train.py": b"a\nb\n",
    "t.csv": b"a,b\n1,2\n",
}


class Tracked:
    """A client, and the ids of three runs: `a` and `b` with files, `c` bare."""

    def __init__(self, http) -> None:
        self.http = http
        self.ids = {name: self.run(name, at) for at, name in enumerate("abc")}

    def mlflow(self, path, body):
        return self.http.post(f"/api/2.0/mlflow/{path}", json=body).raise_for_status().json()

    def run(self, name, at):
        now = int(time.time() * 1000)
        created = self.mlflow("runs/create", {"experiment_id": "0", "run_name": name, "start_time": now + at})
        run_id = created["run"]["info"]["run_id"]
        metrics = [{"key": "loss", "value": 1 / (1 + s), "timestamp": now + s, "step": s} for s in range(300)]
        params = [{"key": "lr", "value": str(at)}]
        self.mlflow("runs/log-batch", {"run_id": run_id, "metrics": metrics, "params": params})
        for path, content in FILES.items() if name != "c" else ():
            content = content.replace(b"b\n", b"changed\n") if name == "b" and path.endswith(".py") else content
            self.http.put(f"/api/2.0/mlflow-artifacts/artifacts/0/{run_id}/artifacts/{path}", content=content)
        return run_id

    def get(self, route, /, **query):
        return self.http.get(API + route, params=query or None)


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    with running_server(make_context(tmp_path_factory.mktemp("home"))) as http:
        yield Tracked(http)


def test_the_table_is_walked_by_marks(tracked):
    first = tracked.get("/runs/table", limit=2, column=["metrics.loss", "params.lr"]).json()
    assert [(row["name"], row["values"][1]) for row in first["items"]] == [("c", "2"), ("b", "1")]
    later = tracked.get("/runs/table", limit=2, after=first["next"]).json()
    assert ([row["name"] for row in later["items"]], later["next"]) == (["a"], "")
    assert tracked.get("/runs/marks", every=10).json()["total"] == 3


def test_lines_come_in_buckets(tracked):
    series_list = tracked.get("/runs/series", run=list(tracked.ids.values()), key=["loss"], buckets=50).json()["items"]
    assert [(series["total"], len(series["x"]) <= 50, series["last"][-1]) for series in series_list] == [
        (300, True, 1 / 300)
    ] * 3
    part = tracked.get("/runs/series", run=tracked.ids["a"], key="loss", **{"from": 10, "to": 12}).json()["items"]
    assert part[0]["x"] == [10, 11, 12]


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/runs/table", {"view": "deleted"}, "view"), ("/runs/table", {"limit": 501}, "limit"),
        ("/runs/table", {"column": "loss"}, "column"), ("/runs/table", {"after": "x"}, "after"),
        ("/runs/table", {"filter": "metrics.loss >"}, "filter"), ("/runs/table", {"order_by": "loss"}, "order_by"),
        ("/runs/marks", {"every": 1}, "every"), ("/runs/values", {"key": "metrics.loss"}, "key"),
        ("/runs/groups", {"by": "lr"}, "by"), ("/runs/series", {"run": "x", "key": "y", "axis": "z"}, "axis"),
        ("/runs/series", {"run": "x", "key": "y", "buckets": 1}, "buckets"),
    ],
)  # fmt: skip
def test_a_bad_query_names_its_field(tracked, path, query, field):
    answer = tracked.get(path, **query)
    assert (answer.status_code, answer.json()["field"]) == (400, field)


@pytest.mark.parametrize("path", ["/runs/values", "/runs/groups", "/runs/series", "/runs/diff", "/runs/diff/text"])
def test_what_must_be_asked_is_named(tracked, path):
    answer = tracked.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


@pytest.mark.parametrize(
    "path", ["/runs/nope/artifacts", "/runs/nope/artifacts/preview?path=x", "/runs/nope/artifacts/image?path=x.png"]
)
def test_files_of_a_run_that_is_not_there_are_not_found(tracked, path):
    assert tracked.get(path).status_code == 404


@pytest.mark.parametrize("path", ["../x", "a//b", "/etc/passwd", "a\0", "x" * 3000, "..%2f..%2fx"])
@pytest.mark.parametrize("route", ["", "/preview", "/image", "/download"])
def test_a_path_never_leaves_the_run(tracked, route, path):
    answer = tracked.get(f"/runs/{tracked.ids['a']}/artifacts{route}", path=path)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_an_uploaded_script_is_never_served_to_run(tracked):
    at = f"/runs/{tracked.ids['a']}/artifacts"
    image = tracked.get(f"{at}/image", path="plot.svg")
    assert image.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert image.headers["x-content-type-options"] == "nosniff"
    assert tracked.get(f"{at}/image", path="page.html").status_code == 400
    page = tracked.get(f"{at}/download", path="page.html")
    assert page.headers["content-type"] == "application/octet-stream"
    assert page.headers["content-disposition"].startswith("attachment")
    assert tracked.get(f"{at}/preview", path="page.html").headers["content-type"].startswith("application/json")


def test_files_are_listed_and_shown(tracked):
    at = f"/runs/{tracked.ids['a']}/artifacts"
    assert [item["path"] for item in tracked.get(at).json()["items"]] == ["code", "page.html", "plot.svg", "t.csv"]
    assert tracked.get(f"{at}/preview", path="t.csv").json()["rows"] == [["1", "2"]]
    assert tracked.get(f"{at}/preview", path="code").status_code == 404


def test_runs_are_compared_by_their_files(tracked):
    two = {"before": tracked.ids["a"], "after": tracked.ids["b"]}
    diff = tracked.get("/runs/diff", **two).json()
    assert ([change["path"] for change in diff["changes"]], diff["same_count"]) == (["code/train.py"], 3)
    lines = tracked.get("/runs/diff/text", path="code/train.py", **two).json()["lines"]
    assert "-b" in lines
    assert "+changed" in lines
    assert tracked.get("/runs/diff/text", path="nowhere", **two).status_code == 404
    one_sided = tracked.get("/runs/diff/text", path="t.csv", before=tracked.ids["a"], after=tracked.ids["c"]).json()
    assert "-a,b" in one_sided["lines"]


def test_runs_are_archived_and_restored_in_bulk(tracked):
    ids = [tracked.run("x", 9), tracked.run("y", 10)]
    assert tracked.http.post(f"{API}/runs/archive", json={"run_ids": ids}).json() == {"count": 2}
    assert len(tracked.get("/runs/table", view="archived").json()["items"]) == 2
    assert tracked.http.post(f"{API}/runs/restore", json={"run_ids": ids}).json() == {"count": 2}
    assert tracked.http.post(f"{API}/runs/archive", json={"run_ids": []}).status_code == 400
    assert tracked.http.post(f"{API}/runs/archive", json={"run_ids": ["nope"]}).status_code == 404
    tracked.http.post(f"{API}/runs/archive", json={"run_ids": ids})


def test_tags_are_edited(tracked):
    at = f"{API}/runs/{tracked.ids['c']}/tags"
    assert tracked.http.post(at, json={"put": {"team": "red"}}).json()["tags"]["team"] == "red"
    assert "team" not in tracked.http.post(at, json={"drop": ["team"]}).json()["tags"]
    for bad in ({"put": {"": "x"}}, {"put": {"../x": "y"}}, {"put": {"k": "x" * 8001}}, {"put": {"k": "a\0"}}):
        answer = tracked.http.post(at, json=bad)
        assert (answer.status_code, answer.json()["code"] in ("invalid", "too_long")) == (400, True)
