"""The ways to ask for a prediction: the body of each for the same rows, and the values of its answer."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

DATATYPES = {"f8": "FP64", "f4": "FP32", "i8": "INT64", "i4": "INT32", "b1": "BOOL"}
SCORING = "/endpoints/{}/invocations"
INFER = "/v2/models/{}/infer"
Body = bytes | None


@dataclass(frozen=True)
class Face:
    """A protocol and a form of it. `encode` returns None where the form has no place for such an input."""

    name: str
    path: str
    encode: Callable[[Any], Body]
    media_type: str = "application/json"
    headers: Callable[[bytes], dict[str, str]] = lambda _: {}


def frame_of(sample: Any) -> pd.DataFrame | None:
    """Return the input as a table; None for a conversation, which is none."""
    if isinstance(sample, pd.DataFrame):
        return sample
    if isinstance(sample, dict):
        return None
    if isinstance(sample, list):
        return pd.DataFrame({"text": sample})
    return pd.DataFrame(sample, columns=[str(index) for index in range(sample.shape[1])])


def _of_table(form: Callable[[pd.DataFrame], Any]) -> Callable[[Any], Body]:
    def encode(sample: Any) -> Body:
        frame = frame_of(sample)
        content = None if frame is None else form(frame)
        return content if isinstance(content, bytes | None) else json.dumps(content).encode()

    return encode


def listed(sample: Any) -> Any:
    """Return the rows as JSON has them: objects of a table, lists of a matrix, texts."""
    if isinstance(sample, dict):
        return [sample]
    if isinstance(sample, pd.DataFrame):
        return sample.to_dict("records")
    return sample.tolist() if isinstance(sample, np.ndarray) else sample


def _instances(sample: Any) -> Body:
    return json.dumps({"instances": listed(sample)}).encode()


def _inputs(sample: Any) -> Body:
    if isinstance(sample, pd.DataFrame):
        return json.dumps({"inputs": {name: values.tolist() for name, values in sample.items()}}).encode()
    return json.dumps({"inputs": listed(sample)}).encode()


def _own(sample: Any) -> Body:
    return json.dumps(sample).encode() if isinstance(sample, dict) else None


def _split(frame: pd.DataFrame) -> Any:
    return {"dataframe_split": {"columns": list(frame.columns), "data": frame.to_numpy(dtype=object).tolist()}}


def _records(frame: pd.DataFrame) -> Any:
    return {"dataframe_records": frame.to_dict("records")}


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.to_parquet(file, index=False)
    return file.getvalue()


def tensor(name: str, values: np.ndarray) -> dict[str, Any]:
    datatype = DATATYPES.get(values.dtype.str[1:], "BYTES")
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": values.ravel().tolist()}


def _columns(sample: Any) -> Body:
    if not isinstance(sample, pd.DataFrame):
        return None
    return json.dumps({"inputs": [tensor(name, values.to_numpy()) for name, values in sample.items()]}).encode()


def matrix_of(sample: Any) -> np.ndarray | None:
    if isinstance(sample, dict):
        return None
    return np.asarray(sample) if not isinstance(sample, pd.DataFrame) else sample.to_numpy()


def _matrix(sample: Any) -> Body:
    matrix = matrix_of(sample)
    return None if matrix is None else json.dumps({"inputs": [tensor("rows", matrix)]}).encode()


def _raw(document: dict[str, Any], values: np.ndarray) -> bytes:
    """Move the values of a tensor out of its document; return them as bytes."""
    data = document.pop("data")
    texts = [text.encode() for text in data if isinstance(text, str)]
    raw = b"".join(struct.pack("<I", len(text)) + text for text in texts) if texts else values.tobytes()
    document["parameters"] = {"binary_data_size": len(raw)}
    return raw


def _binary(sample: Any) -> Body:
    if isinstance(sample, dict):
        return None
    named = {"rows": np.asarray(sample)} if not isinstance(sample, pd.DataFrame) else dict(sample.items())
    tensors = {name: (tensor(name, np.asarray(values)), np.asarray(values)) for name, values in named.items()}
    raw = b"".join(_raw(document, values) for document, values in tensors.values())
    return json.dumps({"inputs": [document for document, _ in tensors.values()]}).encode() + raw


def _head_length(body: bytes) -> dict[str, str]:
    return {"Inference-Header-Content-Length": str(body.rindex(b"}]}") + 3)}


FACES = (
    Face("dataframe_split", SCORING, _of_table(_split)),
    Face("dataframe_records", SCORING, _of_table(_records)),
    Face("instances", SCORING, _instances),
    Face("inputs", SCORING, _inputs),
    Face("own JSON", SCORING, _own),
    Face("CSV", SCORING, _of_table(_csv), "text/csv"),
    Face("Parquet", SCORING, _of_table(_parquet), "application/vnd.apache.parquet"),
    Face("V1", "/v1/models/{}:predict", _instances),
    Face("OIP, a tensor a column", INFER, _columns),
    Face("OIP, one tensor", INFER, _matrix),
    Face("OIP, binary", INFER, _binary, "application/octet-stream", _head_length),
)


def values_of(answer: Any) -> list[Any]:
    """Return the values of an answer in one list, whatever the protocol."""
    if isinstance(answer, dict) and "outputs" in answer:
        return flat(
            [
                json.loads(value) if str(value)[:1] == "{" else value
                for output in answer["outputs"]
                for value in output["data"]
            ]
        )
    return flat(answer["predictions"] if isinstance(answer, dict) and "predictions" in answer else answer)


def flat(value: Any) -> list[Any]:
    """Return the scalars in a value, in order."""
    if isinstance(value, pd.DataFrame):
        value = value.to_dict("list") if len(value.columns) > 1 else value.to_numpy().ravel().tolist()
    if hasattr(value, "tolist"):
        value = value.tolist()
    if hasattr(value, "to_dict"):
        value = value.to_dict()
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return [value]
    return [scalar for part in value for scalar in flat(part)]
