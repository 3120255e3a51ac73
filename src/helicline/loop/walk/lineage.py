"""Lineage both ways: data -> run -> version -> deployment, from any of them."""

from __future__ import annotations

import re
from collections.abc import Callable

import msgspec

from helicline import tracking
from helicline.data import versions as datasets
from helicline.errors import HeliclineError, Invalid, NotFound
from helicline.records.pipeline import PipelineRun
from helicline.records.run import Run
from helicline.registry import get_version
from helicline.store import nouns
from helicline.store.unit import Reader

MOST_NODES, MOST_EACH, LOOKED_AT = 150, 25, 500
PIPELINE_TAG = "helicline.pipeline_run"
Name = tuple[str, str]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One noun in the lineage. `side` says where it lies from the focus: back, focus or forward."""

    noun: str
    id: str
    title: str
    detail: str = ""
    side: str = "focus"


class Edge(msgspec.Struct, frozen=True, kw_only=True):
    """From what was made of, to what was made; both as `noun:id`."""

    start: str
    end: str


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What a noun comes from and what came of it; `cut` where there is more than is told."""

    focus: str
    nodes: list[Node]
    edges: list[Edge]
    cut: bool = False


def lineage(tx: Reader, noun: str, id: str) -> Lineage:
    """Return what lies behind and before a noun.

    Raises:
        Invalid: lineage does not know the noun. NotFound: there is none of that name.
    """
    if noun not in KINDS:
        raise Invalid("noun", noun, f"one of {', '.join(KINDS)}")
    focus = _node(tx, (noun, id), "focus")
    nodes, edges, cut = {(noun, focus.id): focus}, set[tuple[Name, Name]](), False
    for side in ("back", "forward"):
        waiting = [(noun, focus.id)]
        while waiting:
            name = waiting.pop(0)
            following = (KINDS[name[0]].back if side == "back" else KINDS[name[0]].forward)(tx, name[1])
            cut |= len(following) > MOST_EACH or len(nodes) >= MOST_NODES
            for other in following[:MOST_EACH] if len(nodes) < MOST_NODES else []:
                edges.add((other, name) if side == "back" else (name, other))
                if other not in nodes:
                    nodes[other] = _node(tx, other, side)
                    waiting.append(other)
    edge_list = [Edge(start=":".join(start), end=":".join(end)) for start, end in sorted(edges)]
    return Lineage(focus=f"{noun}:{focus.id}", nodes=list(nodes.values()), edges=edge_list, cut=cut)


def _node(tx: Reader, name: Name, side: str) -> Node:
    title, detail = KINDS[name[0]].describe(tx, name[1])
    return Node(noun=name[0], id=name[1], title=title, detail=detail, side=side)


class _Kind(msgspec.Struct, frozen=True):
    describe: Callable[[Reader, str], tuple[str, str]]
    back: Callable[[Reader, str], list[Name]]
    forward: Callable[[Reader, str], list[Name]]


def _nothing(_tx: Reader, _id: str) -> list[Name]:
    return []


# --- data -----------------------------------------------------------------------------------------------------------


def _describe_data(tx: Reader, id: str) -> tuple[str, str]:
    try:
        version = datasets.resolve(tx, id)
    except HeliclineError:
        if "@" not in id:
            raise
        return id, "as a client named it"
    return f"{version.dataset} v{version.sequence}", version.message


def _from_data(tx: Reader, id: str) -> list[Name]:
    """Return the runs that used the data: those that said so, and those of pipelines that took it in."""
    dataset, _, digest = id.partition("@")
    clause = f"dataset.name = {_quoted(dataset)} AND dataset.digest = {_quoted(digest)}"
    everywhere = [experiment.experiment_id for experiment in tracking.search_experiments(tx)[0]]
    dataset_runs, _ = tracking.search_runs(tx, everywhere, filter=clause, max_results=MOST_EACH + 1)
    names = [("run", run.run_id) for run in dataset_runs]
    order = [nouns.PIPELINE_RUNS.table.c.created_at.desc()]
    for pipeline in nouns.PIPELINE_RUNS.select(tx, order=order, limit=LOOKED_AT):
        if id in pipeline.inputs.values():
            names += [("run", run.run_id) for run in _runs_of(tx, pipeline, everywhere)]
    return list(dict.fromkeys(names))


