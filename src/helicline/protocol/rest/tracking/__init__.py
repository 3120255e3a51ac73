"""Runs over HTTP: table, charts, artifacts, edits, comparison."""

from helicline.protocol.rest.tracking import artifacts, compare, edit, series, table

ROUTES = [*table.ROUTES, *series.ROUTES, *edit.ROUTES, *artifacts.ROUTES, *compare.ROUTES]
