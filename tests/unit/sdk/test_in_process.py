"""Steps and pipelines called in plain Python: the same types as in a worker, and a sentence where they do not fit."""

import numpy
import pandas
import pytest
from sklearn.linear_model import LinearRegression

import helicline as hl
from helicline.errors import Invalid, Unavailable

ROWS = pandas.DataFrame({"x": [0.0, 1.0, 2.0, 3.0], "label": [1.0, 3.0, 5.0, 7.0]})


@hl.step
def split(raw: hl.Table, *, rows: int = 2) -> tuple[hl.Table, hl.Table]:
    frame = raw.pandas()
    return frame.iloc[:rows], frame.iloc[rows:]


@hl.step
def train(data: hl.Table) -> hl.Model:
    frame = data.pandas()
    return LinearRegression().fit(frame[["x"]], frame["label"])


@hl.step
def evaluate(model: hl.Model, holdout: hl.Table) -> hl.Metrics:
    frame = holdout.pandas()
    return {"mae": abs(numpy.asarray(model.predict(frame[["x"]])) - frame["label"]).mean()}


@hl.step
def note(metrics: hl.Metrics) -> hl.Artifact:
    return {"worst": metrics["mae"]}


@hl.step
def read(value: hl.Artifact) -> hl.Metrics:
    return hl.Metrics(seen=value.json()["worst"] + 1)


@hl.step
def empty(raw: hl.Table) -> hl.Table: ...


@hl.pipeline
def line(raw: hl.Table = hl.dataset("rows@main"), *, rows: int = 2):
    data, holdout = split(raw, rows=rows)
    model = train(data)
    metrics = evaluate(model, holdout)
    read(note(metrics))
    return hl.candidate(model, metrics=metrics, holdout=holdout, label="label")


@hl.pipeline
def both(raw: hl.Table = hl.dataset("rows@main")):
    line(raw, rows=3)
    return line(raw)


@pytest.fixture(params=["frame", "csv", "json lines", "parquet", "folder", "columns"])
def rows(request, tmp_path):
    """The same rows in every form that stands for a table."""
    ROWS.to_csv(tmp_path / "rows.csv", index=False)
    ROWS.to_json(tmp_path / "rows.jsonl", orient="records", lines=True)
    (tmp_path / "parts").mkdir()
    hl.Table.of(ROWS).duckdb().write_parquet(str(tmp_path / "parts" / "rows.parquet"))
    forms = {"frame": ROWS, "columns": dict(ROWS), "csv": str(tmp_path / "rows.csv")}
    forms |= {"json lines": tmp_path / "rows.jsonl", "folder": tmp_path / "parts"}
    return forms.get(request.param, tmp_path / "parts" / "rows.parquet")


def test_a_step_takes_rows_in_every_form(rows):
    first, second = split(rows, rows=1)
    assert (list(first["label"]), list(second["label"])) == ([1.0], [3.0, 5.0, 7.0])


def test_a_step_takes_what_another_step_returned():
    model = train(split(ROWS)[0])
    assert isinstance(model, LinearRegression)
    assert evaluate(model, ROWS)["mae"] == pytest.approx(0)


def test_a_pipeline_runs_in_this_process_with_the_types_of_a_worker():
    candidate = line.run_here(ROWS)
    assert isinstance(candidate.holdout, hl.Table)
    assert isinstance(candidate.metrics, hl.Metrics)
    assert isinstance(candidate.model, hl.Model)
    assert (candidate.metrics["mae"], candidate.reference.row_count) == (pytest.approx(0), 2)


def test_a_called_pipeline_runs_here_and_within_another_adds_its_steps():
    assert both(ROWS).holdout.row_count == line(ROWS).holdout.row_count == 2
    steps, candidate, _ = both.trace()
    assert [step.name for step in steps if step.function.endswith(":split")] == ["split", "split_2"]
    assert candidate.model.step == "train_2"


def test_a_notebook_can_show_what_a_traced_step_returned():
    shown = []

    @hl.pipeline
    def only(raw: hl.Table = hl.dataset("rows@main")):
        first, _ = split(raw)
        shown.append((repr(first), hasattr(first, "_repr_html_")))

    only.trace()
    assert shown == [("<Table of step 'split'>", False)]


def test_an_error_of_a_step_comes_as_it_is():
    with pytest.raises(KeyError, match="label"):
        line.run_here(ROWS.drop(columns="label"))


@pytest.mark.filterwarnings("ignore")  # of the types of mlflow, when it is imported first
def test_a_model_of_this_process_loads_as_a_pyfunc():
    model = line.run_here(ROWS).model
    assert model.load().predict(ROWS[["x"]])[3] == pytest.approx(7)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: split("nowhere.csv"), "the path of CSV"),
        (lambda: split(3), "step split, argument raw: got 'int'"),
        (lambda: line.run_here(ROWS, row=1), "line(raw=hl.dataset('rows@main'), *, rows=2)"),
        (lambda: hl.pipeline(lambda_of(empty)).run_here(), "step empty returned: got 'nothing'"),
    ],
)
def test_what_does_not_fit_is_a_sentence(call, words):
    with pytest.raises(Invalid) as error:
        call()
    assert words in str(error.value)


def lambda_of(step):
    def only(raw: hl.Table = ROWS):
        return step(raw)

    return only


def test_a_dataset_without_a_server_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("HELICLINE_URL", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as error:
        line.run_here()
    assert "pass rows: raw=frame" in error.value.hint


@pytest.mark.parametrize("items", [[["x", "y"], ["z"]], [["x", "y"], ["z", "w"]], [["x"], None]])
def test_a_column_of_lists_comes_back_as_lists(items):
    frame = hl.Table.of({"user": ["a", "b"], "items": items}).pandas()
    assert [list(row) for row in frame["items"].dropna()] == [row for row in items if row is not None]
