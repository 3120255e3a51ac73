"""The registry over HTTP: protected aliases, promotion requests, cards, lineage, differences."""

from helicline.protocol.rest.registry import protection, version_documents

ROUTES = [*protection.ROUTES, *version_documents.ROUTES]
