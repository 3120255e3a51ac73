"""Evaluation: datasets of examples, and scorers."""

from helicline.evaluation.dataset import (
    create_dataset,
    delete_dataset,
    delete_records,
    get_dataset,
    link_experiments,
    records,
    search_datasets,
    tag_dataset,
    upsert_records,
)
from helicline.evaluation.scorer import (
    delete_scorer,
    get_scorer,
    newest_scorers,
    online_scoring,
    register_scorer,
    scorer_versions,
    set_online_scoring,
)

__all__ = [
    "create_dataset",
    "delete_dataset",
    "delete_records",
    "delete_scorer",
    "get_dataset",
    "get_scorer",
    "link_experiments",
    "newest_scorers",
    "online_scoring",
    "records",
    "register_scorer",
    "scorer_versions",
    "search_datasets",
    "set_online_scoring",
    "tag_dataset",
    "upsert_records",
]
