"""The prediction log: the answer of each call, and its labels, which arrive later.

The way of a row: `segment` (appended by the gateway) -> `columns` -> `seal` (Parquet) -> `read`, `labels`, `harvest`.
"""
