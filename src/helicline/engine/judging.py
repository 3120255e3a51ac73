"""The judge task: measures candidate and champion on the same hold-out rows, in a worker."""

from __future__ import annotations

import tarfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from helicline.engine import latency
from helicline.engine.step import open_dataset, open_table
from helicline.errors import Invalid
from helicline.gate.paired import compare, measure
from helicline.monitor import profile
from helicline.records.gate import Comparison, Evidence
from helicline.records.pipeline import Completion, JudgeSpec, TableSource, TaskSpec
from helicline.sdk.client import Client
from helicline.sdk.handles import Table

if TYPE_CHECKING:
    import pandas as pd

MAX_CLASSES = 200


class Judged:
    """One loaded model version."""

    def __init__(self, path: Path) -> None:
        import mlflow.pyfunc

        self.path = path
        self.model = mlflow.pyfunc.load_model(str(path))
        self.signature = self.model.metadata.signature

    def predict(self, rows: pd.DataFrame) -> Any:
        return np.asarray(self.model.predict(rows)).reshape(len(rows), -1)[:, 0]

    def scores(self, rows: pd.DataFrame) -> Any:
        """Return the probability of the second class, or None where the model has none."""
        estimator: Any = getattr(self.model, "get_raw_model", lambda: None)()
        if not hasattr(estimator, "predict_proba") or len(getattr(estimator, "classes_", ())) != 2:
            return None
        return estimator.predict_proba(rows)[:, 1]


def run_judge(task: TaskSpec, client: Client, scratch: Path) -> Completion:
    """Measure both models and profile the reference; the server makes verdicts of this evidence."""
    spec = task.judge
    assert spec is not None
    holdout = _open(client, spec.holdout, scratch / "holdout").pandas()
    truth, rows = _split(holdout, spec.label)
    candidate = Judged(_fetch(client, spec.model, number=spec.candidate, target=scratch / "candidate"))
    champion = (
        Judged(_fetch(client, spec.model, number=spec.champion, target=scratch / "champion")) if spec.champion else None
    )
    evidence = _evidence(candidate, champion, rows=rows, truth=truth, task=spec)
    reference = _reference(client, spec, scratch)
    profile_blob = client.put_bytes(profile.encode(reference))
    evidence = msgspec.structs.replace(evidence, profile=profile_blob, centres=profile.centres_of(reference))
    print(f"judged {spec.model}/{spec.candidate} on {len(rows)} rows: {evidence.metrics}", flush=True)
    return Completion(fence=task.fence, ok=True, result={"evidence": msgspec.to_builtins(evidence)})


def _split(holdout: pd.DataFrame, label: str) -> tuple[Any, pd.DataFrame]:
    if label not in holdout.columns:
        raise Invalid(
            "hold-out", f"columns {', '.join(map(str, holdout.columns[:8]))}", f"a column {label!r} with the truth"
        )
    return holdout[label].to_numpy(), holdout.drop(columns=[label])


def _fetch(client: Client, model: str, *, number: int, target: Path) -> Path:
    target.mkdir(parents=True)
    response = client.send("GET", f"/models/{model}/versions/{number}/archive", timeout_s=600)
    archive = target.with_suffix(".tar")
    archive.write_bytes(response.content)
    with tarfile.open(archive) as files:
        files.extractall(target, filter="data")
    return target


def _evidence(
    candidate: Judged, champion: Judged | None, *, rows: pd.DataFrame, truth: Any, task: JudgeSpec
) -> Evidence:
    candidate_outputs = _outputs(candidate, rows, truth)
    champion_outputs = _outputs(champion, rows, truth) if champion else {}
    return Evidence(
        row_count=len(rows),
        metrics={name: measure(name, truth, values) for name, values in candidate_outputs.items()},
        champion_metrics={name: measure(name, truth, values) for name, values in champion_outputs.items()},
        comparisons=_comparisons(truth, candidate_outputs, champion_outputs),
        **_latency(candidate, champion, rows),
        signature_changes=signature_changes(champion.signature, candidate.signature) if champion else None,
        holdout_digest=task.holdout.output.digest,
        champion_number=task.champion,
    )


def _outputs(model: Judged, rows: pd.DataFrame, truth: Any) -> dict[str, Any]:
    """Return the input of each metric that is defined for the target, by metric."""
    predicted = model.predict(rows)
    if truth.dtype.kind == "f" and len(np.unique(truth)) > MAX_CLASSES:
        return {"mae": predicted, "mse": predicted}
    scores = model.scores(rows)
    return {"accuracy": predicted} | ({"auc": scores, "log_loss": scores} if scores is not None else {})


def _comparisons(
    truth: Any, candidate_outputs: dict[str, Any], champion_outputs: dict[str, Any]
) -> tuple[Comparison, ...]:
    return tuple(
        compare(name, truth, candidate=candidate_outputs[name], champion=champion_outputs[name])
        for name in candidate_outputs
        if name in champion_outputs
    )


def _latency(candidate: Judged, champion: Judged | None, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the latency of single-row calls as fields of the evidence; both models are called in turns."""
    models = {"": candidate} | ({"champion_": champion} if champion else {})
    measured = latency.measure({name: partial(_predict_row, model, rows) for name, model in models.items()})
    fields: dict[str, Any] = {f"{name}latency": result for name, result in measured.items()}
    return fields | {f"{name}latency_ms": result.quantiles_ms for name, result in measured.items()}


def _predict_row(model: Judged, rows: pd.DataFrame, number: int) -> None:
    model.predict(rows.iloc[[number % len(rows)]])


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


def _reference(client: Client, spec: JudgeSpec, scratch: Path) -> profile.Profile:
    table = _open(client, spec.reference, scratch / "reference")
    columns = {name: values for name, values in table.numpy().items() if name != spec.label}
    return profile.build(columns)


def _open(client: Client, source: TableSource, folder: Path) -> Table:
    return open_dataset(source.dataset, client, folder) if source.dataset else open_table(source.output, client, folder)
