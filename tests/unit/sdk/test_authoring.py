"""Pipelines as code, and the hash of the code they stand on."""

import importlib.util
import sys

import pytest

import helicline as hl
from helicline.errors import Invalid
from helicline.records.pipeline import CodeState, Source
from helicline.sdk.code import bundle, closure_hash
from helicline.sdk.steps.options import seconds
from support.records import ENVIRONMENT


@hl.step
def split(raw: hl.Table, *, seed: int = 0) -> tuple[hl.Table, hl.Table]: ...


@hl.step(retries=2, timeout="5m", cache=False)
def train(data: hl.Table, *, lr: float = 0.1) -> hl.Model: ...


@hl.step
def evaluate(model: hl.Model, holdout: hl.Table) -> hl.Metrics: ...


@hl.pipeline
def churn(raw: hl.Table = hl.dataset("customers@main"), *, lr: float = 0.3):
    data, holdout = split(raw)
    model = train(data, lr=lr)
    return hl.candidate(model, metrics=evaluate(model, holdout), holdout=holdout)


def test_a_pipeline_is_traced_to_its_graph():
    steps, candidate, params = churn.trace()
    assert [step.name for step in steps] == ["split", "train", "evaluate"]
    assert steps[2].inputs == {"model": Source(step="train"), "holdout": Source(step="split", output=1)}
    assert (candidate.model, candidate.reference, params) == (
        Source(step="train"),
        Source(step="split", output=1),
        {"lr": 0.3},
    )


def test_options_and_parameters_stand_in_the_spec():
    step = churn.trace(lr=0.7)[0][1]
    assert (step.params, step.retries, step.timeout_s, step.cache) == ({"lr": 0.7}, 2, 300.0, False)


def test_a_step_called_twice_is_two_steps():
    @hl.pipeline
    def twice(raw: hl.Table = hl.dataset("d@main")):
        train(split(split(raw)[0])[1])

    assert [step.name for step in twice.trace()[0]] == ["split", "split_2", "train"]


def test_a_step_outside_of_a_pipeline_is_its_function():
    @hl.step
    def double(value: hl.Artifact, *, by: int = 2) -> hl.Artifact:
        return value * by

    assert double(21) == 42


def bad_no_annotation():
    @hl.step
    def step(raw) -> hl.Table: ...


def bad_parameter():
    @hl.step
    def step(raw: hl.Table, lr: float) -> hl.Table: ...


def bad_return():
    @hl.step
    def step(raw: hl.Table) -> int: ...


def bad_branch():
    @hl.pipeline
    def line(raw: hl.Table = hl.dataset("d@main")):
        if split(raw)[0]:
            pass

    line.trace()


def bad_kind():
    @hl.pipeline
    def line(raw: hl.Table = hl.dataset("d@main")):
        evaluate(raw, raw)
        train(evaluate(train(raw), raw))

    line.trace()


def bad_value():
    @hl.pipeline
    def line():
        train(3)

    line.trace()


def bad_json():
    @hl.pipeline
    def line(raw: hl.Table = hl.dataset("d@main")):
        train(raw, lr=object())

    line.trace()


def bad_empty():
    @hl.pipeline
    def line(): ...

    line.trace()


def bad_default():
    @hl.pipeline
    def line(raw):
        split(raw)

    line.trace()


def bad_candidate():
    @hl.pipeline
    def line(raw: hl.Table = hl.dataset("d@main")):
        return hl.candidate(split(raw)[0])

    line.trace()


BAD = [bad_no_annotation, bad_parameter, bad_return, bad_branch, bad_kind, bad_value, bad_json, bad_empty, bad_default,
       bad_candidate]  # fmt: skip


@pytest.mark.parametrize("bad", BAD)
def test_a_mistake_in_a_pipeline_is_told_when_it_is_written(bad):
    with pytest.raises(Invalid):
        bad()


def test_a_mistake_leaves_the_next_trace_clean():
    with pytest.raises(Invalid):
        bad_branch()
    assert len(churn.trace()[0]) == 3
    assert split.function.__name__ == "split"


@pytest.mark.parametrize(("text", "value"), [("30s", 30), ("1.5h", 5400), ("200ms", 0.2), ("2d", 172_800), (7, 7)])
def test_durations_are_read(text, value):
    assert seconds("timeout", text) == value


