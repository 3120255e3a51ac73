"""The errors that only tracking raises."""

from __future__ import annotations

from helicline.errors import Conflict


class ParamChanged(Conflict):
    """``ParamChanged(run_id, key, why)``: a parameter is written once, and another value stands there."""

    code = "param_changed"

    def __init__(self, run_id: str, key: str, why: str) -> None:
        super().__init__("run", run_id, why)
        self.args = (run_id, key, why)
        self.run_id, self.key = run_id, key


class NotActive(Conflict):
    """``NotActive(noun, name, state)``: it was deleted; restore it first."""

    code = "not_active"

    def __init__(self, noun: str, name: str, state: str) -> None:
        super().__init__(noun, name, f"must be in the 'active' state. Current state is {state}")
        self.args = (noun, name, state)
        self.state = state
