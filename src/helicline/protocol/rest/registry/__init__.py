"""The registry's pages over HTTP: protected aliases, requests, cards, lineage, differences."""

from helicline.protocol.rest.registry import protection, version_documents

ROUTES = [*protection.ROUTES, *version_documents.ROUTES]
