"""Searches for registered models and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from helicline.clock import epoch_ms
from helicline.records.model import ModelVersion, RegisteredModel
from helicline.records.run import Clause, Sort
from helicline.registry.model import IS_PROMPT
from helicline.store.nouns import MODELS, VERSIONS
from helicline.store.unit import Reader
from helicline.tracking import grammar
from helicline.tracking.grammar import LISTED, NULLABLE, NUMERIC, Grammar, Kind, attribute
from helicline.tracking.page_token import paginate
from helicline.tracking.search import checked_page, sort_items

ENTITY_ALIASES = {"tag": "tag", "tags": "tag", "attribute": "attribute", "attributes": "attribute", "attr": "attribute"}
TIMES = attribute(NUMERIC, "creation_timestamp", is_number=True) | attribute(
    NUMERIC, "last_updated_timestamp", "timestamp", is_number=True
)
MODEL_GRAMMAR = Grammar(
    aliases=ENTITY_ALIASES,
    kinds={"tag": Kind(ops=NULLABLE), "attribute": Kind(ops=LISTED, keys=attribute(LISTED, "name") | TIMES)},
)
VERSION_GRAMMAR = Grammar(
    aliases=ENTITY_ALIASES,
    kinds={
        "tag": Kind(ops=NULLABLE),
        "attribute": Kind(
            ops=LISTED,
            keys=attribute(LISTED, "name")
            | attribute(LISTED, "run_id")
            | attribute(LISTED, "source_path")
            | attribute(LISTED, "current_stage", "stage")
            | attribute(NUMERIC, "version_number", "version", is_number=True)
            | TIMES,
        ),
    },
)


def search_models(
    tx: Reader,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 100,
    page_token: str = "",
) -> tuple[list[RegisteredModel], str]:
    """Return one page of models by name. Prompts are excluded unless the filter has the prompt tag."""
    checked_page("max_results", max_results, 1000)
    clauses = grammar.parse_filter(filter, MODEL_GRAMMAR)
    order = grammar.parse_order(order_by, MODEL_GRAMMAR)
    about_prompts = [clause for clause in clauses if (clause.entity, clause.key) == ("tag", IS_PROMPT)]
    matching = [
        model
        for model in sorted(MODELS.select(tx), key=lambda model: model.name)
        if (about_prompts or not model.is_prompt) and all(_model_matches(model, clause) for clause in clauses)
    ]
    ordered = sort_items(matching, order, _model_value)
    return paginate(ordered, limit=max_results, token=page_token, id_of=lambda model: model.name)


def _model_matches(model: RegisteredModel, clause: Clause) -> bool:
    if (clause.entity, clause.key) == ("tag", IS_PROMPT):
        # clients filter by `!= 'true'` to get models, which do not have this tag
        return grammar.satisfies(clause, "true" if model.is_prompt else "false")
    return grammar.satisfies(clause, _model_value(model, clause))


def _model_value(model: RegisteredModel, term: Clause | Sort) -> Any:
    if term.entity == "tag":
        return model.tags.get(term.key)
    if term.key == "name":
        return model.name
    return epoch_ms(model.created_at if term.key == "creation_timestamp" else model.updated_at)


def search_versions(
    tx: Reader,
    *,
    filter: str = "",
    order_by: Sequence[str] = (),
    max_results: int = 10_000,
    page_token: str = "",
) -> tuple[list[ModelVersion], str]:
    """Return one page of versions that are not deleted: by name, then the newest first."""
    checked_page("max_results", max_results, 200_000)
    clauses = grammar.parse_filter(filter, VERSION_GRAMMAR)
    order = grammar.parse_order(order_by, VERSION_GRAMMAR)
    table = VERSIONS.table.c
    columns = {"name": table.model, "run_id": table.run_id}
    where = [columns[c.key] == c.value for c in clauses if c.op == "=" and c.key in columns and c.entity != "tag"]
    prompts = {model.name for model in MODELS.select(tx) if model.is_prompt} if not clauses else set()
    matching = [
        version
        for version in VERSIONS.select(tx, *where, order=(table.model, table.number.desc()))
        if not version.deleted
        and version.model not in prompts
        and all(grammar.satisfies(clause, _version_value(version, clause)) for clause in clauses)
    ]
    matching.sort(key=lambda version: (version.model, -version.number))
    ordered = sort_items(matching, order, _version_value)
    return paginate(ordered, limit=max_results, token=page_token, id_of=lambda version: version.id)


def _version_value(version: ModelVersion, term: Clause | Sort) -> Any:
    if term.entity == "tag":
        return version.tags.get(term.key)
    if term.key in ("creation_timestamp", "last_updated_timestamp"):
        return epoch_ms(version.created_at if term.key == "creation_timestamp" else version.updated_at)
    names = {"name": "model", "version_number": "number", "source_path": "source", "current_stage": "stage"}
    return getattr(version, names.get(term.key, term.key))
