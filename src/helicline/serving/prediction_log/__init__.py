"""The prediction log: what each call was answered, and the labels that came in for it later.

The way of a row: `segment` (appended by the gateway) -> `columns` -> `seal` (Parquet) -> `read`, `labels`, `harvest`.
"""
