"""The registry's pages over HTTP: protected aliases, requests, cards, lineage, differences."""

from helicline.protocol.rest.registry import papers, protection

ROUTES = [*protection.ROUTES, *papers.ROUTES]