def _runs_of(tx: Reader, pipeline: PipelineRun, experiments: list[str]) -> list[Run]:
    clause = f"tags.`{PIPELINE_TAG}` = {_quoted(pipeline.id)}"
    return tracking.search_runs(tx, experiments, filter=clause, max_results=MOST_EACH)[0]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- runs -----------------------------------------------------------------------------------------------------------


def _describe_run(tx: Reader, id: str) -> tuple[str, str]:
    run = tracking.find_run(tx, id)
    if run is None:
        if not _from_run(tx, id):
            raise NotFound("run", id)
        return id, "recorded by another tracking server"
    commit = run.tags.get("mlflow.source.git.commit", "")
    return run.name or id, f"commit {commit[:10]}" if commit else run.status.lower()


def _behind_run(tx: Reader, id: str) -> list[Name]:
    run = tracking.find_run(tx, id)
    if run is None:
        return []
    pipeline = nouns.PIPELINE_RUNS.find(tx, run.tags.get(PIPELINE_TAG, ""))
    names = [("dataset_version", ref) for ref in (pipeline.inputs if pipeline else {}).values()]
    if not names:
        names = [("dataset_version", f"{dataset_input.name}@{dataset_input.digest}") for dataset_input in run.inputs]
    return list(dict.fromkeys(names))


def _from_run(tx: Reader, id: str) -> list[Name]:
    versions = nouns.VERSIONS.select(tx, nouns.VERSIONS.table.c.run_id == id)
    return [("model_version", version.id) for version in versions if not version.deleted]


# --- versions and deployments ---------------------------------------------------------------------------------------


def _parts(id: str) -> tuple[str, int]:
    matched = re.fullmatch(r"(.+)/([0-9]{1,9})", id)
    if matched is None:
        raise Invalid("id", id, "a model version like churn/7")
    return matched[1], int(matched[2])


def _describe_version(tx: Reader, id: str) -> tuple[str, str]:
    version = get_version(tx, *_parts(id))
    aliases = nouns.ALIASES.select(tx, nouns.ALIASES.table.c.model == version.model)
    return version.id, ", ".join(f"@{alias.alias}" for alias in aliases if alias.number == version.number)


def _behind_version(tx: Reader, id: str) -> list[Name]:
    version = get_version(tx, *_parts(id))
    return [("run", version.run_id)] if version.run_id else []


def _from_version(tx: Reader, id: str) -> list[Name]:
    model, number = _parts(id)
    deployments = nouns.DEPLOYMENTS.select(tx, nouns.DEPLOYMENTS.table.c.model == model)
    column = nouns.REVISIONS.table.c
    return [
        ("deployment", deployment.name)
        for deployment in deployments
        if any(rev.model_version == number for rev in nouns.REVISIONS.select(tx, column.deployment == deployment.name))
    ]


def _describe_deployment(tx: Reader, id: str) -> tuple[str, str]:
    deployment = nouns.DEPLOYMENTS.get(tx, id)
    if not deployment.stable:
        return id, "serves nothing yet"
    revision = nouns.REVISIONS.get(tx, id, deployment.stable)
    return id, f"serves {revision.model}/{revision.model_version}"


def _behind_deployment(tx: Reader, id: str) -> list[Name]:
    deployment = nouns.DEPLOYMENTS.get(tx, id)
    if not deployment.stable:
        return []
    revision = nouns.REVISIONS.get(tx, id, deployment.stable)
    return [("model_version", f"{revision.model}/{revision.model_version}")]


KINDS = {
    "dataset_version": _Kind(_describe_data, _nothing, _from_data),
    "run": _Kind(_describe_run, _behind_run, _from_run),
    "model_version": _Kind(_describe_version, _behind_version, _from_version),
    "deployment": _Kind(_describe_deployment, _behind_deployment, _nothing),
}
