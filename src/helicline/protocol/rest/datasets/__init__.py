"""Datasets over HTTP: versions and contracts, and what a person looks at."""

from helicline.protocol.rest.datasets import look, versions

ROUTES = [*versions.ROUTES, *look.ROUTES]
