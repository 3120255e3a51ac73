"""The judge task: measures candidate and champion on the same hold-out rows, in a worker."""

from __future__ import annotations

import json
import tarfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from helicline.engine import latency
from helicline.engine.judged_model import JudgedModel
from helicline.engine.step import open_table
from helicline.errors import Invalid
from helicline.gate.paired import compare, measure
from helicline.monitor import profile
from helicline.monitor.testable import with_roles
from helicline.records.gate import Comparison, Evidence
from helicline.records.pipeline import Completion, JudgeSpec, TableSource, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.handles import Table
from helicline.sdk.steps.dataset_table import open_dataset
from helicline.serving.prediction_log.columns import answers, outputs

if TYPE_CHECKING:
    import pandas as pd

MAX_CLASSES = 200


def run_judge(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Measure both models and profile the reference; the server makes verdicts of this evidence."""
    spec = task.judge
    assert spec is not None
    holdout = _open(client, spec.holdout, scratch / "holdout").pandas()
    truth, rows = _split(holdout, spec.label)
    candidate = _load(client, spec.model, number=spec.candidate, target=scratch / "candidate")
    champion = _load(client, spec.model, number=spec.champion, target=scratch / "champion") if spec.champion else None
    answered = _answered(candidate.answers(rows))
    evidence = _evidence(candidate, champion, rows=rows, truth=truth, task=spec)
    reference = _reference(client, spec, scratch, logged=candidate.logged_columns(rows), answered=answered)
    if not reference.columns:
        print(f"{candidate.name} has no reference: its signature names no inputs, so that none is logged", flush=True)
    profile_blob = client.put_bytes(profile.encode(reference))
    evidence = msgspec.structs.replace(evidence, profile=profile_blob, centres=profile.centres_of(reference))
    print(f"judged {spec.model}/{spec.candidate} on {len(rows)} rows: {evidence.metrics}", flush=True)
    return Completion(fence=task.fence, ok=True, result={"evidence": msgspec.to_builtins(evidence)})


def _split(holdout: pd.DataFrame, label: str) -> tuple[Any, pd.DataFrame]:
    """Return the truth, and the rows without it; rows whose truth is missing are left out, which is said."""
    if label not in holdout.columns:
        columns = ", ".join(map(str, holdout.columns[:8]))
        allowed = f"a column {label!r} with the truth; another name is said by hl.candidate(..., label='NAME')"
        raise Invalid("hold-out", f"columns {columns}", allowed)
    labelled = holdout[holdout[label].notna()]
    if len(labelled) < len(holdout):
        print(f"{len(holdout) - len(labelled)} of {len(holdout)} rows have no {label!r} and are left out", flush=True)
    if labelled.empty:
        raise Invalid("hold-out", f"no row with a {label!r} among {len(holdout)}", "rows with the truth")
    return labelled[label].to_numpy(), labelled.drop(columns=[label])


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
    candidate: JudgedModel, champion: JudgedModel | None, *, rows: pd.DataFrame, truth: Any, task: JudgeSpec
) -> Evidence:
    outputs = _outputs(candidate, rows, truth)
    champion_outputs = _outputs(champion, rows, truth) if champion else {}
    return Evidence(
        row_count=len(rows),
        metrics=_measured(outputs),
        champion_metrics=_measured(champion_outputs),
        comparisons=_comparisons(outputs, champion_outputs),
        **_latency(candidate, champion, rows),
        signature_changes=signature_changes(champion.signature, candidate.signature) if champion else None,
        holdout_digest=task.holdout.output.digest,
        champion_number=task.champion,
    )


def _outputs(model: JudgedModel, rows: pd.DataFrame, truth: Any) -> dict[str, tuple[Any, Any]]:
    """Return truth and output for each metric that is defined for the target, by metric."""
    predicted = model.predict(rows)
    if predicted.dtype == object and any(isinstance(value, dict | list) for value in predicted):
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
        compare(name, truth, candidate=values, champion=champion_outputs[name][1])
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
    return value.item() if isinstance(value, np.generic) else str(value)


def _reference(
    client: Client, spec: JudgeSpec, scratch: Path, *, logged: dict[str, str], answered: Any
) -> profile.Profile:
    """Return the profile of the columns that the prediction log has, named as there: windows have no other.

    `answered` are the candidate's answers to the hold-out: to rows that it learned from it would answer too well.
    """
    table = _open(client, spec.reference, scratch / "reference").numpy()
    columns = {name: table[column] for name, column in logged.items() if column in table and column != spec.label}
    return with_roles(profile.build(columns, prediction=answered), columns, answered)


def _open(client: Client, source: TableSource, folder: Path) -> Table:
    return open_dataset(source.dataset, client, folder) if source.dataset else open_table(source.output, client, folder)
