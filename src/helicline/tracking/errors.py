"""The errors of tracking."""

from __future__ import annotations

from helicline.errors import Conflict


class ParamChanged(Conflict):
    """``ParamChanged(run_id, key, why)``: the parameter has another value, and parameters cannot be changed."""

    code = "param_changed"

    def __init__(self, run_id: str, key: str, why: str) -> None:
        super().__init__("run", run_id, why)
        self.args = (run_id, key, why)
        self.run_id, self.key = run_id, key


class NotActive(Conflict):
    """``NotActive(noun, name, state)``: it is deleted and must be restored first."""

    code = "not_active"

    def __init__(self, noun: str, name: str, state: str) -> None:
        super().__init__(noun, name, f"must be in the 'active' state. Current state is {state}")
        self.args = (noun, name, state)
        self.state = state
