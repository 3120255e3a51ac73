"""The card of a model version: what was recorded of it, and what people wrote, as one document."""

from __future__ import annotations

import msgspec

from helicline import tracking
from helicline.loop.context import Context
from helicline.loop.walk.lineage import PIPELINE_TAG, lineage
from helicline.records.gate import GateReport
from helicline.records.metric import spec_of
from helicline.records.model import ModelVersion
from helicline.records.pipeline import PipelineRun
from helicline.records.run import Run
from helicline.registry import earlier_card, get_version, requests_of, signature_of
from helicline.registry.card import FIELDS
from helicline.registry.diff import describe_column
from helicline.store import nouns
from helicline.store.unit import Reader


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """What was recorded, as rows of name and value."""

    title: str
    rows: list[tuple[str, str]]


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One question a person answers: its text, and the text of an earlier version where this one is empty."""

    name: str
    question: str
    text: str = ""
    earlier: str = ""
    earlier_number: int = 0


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A version's card. `markdown` is all of it as a document to hand on."""

    model: str
    number: int
    digest: str
    fields: list[Field]
    sections: list[Section]
    missing_count: int
    markdown: str


def read_card(context: Context, tx: Reader, model: str, number: int) -> Card:
    """Return the card of a version."""
    version = get_version(tx, model, number)
    before = earlier_card(tx, version)
    fields = [
        Field(
            name=name,
            question=question,
            text=version.card.get(name, ""),
            earlier=before.get(name, ("", 0))[0],
            earlier_number=before.get(name, ("", 0))[1],
        )
        for name, question in FIELDS.items()
    ]
    sections = [section for section in _sections(context, tx, version) if section.rows]
    return Card(
        model=model,
        number=number,
        digest=version.digest,
        fields=fields,
        sections=sections,
        missing_count=sum(1 for field in fields if not field.text),
        markdown=as_markdown(version, fields, sections),
    )


def _sections(context: Context, tx: Reader, version: ModelVersion) -> list[Section]:
    run = tracking.find_run(tx, version.run_id)
    report = nouns.REPORTS.find(tx, version.model, version.number)
    pipeline = nouns.PIPELINE_RUNS.find(tx, run.tags.get(PIPELINE_TAG, "")) if run else None
    graph = lineage(tx, "model_version", version.id)
    data = [(node.id, node.detail or node.title) for node in graph.nodes if node.noun == "dataset_version"]
    serves = [(node.id, node.detail) for node in graph.nodes if node.noun == "deployment"]
    return [
        Section(title="Version", rows=_about(version)),
        Section(title="Data", rows=data),
        Section(title="Training", rows=_training(run, pipeline)),
        Section(title="Metrics", rows=_metrics(run, report)),
        Section(title="Gates", rows=_gates(report)),
        Section(title="Approvals", rows=_approvals(tx, version)),
        Section(title="Interface", rows=_interface(context, tx, version)),
        Section(title="Deployments", rows=serves),
    ]


def _about(version: ModelVersion) -> list[tuple[str, str]]:
    rows = [
        ("Digest", version.digest),
        ("Registered", f"{version.created_at:%Y-%m-%d %H:%M} UTC by {version.created_by}"),
        ("Description", version.description),
        ("Turn", f"{version.loop}~{version.turn}" if version.turn else ""),
    ]
    return [row for row in rows if row[1]]


def _training(run: Run | None, pipeline: PipelineRun | None) -> list[tuple[str, str]]:
    if run is None:
        return []
    rows = [("Run", f"{run.name} ({run.run_id})")]
    code = pipeline.spec.code if pipeline else None
    commit = code.commit if code else run.tags.get("mlflow.source.git.commit", "")
    if commit:
        rows.append(("Code", f"{commit[:12]}{', with changes not committed' if code and code.dirty else ''}"))
    if pipeline and (environment := pipeline.spec.environment):
        rows.append(("Environment", f"Python {environment.python}, {len(environment.packages)} packages"))
    return rows + [(f"Parameter {name}", value) for name, value in sorted(run.params.items())]


def _metrics(run: Run | None, report: GateReport | None) -> list[tuple[str, str]]:
    rows = [(point.key, f"{point.value:.6g}") for point in run.metrics] if run else []
    if report:
        on = f"on {report.evidence.row_count} rows held out"
        better = _directions(report)
        rows += [
            (f"{name} at the gate", f"{value:.6g} {on}{better.get(name, '')}")
            for name, value in report.evidence.metrics.items()
        ]
    return rows


def _directions(report: GateReport) -> dict[str, str]:
    """Return by metric which direction is better, of those that the judge measures."""
    checks = [verdict.check.measured for verdict in report.verdicts]
    specs = [spec for spec in (*checks, *map(spec_of, report.evidence.metrics)) if spec is not None]
    return {spec.name: f", {spec.better} is better" for spec in specs}


def _gates(report: GateReport | None) -> list[tuple[str, str]]:
    if report is None:
        return []
    verdicts = [
        (
            verdict.check.name,
            f"{verdict.outcome}: {verdict.reason}" + (f" (waived by {verdict.waived_by})" if verdict.waived_by else ""),
        )
        for verdict in report.verdicts
    ]
    return verdicts + [("Not tested", why) for why in report.evidence.untested]


def _approvals(tx: Reader, version: ModelVersion) -> list[tuple[str, str]]:
    return [
        (
            approval.person,
            f"{approval.decision} as {approval.role}, {approval.at:%Y-%m-%d}"
            + (f": {approval.reason}" if approval.reason else ""),
        )
        for request in requests_of(tx, version.model, number=version.number)
        for approval in request.approvals
    ]


def _interface(context: Context, tx: Reader, version: ModelVersion) -> list[tuple[str, str]]:
    model_signature = signature_of(tx, context.blobs, version)
    if model_signature is None:
        return []
    return [
        (f"{word} {column.get('name', at)}", describe_column(column))
        for word, columns in (
            ("Input", model_signature.inputs),
            ("Output", model_signature.outputs),
            ("Parameter", model_signature.params),
        )
        for at, column in enumerate(columns)
    ]


def as_markdown(version: ModelVersion, fields: list[Field], sections: list[Section]) -> str:
    """Return the card as a Markdown document."""
    lines = [f"# {version.id}", ""]
    for field in fields:
        lines += [f"## {field.question}", "", field.text or "*Nobody filled this in yet.*", ""]
    for section in sections:
        lines += [f"## {section.title}", "", "| | |", "|---|---|"]
        lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in section.rows]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
