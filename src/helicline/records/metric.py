"""Metrics: the names and directions of the built-in ones, and the ones that a loop file defines."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import msgspec

Better = Literal["higher", "lower"]
DIRECTIONS: tuple[str, ...] = get_args(Better)
BUILT_IN: dict[str, Better] = {
    "accuracy": "higher",
    "auc": "higher",
    "gini": "higher",
    "ks": "higher",
    "precision": "higher",
    "recall": "higher",
    "f1": "higher",
    "log_loss": "lower",
    "brier": "lower",
    "calibration_error": "lower",
    "mae": "lower",
    "mse": "lower",
    "rmse": "lower",
    "r2": "higher",
    "mrr": "higher",
}
AT_RANK = ("ndcg", "map", "recall", "precision", "mrr")
FAMILIES = ("ndcg@K", "map@K", "recall@K", "precision@K", "mrr@K", "pinball@LEVEL", "coverage@LOW-HIGH")
RESERVED = {*BUILT_IN, *AT_RANK, "pinball", "coverage", "mean"}


class Formula(NamedTuple):
    """What the name of a built-in metric says: its kind, its numbers (a rank, or levels of quantiles), its direction.

    A rank of 0 stands for all ranks.
    """

    kind: str
    at: tuple[float, ...] = ()
    better: Better = "higher"

    @property
    def is_ranking(self) -> bool:
        return self.kind.endswith("@") and self.kind[:-1] in AT_RANK


def formula_of(name: str) -> Formula | None:
    """Return the formula that a name stands for, None where none is built in."""
    stem, sign, rest = name.partition("@")
    if not sign:
        return (
            Formula("mrr@", (0,)) if name == "mrr" else Formula(name, (), BUILT_IN[name]) if name in BUILT_IN else None
        )
    if stem in AT_RANK:
        return Formula(f"{stem}@", (int(rest),)) if rest.isascii() and rest.isdigit() and int(rest) > 0 else None
    levels = [_level(part) for part in rest.split("-")]
    if None in levels or len(levels) != {"pinball": 1, "coverage": 2}.get(stem):
        return None
    at = tuple(level for level in levels if level is not None)
    return None if sorted(set(at)) != list(at) else Formula(f"{stem}@", at, "lower" if stem == "pinball" else "higher")


def _level(text: str) -> float | None:
    try:
        level = float(text)
    except ValueError:
        return None
    return level if 0 < level < 1 else None


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """What it costs to answer `predicted` where `truth` is right."""

    truth: str
    predicted: str
    cost: float


class MetricSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A metric of a loop. `base` is the name of a built-in one, of a function of the loop file, or of a cost matrix.

    `function` is `module:name` in the bundle of the loop's code, `group` the column of the hold-out whose values are
    judged together (a user's rows), `output` the one of several outputs of the model that is measured.
    """

    base: str
    better: Better
    function: str = ""
    code_hash: str = ""
    group: str = ""
    output: str = ""
    costs: tuple[Cost, ...] = ()

    @property
    def name(self) -> str:
        """How gates, cards and pages call it: `output.base/group`."""
        named = f"{self.output}.{self.base}" if self.output else self.base
        return f"{named}/{self.group}" if self.group and not self.function else named


def spec_of(name: str) -> MetricSpec | None:
    """Return the spec of a built-in metric without options, None where there is none of that name."""
    formula = formula_of(name)
    return MetricSpec(base=name, better=formula.better) if formula is not None else None


def class_text(value: object) -> str:
    """Return a class as the text by which costs name it: 1, 1.0 and True are one class."""
    plain = value.item() if hasattr(value, "item") else value  # of NumPy
    if not isinstance(plain, int | float):
        return str(plain)
    return str(int(plain)) if float(plain).is_integer() else repr(float(plain))
