"""What a step can reach: its inputs and its own folder, and of the server what its attempt does."""

import json

import httpx
import pytest

from support.worker_harness import WorkerHarness

SOURCE = """
import json, os, signal, sys, urllib.error, urllib.request
from pathlib import Path
import helicline as hl

def attempt(name, act):
    try:
        return str(act())[:200]
    except BaseException as error:
        return f"{type(error).__name__} {getattr(error, 'code', '')}".strip()

def call(method, path, body=None, *, token=True):
    request = urllib.request.Request(os.environ["HELICLINE_URL"] + path, method=method)
    request.add_header("Content-Type", "application/json")
    if token and "HELICLINE_TOKEN" in os.environ:
        request.add_header("Authorization", "Bearer " + os.environ["HELICLINE_TOKEN"])
    with urllib.request.urlopen(request, None if body is None else json.dumps(body).encode()) as answer:
        return answer.status

def ancestors():
    pid = os.getpid()
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid > 1:
            yield pid

def train():
    import mlflow

    mlflow.log_param("a", 1)
    with mlflow.start_run(nested=True) as child:
        mlflow.log_metric("m", 2.0)
        mlflow.log_text("text", "file.txt")
        mlflow.set_tag("t", "v")
    with mlflow.start_run(run_id=child.info.run_id, nested=True):
        mlflow.log_metrics({"n": 3.0})

MLFLOW = "/api/2.0/mlflow/"
home = Path("MARKER").parents[1] / "home"
token = {"name": "mine", "role": "admin", "days": 1}
ATTACKS = {
    "owner's token": lambda: (home / "owner.token").read_text(),
    "database": lambda: (home / "meta.db").read_bytes()[:9],
    "home": lambda: os.listdir(home),
    "environments": lambda: [Path(f"/proc/{pid}/environ").read_bytes() for pid in ancestors()],
    "scratch of others": lambda: os.listdir("/tmp"),
    "a signal": lambda: [os.kill(pid, 0) for pid in ancestors()],
    "POST /tokens": lambda: call("POST", "/api/v1/tokens", token),
    "POST /tokens, nameless": lambda: call("POST", "/api/v1/tokens", token, token=False),
    "POST /loops/NAME/turns": lambda: call("POST", "/api/v1/loops/NAME/turns", {}),
    "a run of others": lambda: call("POST", MLFLOW + "runs/set-tag", {"run_id": "others", "key": "k", "value": "v"}),
    "their metrics": lambda: call(
        "POST", MLFLOW + "runs/log-metric", {"run_id": "others", "key": "k", "value": 1, "timestamp": 1}
    ),
    "their files": lambda: call("PUT", "/api/2.0/mlflow-artifacts/artifacts/0/others/artifacts/file", {}),
    "their uploads": lambda: call("POST", MLFLOW + "upload-artifact?run_uuid=others&path=file", {}),
    "a registered model": lambda: call("POST", MLFLOW + "registered-models/create", {"name": "mine"}),
    "a run deleted": lambda: call("POST", MLFLOW + "runs/delete", {"run_id": os.environ["MLFLOW_RUN_ID"]}),
}

@hl.step
def make(*, how: str = "HOW", timeout: str = "TIMEOUT") -> hl.Model:
    print("TRIED", json.dumps({name: attempt(name, act) for name, act in ATTACKS.items()}))
    print("SECRETS", [name for name in os.environ if "SECRET" in name], flush=True)
    if how == "links":
        Path("log").unlink()
        Path("log").symlink_to(home / "owner.token")
        Path("result.json").symlink_to(home / "owner.token")
        os._exit(0)
    if how == "logs":
        from sklearn.linear_model import LinearRegression

        train()
        return LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])
    if how == "talks":
        sys.stdout.write("begin\\n" + "x" * 99 * 400_000 + "\\n")
        raise ValueError("the end of the story")
    Path("/etc/helicline").write_text("")

@hl.pipeline
def NAME():
    return hl.candidate(make())

loop = hl.Loop("NAME", pipeline=NAME)
"""

REQUESTS = (
    "POST /tokens",
    "POST /loops/attacks/turns",
    "a run of others",
    "their metrics",
    "their files",
    "their uploads",
    "a registered model",
    "a run deleted",
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    opened = WorkerHarness(
        tmp_path_factory.mktemp("boundary"), SOURCE, HELICLINE_AUTH="token", MY_SECRET_KEY="of the parent"
    )
    httpx.post(
        f"{opened.server.url}/api/2.0/mlflow/runs/create",
        json={"experiment_id": "0"},
        headers={"x-helicline-id": "others", "authorization": f"Bearer {opened.token}"},
    ).raise_for_status()
    yield opened
    opened.close()


def log_of(shop, turn):
    """Return all that the first attempt printed."""
    (attempt, *_) = shop.detail(turn)["attempts"]
    pieces, offset = [], 0
    while piece := shop.client.send("GET", f"/attempts/{attempt['id']}/log", offset=offset).content:
        pieces.append(piece)
        offset += len(piece)
    return b"".join(pieces).decode()


@pytest.fixture(scope="module")
def attacked(shop):
    shop.begin("attacks", "attacks")
    turn = shop.turn("attacks", "FAILED")
    return turn["result"], log_of(shop, turn)


def test_a_step_reaches_no_secret_of_its_server(attacked):
    _, output = attacked
    tried = json.loads(output.partition("TRIED ")[2].splitlines()[0])
    files, requests = {}, {}
    for name, result in tried.items():
        (requests if result.startswith("HTTPError") else files)[name] = result
    assert set(files.values()) == {"PermissionError"}, tried
    assert requests.pop("POST /tokens, nameless") == "HTTPError 401"
    assert requests == dict.fromkeys(REQUESTS, "HTTPError 403")
    assert "SECRETS []" in output


def test_a_step_logs_to_the_runs_that_it_makes(shop):
    shop.begin("logs", "logs")
    turn = shop.turn("logs", "SUCCEEDED", "REJECTED", "PROMOTED", "FAILED", "ROLLING_OUT")
    assert turn["model_version"], (turn["result"], log_of(shop, turn)[-3000:])


def test_a_file_out_of_reach_is_refused_with_the_next_step(attacked):
    result, _ = attacked
    assert "PermissionError: [Errno 13] Permission denied: '/etc/helicline'" in result
    assert "A step reaches its inputs and its own folder only" in result


def test_links_that_a_step_leaves_in_its_folder_are_not_followed(shop):
    shop.begin("links", "links")
    turn = shop.turn("links", "FAILED")
    assert "its report is not a file" in turn["result"]
    assert shop.token.strip() not in log_of(shop, turn)


def test_the_end_of_a_very_long_output_is_kept(shop):
    shop.begin("talks", "talks")
    output = log_of(shop, shop.turn("talks", "FAILED"))
    assert output.splitlines()[2] == "begin"
    assert "bytes of output are left out here]" in output
    assert "ValueError: the end of the story" in output[-2000:]
