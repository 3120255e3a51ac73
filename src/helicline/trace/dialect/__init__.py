"""Attribute dialects of other instrumentations: OpenInference, OpenTelemetry GenAI, Traceloop and more (note 0031).

A span keeps its own attributes; those of MLflow that say the same are added when it is read.
"""

from helicline.trace.dialect.translate import USAGE_KEYS, Pair, decoded, translated

__all__ = ["USAGE_KEYS", "Pair", "decoded", "translated"]
