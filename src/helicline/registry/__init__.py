"""Registered models, versions, aliases, stages, protection and approvals."""

from helicline.registry.alias import alias_of, aliases, number_at, point, unpoint
from helicline.registry.approvals import decide_request, open_request, requests_of
from helicline.registry.card import earlier_card, edit_card
from helicline.registry.diff import diff_versions, signature_of
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
from helicline.registry.protect import (
    move_to_stage,
    point_or_ask,
    protect,
    protected_by,
    protection_of,
    request_alias,
    unmet,
    unprotect,
)
from helicline.registry.search import search_models, search_versions
from helicline.registry.source import check_claim, download_uri
from helicline.registry.stage import checked_stage, delete_version
from helicline.registry.version import (
    check_not_frozen,
    current_digest,
    describe_version,
    files,
    get_version,
    latest_by_stage,
    register,
    served_digest,
    tag_version,
    untag_version,
    versions,
)

__all__ = [
    "alias_of",
    "aliases",
    "check_claim",
    "check_not_frozen",
    "checked_stage",
    "create_model",
    "current_digest",
    "decide_request",
    "delete_model",
    "delete_version",
    "describe_model",
    "describe_version",
    "diff_versions",
    "download_uri",
    "earlier_card",
    "edit_card",
    "files",
    "get_model",
    "get_version",
    "latest_by_stage",
    "move_to_stage",
    "number_at",
    "open_request",
    "parse_mlmodel",
    "point",
    "point_or_ask",
    "protect",
    "protected_by",
    "protection_of",
    "read_mlmodel",
    "register",
    "rename_model",
    "request_alias",
    "requests_of",
    "search_models",
    "search_versions",
    "served_digest",
    "signature",
    "signature_of",
    "tag_model",
    "tag_version",
    "unmet",
    "unpoint",
    "unprotect",
    "untag_model",
    "untag_version",
    "versions",
]
