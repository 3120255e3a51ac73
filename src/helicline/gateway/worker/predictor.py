"""The ways a loaded model can be called, and which of them the proof allowed."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from helicline.errors import Invalid
from helicline.gateway.worker.model import Loaded
from helicline.protocol.scoring.decode import Row, RowReader

Way = Literal["matrix", "frame", "pyfunc"]
_DTYPES = {"double": "float64", "float": "float32", "long": "int64", "integer": "int32", "boolean": "bool"}


class Predictor:
    """Calls the model. `way` is how plain rows go; `batchable` is whether calls may be joined into one."""

    def __init__(self, loaded: Loaded) -> None:
        self.loaded = loaded
        self.signature = loaded.signature
        self.reader = RowReader(loaded.signature)
        self.way: Way = "pyfunc"
        self.batchable = False
        self.reason = ""
        self.numeric = self.signature.numeric or self.signature.matrix is not None
        self._dtype = self._matrix_dtype()
        self._rounded = [i for i, c in enumerate(self.signature.columns) if c.type == "float"]

    def _matrix_dtype(self) -> np.dtype[Any]:
        if self.signature.matrix is not None:
            return np.dtype(self.signature.matrix.dtype)
        if self.signature.numeric:
            return np.result_type(*[np.dtype(_DTYPES[c.type]) for c in self.signature.columns])
        return np.dtype("float64")

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways that this model could go, the fastest first."""
        if self.loaded.estimator is None or not self.reader.able:
            return ("pyfunc",)
        quick: tuple[Way, ...] = ("matrix",) if self.numeric else ()
        return (*quick, "frame", "pyfunc") if self.signature.columns else (*quick, "pyfunc")

    def rows(self, rows: list[Row], *, way: Way | None = None) -> Any:
        """Return the output for plain rows, by the way that was proven (or the one named)."""
        way = way or self.way
        if way == "matrix":
            return self.matrix(np.array(rows, dtype=np.float64))
        if way == "frame":
            return getattr(self.loaded.estimator, self.loaded.method)(self.frame(rows))
        return self.value(self.frame(rows))

    def matrix(self, matrix: np.ndarray[Any, Any]) -> Any:
        """Return the estimator's output for a float64 matrix of plain rows."""
        if matrix.dtype != self._dtype:
            matrix = matrix.astype(self._dtype)
        elif self._rounded and self._dtype == np.float64:
            matrix[:, self._rounded] = matrix[:, self._rounded].astype(np.float32)
        return getattr(self.loaded.estimator, self.loaded.method)(matrix)

    def value(self, value: Any, params: dict[str, Any] | None = None) -> Any:
        """Return the output for whatever the model takes, its schema enforced by MLflow if that is there."""
        if self.loaded.pyfunc is None:
            return getattr(self.loaded.estimator, self.loaded.method)(value)
        if params:
            return self.loaded.pyfunc.predict(value, params=params)
        return self.loaded.pyfunc.predict(value)

    def frame(self, rows: list[Row]) -> Any:
        """Return the rows as a frame (an array for a tensor signature) with the signature's types."""
        if self.signature.matrix is not None:
            return np.array(rows, dtype=self.signature.matrix.dtype)
        try:
            import pandas
        except ImportError:
            return np.array(rows, dtype=self._dtype if self.numeric else object)
        columns = list(zip(*rows, strict=True)) or [()] * len(self.signature.columns)
        return pandas.DataFrame(
            {
                column.name: _series(column.type, values, name=column.name)
                for column, values in zip(self.signature.columns, columns, strict=True)
            }
        )


def _series(kind: str, values: tuple[Any, ...], *, name: str) -> Any:
    if kind in ("double", "float"):
        return np.array([np.nan if v is None else v for v in values], dtype=_DTYPES[kind])
    if kind in _DTYPES:
        if None in values:
            raise Invalid(f"column {name!r}", None, kind)
        try:
            return np.array(values, dtype=_DTYPES[kind])
        except OverflowError:
            raise Invalid(f"column {name!r}", "a number out of range", kind) from None
    if kind == "datetime":
        import pandas

        try:
            return pandas.to_datetime(list(values)).astype("datetime64[ns]")
        except (ValueError, TypeError) as error:
            raise Invalid(f"column {name!r}", str(error), kind) from None
    return list(values)
