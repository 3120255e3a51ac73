"""Random sequences of calls give the same answers from the stock server and from ours, on both databases.

HELICLINE_DUEL is how many sequences each test draws; without it few enough for every day.

Where we differ on purpose, the moves leave it out: unknown enum values and names of datasets that are empty are refused
(the stock server drops them), a key that a request holds twice is taken once (there, an error of the database), times
end with the year 9999, and a version's download address names the place that a `runs:` source means.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import moves
from duel import differences

SEQUENCES = int(os.environ.get("HELICLINE_DUEL", "0"))


def duel(sides, sequences, examples):
    """Let hypothesis look for a sequence that is answered differently, and show the shortest one."""

    @settings(
        max_examples=SEQUENCES or examples,
        deadline=None,
        database=None,
        derandomize=not SEQUENCES,
        suppress_health_check=list(HealthCheck),
        # a stock server takes too long to look for the shortest sequence, unless somebody waits for it
        phases=list(Phase) if SEQUENCES else [Phase.explicit, Phase.generate],
    )
    @given(st.data())
    def look(data):
        found = differences(sides, data.draw(sequences(moves.prefix())))
        assert found == [], "\n".join(found)

    look()


@pytest.mark.parametrize(
    ("sequences", "examples"),
    [(moves.tracking, 25), (moves.registry, 25), (moves.logged_models, 20), (moves.traces, 20)],
    ids=["tracking", "registry", "logged models", "traces"],
)
def test_random_calls_are_answered_as_the_stock_server_answers_them(sides, sequences, examples):
    duel(sides, sequences, examples)


def test_a_difference_is_seen(sides):
    prefix = moves.prefix()
    sides[1].http.post("/api/2.0/mlflow/experiments/create", json={"name": f"{prefix}x"})
    create = ("POST", "/api/2.0/mlflow/experiments/create", {"name": f"{prefix}x"}, ("experiment", "experiment_id"))
    found = differences(sides, [create])
    assert "RESOURCE_ALREADY_EXISTS" in found[2]
