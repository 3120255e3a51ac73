"""The judge task: measures candidate and champion on the same hold-out rows, in a worker."""

from __future__ import annotations

import json
import tarfile
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from helicline.engine import latency
from helicline.engine.judged_model import JudgedModel
from helicline.engine.measuring.all_metrics import Loader, measure_all
from helicline.engine.measuring.answers import are_lists
from helicline.engine.measuring.measured import Judged
from helicline.engine.step import imported, open_table, unpack
from helicline.errors import Invalid
from helicline.gate.paired import compare, measure
from helicline.monitor import profile
from helicline.monitor.testable import with_roles
from helicline.records.gate import NO_HOLDOUT, Comparison, Evidence
from helicline.records.metric import BUILT_IN, MetricSpec
from helicline.records.pipeline import Completion, JudgeSpec, TableSource, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.gates.metrics import Metric
from helicline.sdk.handles import Table
from helicline.sdk.steps.dataset_table import open_dataset
from helicline.serving.prediction_log.columns import answers, outputs

if TYPE_CHECKING:
    import pandas as pd

MAX_CLASSES = 200
NO_LABEL = "the hold-out has no labels: what needs the truth was not measured"


def run_judge(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Measure both models and profile the reference; the server makes verdicts of this evidence."""
    spec = task.judge
    assert spec is not None
    candidate = _load(client, spec.model, number=spec.candidate, target=scratch / "candidate")
    champion = _load(client, spec.model, number=spec.champion, target=scratch / "champion") if spec.champion else None
    changes = signature_changes(champion.signature, candidate.signature) if champion else None
    evidence = Evidence(champion_number=spec.champion, signature_changes=changes, untested=(NO_HOLDOUT,))
    rows = answered = None
    if spec.holdout is not None:
        frame, truth, rows = _split(_open(client, spec.holdout, scratch / "holdout").pandas(), spec.label)
        answered = _answered(candidate.answers(rows))
        models = [Judged(model, rows, frame, truth) for model in (candidate, champion) if model is not None]
        functions = partial(_function, task=spec, client=client, scratch=scratch)
        evidence = _evidence(evidence, *models, task=spec, load=functions)
        evidence = msgspec.structs.replace(
            evidence, holdout_digest=spec.holdout.output.digest, **_latency(candidate, champion, rows)
        )
    if spec.reference is not None:
        table = _open(client, spec.reference, scratch / "reference")
        reference = _reference(table, candidate, rows=rows, label=spec.label, answered=answered)
        profile_blob = client.put_bytes(profile.encode(reference))
        evidence = msgspec.structs.replace(evidence, profile=profile_blob, centres=profile.centres_of(reference))
    return _judged(task, evidence)


def _judged(task: TaskSpec, evidence: Evidence) -> Completion:
    assert task.judge is not None
    for name, why in evidence.failures.items():
        print(f"{name} was not measured: {why}", flush=True)
    for why in evidence.untested:
        print(f"not tested: {why}", flush=True)
    candidate = f"{task.judge.model}/{task.judge.candidate}"
    print(f"judged {candidate} on {evidence.row_count} rows: {evidence.metrics}", flush=True)
    return Completion(fence=task.fence, ok=True, result={"evidence": msgspec.to_builtins(evidence)})


def _function(metric: MetricSpec, *, task: JudgeSpec, client: Client, scratch: Path) -> Callable[[Any, Any], Any]:
    """Return the function of a metric from the loop's code.

    Raises:
        Invalid: the code cannot be imported, or has no such function.
    """
    try:
        if not (scratch / "code").exists():
            unpack(task.bundle, client, scratch)
        value = imported(metric.function)
    except Exception as error:  # the loop file runs here, and may raise what it likes
        traceback.print_exc()
        raise Invalid(
            f"metric {metric.name}", f"{type(error).__name__}: {error}", "a file that can be imported"
        ) from None
    function: Callable[[Any, Any], Any] = value.function if isinstance(value, Metric) else value
    return function


def _split(holdout: pd.DataFrame, label: str) -> tuple[pd.DataFrame, Any, pd.DataFrame]:
    """Return the rows, their truth, and the rows without it; those whose truth is missing are left out, which is said.

    A hold-out without the column has no truth: None.
    """
    if label not in holdout.columns:
        return holdout, None, holdout
    labelled = holdout[holdout[label].notna()].reset_index(drop=True)
    if len(labelled) < len(holdout):
        print(f"{len(holdout) - len(labelled)} of {len(holdout)} rows have no {label!r} and are left out", flush=True)
    if labelled.empty:
        raise Invalid("hold-out", f"no row with a {label!r} among {len(holdout)}", "rows with the truth")
    return labelled, labelled[label].to_numpy(), labelled.drop(columns=[label])


def _load(client: Client, model: str, *, number: int, target: Path) -> JudgedModel:
    return JudgedModel(_fetch(client, model, number=number, target=target), f"{model}/{number}")


def _fetch(client: Client, model: str, *, number: int, target: Path) -> Path:
    target.mkdir(parents=True)
    response = client.send("GET", f"/models/{model}/versions/{number}/archive", timeout_s=600)
    archive = target.with_suffix(".tar")
    archive.write_bytes(response.content)
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    return target


def _evidence(
    base: Evidence, candidate: Judged, champion: Judged | None = None, *, task: JudgeSpec, load: Loader
) -> Evidence:
    """Return the evidence with the metrics that fit the target, and with the other ones that the checks name."""
    outputs = _outputs(candidate.model, candidate.rows, candidate.truth)
    champion_outputs = _outputs(champion.model, champion.rows, champion.truth) if champion else {}
    metrics, comparisons = _measured(outputs), _comparisons(outputs, champion_outputs)
    done = {comparison.metric for comparison in comparisons} if champion else metrics.keys()
    rest = [metric for metric in task.metrics if metric.name not in done]
    results = measure_all(rest, candidate, champion, compared=task.compared, load=load)
    metrics = results.metrics | metrics
    return msgspec.structs.replace(
        base,
        row_count=len(candidate.rows),
        metrics=metrics,
        champion_metrics=results.champion_metrics | _measured(champion_outputs),
        comparisons=(*comparisons, *results.comparisons.values()),
        failures=results.failures,
        untested=_untested(candidate, metrics),
    )


def _untested(candidate: Judged, metrics: dict[str, float]) -> tuple[str, ...]:
    if candidate.truth is None:
        columns = ", ".join(map(str, candidate.frame.columns[:8]))
        return (f"{NO_LABEL}; it has {columns}. Another name is said by hl.candidate(..., label='NAME')",)
    return () if metrics else ("no metric fits what the model answers: name one in a gate, or write your own",)


def _outputs(model: JudgedModel, rows: pd.DataFrame, truth: Any) -> dict[str, tuple[Any, Any]]:
    """Return truth and output for each metric that is defined for the target, by metric."""
    if truth is None or are_lists(truth):
        return {}
    predicted = model.predict(rows)
    if predicted.dtype == object and any(isinstance(value, dict | list | np.ndarray) for value in predicted):
        print(f"{model.name} answers with objects, which no metric is defined for: nothing is measured", flush=True)
        return {}
    outputs: dict[str, tuple[Any, Any]] = {}
    if not model.classes and _are_amounts(truth, predicted):
        outputs |= {"mae": (truth, predicted), "mse": (truth, predicted)}
    if not outputs or len(np.unique(truth)) <= MAX_CLASSES:
        outputs["accuracy"] = (truth, predicted)
    scores = model.scores(rows)
    if scores is not None:
        is_positive = (truth == model.classes[1]).astype(float)
        outputs["log_loss"] = (is_positive, scores)
        if 0 < is_positive.sum() < len(is_positive):
            outputs["auc"] = (is_positive, scores)
        else:
            print(f"auc of {model.name} is not measured: the hold-out has rows of one class only", flush=True)
    return outputs


def _are_amounts(truth: Any, predicted: Any) -> bool:
    """Tell whether the target is a number to come near to: it has fractions, or more values than a class has.

    The model may tell as well: it answers fractions where the truth is whole (and not only yes or no).
    """
    if truth.dtype.kind not in "fiu" or predicted.dtype.kind not in "fiu":
        return False
    value_count = len(np.unique(truth))
    return value_count > MAX_CLASSES or _has_fractions(truth) or (value_count > 2 and _has_fractions(predicted))


def _has_fractions(values: Any) -> bool:
    return bool((values != np.floor(values)).any())


def _measured(outputs: dict[str, tuple[Any, Any]]) -> dict[str, float]:
    return {name: measure(name, truth, values) for name, (truth, values) in outputs.items()}


def _comparisons(
    outputs: dict[str, tuple[Any, Any]], champion_outputs: dict[str, tuple[Any, Any]]
) -> tuple[Comparison, ...]:
    """Return the comparisons by the metrics that both have for the same truth: their positive class may differ."""
    return tuple(
        msgspec.structs.replace(
            compare(name, truth, candidate=values, champion=champion_outputs[name][1]), better=BUILT_IN[name]
        )
        for name, (truth, values) in outputs.items()
        if name in champion_outputs and np.array_equal(truth, champion_outputs[name][0])
    )


def _latency(candidate: JudgedModel, champion: JudgedModel | None, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the latency of single-row calls as fields of the evidence; both models are called in turns."""
    models = {"": candidate} | ({"champion_": champion} if champion else {})
    row_count = max(model.rows_per_call(rows) for model in models.values())
    calls = {name: partial(_predict_some, model, rows, row_count=row_count) for name, model in models.items()}
    measured = latency.measure(calls)
    fields: dict[str, Any] = {f"{name}latency": result for name, result in measured.items()}
    return fields | {f"{name}latency_ms": result.quantiles_ms for name, result in measured.items()}


def _predict_some(model: JudgedModel, rows: pd.DataFrame, number: int, *, row_count: int) -> None:
    first = number % (len(rows) - row_count + 1)
    model.predict(rows.iloc[first : first + row_count])


def signature_changes(old: Any, new: Any) -> tuple[str, ...] | None:
    """Return the changes that break callers of `old`; None where one of them has no signature."""
    if old is None or new is None or old.inputs is None or new.inputs is None:
        return None
    before, after = _columns(old.inputs), _columns(new.inputs)
    changes = [f"input {name} is gone" for name in before if name not in after]
    changes += [
        f"input {name} is new and required" for name, column in after.items() if name not in before and column[1]
    ]
    changes += [
        f"input {name} was {before[name][0]}, is {after[name][0]}"
        for name in before
        if name in after and before[name][0] != after[name][0]
    ]
    return tuple(changes)


def _columns(schema: Any) -> dict[str, tuple[str, bool]]:
    return {
        str(item.get("name", position)): (
            str(item.get("type")) + str(item.get("tensor-spec", "")),
            item.get("required", True),
        )
        for position, item in enumerate(schema.to_dict())
    }


def _answered(output: Any) -> Any:
    """Return the answers to the hold-out as the column that the prediction log makes of them, None for none."""
    if output.ndim > 2 or (output.ndim == 2 and output.shape[1] > 2):
        return None
    return answers(*outputs(json.loads(json.dumps(output.tolist(), default=_as_logged, skipkeys=True))))


def _as_logged(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value.item() if isinstance(value, np.generic) else str(value)


def _reference(
    table: Table, candidate: JudgedModel, *, rows: pd.DataFrame | None, label: str, answered: Any
) -> profile.Profile:
    """Return the profile of the columns that the prediction log has, named as there: windows have no other.

    `answered` are the candidate's answers to the hold-out `rows`: to rows that it learned from it would answer too
    well.
    """
    import pandas as pd

    values = table.numpy()
    if rows is None:
        rows = pd.DataFrame(columns=[column for column in values if column != label])
    logged = candidate.logged_columns(rows)
    columns = {name: values[column] for name, column in logged.items() if column in values and column != label}
    if not columns:
        print(f"{candidate.name} has no reference: its signature names no inputs, so that none is logged", flush=True)
    return with_roles(profile.build(columns, prediction=answered), columns, answered)


def _open(client: Client, source: TableSource, folder: Path) -> Table:
    return open_dataset(source.dataset, client, folder) if source.dataset else open_table(source.output, client, folder)
