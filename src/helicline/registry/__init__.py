"""Models, versions and aliases."""

from helicline.registry.alias import alias_of, aliases, number_at, point, unpoint
from helicline.registry.mlmodel import parse_mlmodel, read_mlmodel, signature
from helicline.registry.model import (
    create_model,
    delete_model,
    describe_model,
    get_model,
    rename_model,
    tag_model,
    untag_model,
)
from helicline.registry.search import search_models, search_versions
from helicline.registry.source import check_claim
from helicline.registry.version import (
    checked_stage,
    delete_version,
    describe_version,
    files,
    get_version,
    latest_by_stage,
    move_to_stage,
    register,
    tag_version,
    untag_version,
    versions,
)

__all__ = [
    "alias_of",
    "aliases",
    "check_claim",
    "checked_stage",
    "create_model",
    "delete_model",
    "delete_version",
    "describe_model",
    "describe_version",
    "files",
    "get_model",
    "get_version",
    "latest_by_stage",
    "move_to_stage",
    "number_at",
    "parse_mlmodel",
    "point",
    "read_mlmodel",
    "register",
    "rename_model",
    "search_models",
    "search_versions",
    "signature",
    "tag_model",
    "tag_version",
    "unpoint",
    "untag_model",
    "untag_version",
    "versions",
]