@pytest.mark.parametrize("text", ["", "soon", "-5m", "5 weeks"])
def test_what_is_no_duration_is_refused(text):
    with pytest.raises(Invalid):
        seconds("timeout", text)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: hl.canary(),
        lambda: hl.canary(5, 25),
        lambda: hl.canary(25, 5, 100),
        lambda: hl.canary(0, 100),
        lambda: hl.canary(5, 5, 100),
        lambda: hl.canary(5, 100, alpha=2),
        lambda: hl.must_not_drop("x", by=5),
        lambda: hl.max_error_rate(5),
        lambda: hl.not_worse("auc", margin=-1),
        lambda: hl.approval("risk", people=0),
        lambda: hl.every("fortnight"),
        lambda: hl.dataset("../x"),
        lambda: hl.dataset("x@../y"),
        lambda: hl.Loop("no name", pipeline=churn),
        lambda: hl.Loop("churn", pipeline=churn, gates=[hl.latency(p99_ms=1), hl.latency(p99_ms=2)]),
        lambda: hl.Loop("churn", pipeline=churn, monitors=[hl.drift(), hl.drift()]),
    ],
)
def test_a_loop_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(Invalid):
        wrong()


def test_a_loop_becomes_a_spec_that_reads_back():
    import msgspec

    from helicline.records.loop import LoopSpec

    loop = hl.Loop(
        "churn", pipeline=churn, rollout=hl.canary(5, 100), monitors=[hl.drift()], triggers=[hl.every("day")]
    )
    spec = loop.spec(state=CodeState(bundle="0" * 64), environment=ENVIRONMENT)
    assert msgspec.json.decode(msgspec.json.encode(spec), type=LoopSpec) == spec
    assert [step.weight_bp for step in spec.rollout.steps] == [500, 10_000]


SOURCE = '''"""Steps."""
import math
import helicline as hl
from extra import helping

SCALE = 2


def near(x):
    """Say it."""
    return x * SCALE


@hl.step
def train(x: hl.Table) -> hl.Table:
    """Train."""
    pipeline = [near(x), helping(x)]
    return sum(pipeline)


def pipeline():
    return SCALE * 100


def other(x):
    return math.sqrt(x)
'''


class Project:
    """A folder with two files; `hash` is that of a function after an edit."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0
        (folder / "extra.py").write_text("def helping(x):\n    return x\n")

    def hash(self, name="train", source=SOURCE):
        self.count += 1
        path = self.folder / f"steps{self.count}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        definition = getattr(module, name)
        return closure_hash(getattr(definition, "function", definition))


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    yield Project(tmp_path)
    sys.modules.pop("extra", None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    pipeline = [", "    # a comment\n    pipeline = ["),
        ('"""Train."""', '"""Train it well."""'),
        ("def other(x):\n    return math.sqrt(x)", "def other(x):\n    return math.sqrt(x + 1)"),
        ("SCALE = 2\n", "SCALE = 2\nUNUSED = 3\n"),
        ('"""Steps."""', '"""All the steps."""\n\n'),
        ("@hl.step\n", "@hl.step(retries=3, timeout='2h', cpu=2, memory='2GB')\n"),
        ("@hl.step\n", "@hl.step()\n"),
        ("sum(pipeline)", "sum(pipeline) "),
        ("SCALE * 100", "SCALE * 101"),
    ],
)
def test_an_edit_that_cannot_matter_keeps_the_hash(project, old, new):
    assert old in SOURCE
    assert project.hash(source=SOURCE.replace(old, new)) == project.hash()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("near(x), helping", "near(x), -helping"),
        ("return x * SCALE", "return x + SCALE"),
        ("SCALE = 2", "SCALE = 3"),
    ],
)
def test_an_edit_that_the_step_reaches_changes_the_hash(project, old, new):
    assert project.hash(source=SOURCE.replace(old, new)) != project.hash()


def test_an_edit_of_an_imported_file_changes_the_hash(project):
    before = project.hash()
    (project.folder / "extra.py").write_text("def helping(x):\n    return x + 1\n")
    assert project.hash() != before
    assert project.hash("other") == project.hash("other")


def test_a_bundle_has_the_same_bytes_for_the_same_files(project):
    (project.folder / "loop.py").write_text("import extra\n")
    first, names = bundle(project.folder / "loop.py")
    assert bundle(project.folder / "loop.py")[0] == first
    assert names == ("extra.py", "loop.py")
