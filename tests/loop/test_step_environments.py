"""A step with an environment of its own: resolved when it is applied, built by uv, used by the step alone."""

import pytest

from helicline.cli.loop_file.apply import record
from helicline.errors import Invalid
from support.worker_harness import WorkerHarness

SOURCE = """
import helicline as hl

@hl.step
def here() -> hl.Artifact:
    try:
        import humanize
    except ImportError:
        return "no humanize"
    return "humanize"

@hl.step(env="requirements-HOW.txt")
def there(before: hl.Artifact, *, marker: str = "MARKER", timeout: str = "TIMEOUT") -> hl.Model:
    import sys, humanize
    text = humanize.intcomma(1234567)
    raise ValueError(f"{before.json()}; {text}; humanize {humanize.__version__}; in {sys.prefix};")

@hl.pipeline
def NAME():
    return hl.candidate(there(here()))

loop = hl.Loop("NAME", pipeline=NAME)
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    harness = WorkerHarness(tmp_path_factory.mktemp("envs"), SOURCE)
    (harness.folder / "requirements-good.txt").write_text("humanize==4.9.0\n")
    (harness.folder / "requirements-bad.txt").write_text("humanize==0.0.0.999\n")
    yield harness
    harness.close()


def test_a_step_runs_in_its_own_environment_which_is_built_once(shop):
    for name in ("first", "second"):
        shop.begin(name, "good")
    results = [shop.turn(name, "FAILED")["result"] for name in ("first", "second")]
    assert all("no humanize; 1,234,567; humanize 4.9.0; in " in result for result in results), results
    (folder,) = [path for path in (shop.folder / "home" / "envs").iterdir() if path.is_dir()]
    assert all(f"in {folder};" in result for result in results)
    logs = [log_of(shop, name) for name in ("first", "second")]
    assert sum("building the environment of requirements-good.txt: " in log for log in logs) >= 1
    assert sum("Prepared" in log or "Installed" in log for log in logs) == 1


def log_of(shop, name):
    attempts = shop.detail(shop.client.get(f"/turns/{name}", dict))["attempts"]
    (attempt,) = [attempt for attempt in attempts if attempt["step"] == "there"]
    return shop.client.send("GET", f"/attempts/{attempt['id']}/log").text


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("absent", "step there, env: got 'requirements-absent.txt', allowed: a file of requirements below"),
        ("bad", "step there, env: got 'requirements-bad.txt', allowed: requirements that fit together: .*humanize"),
    ],
)
def test_an_environment_that_cannot_be_is_refused_at_apply(shop, how, message):
    path = shop.folder / f"{how}_loop.py"
    path.write_text(SOURCE.replace("NAME", how).replace("HOW", how))
    with pytest.raises(Invalid, match=f"(?s){message}"):
        record(shop.client, path)
