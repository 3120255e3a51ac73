"""Pages of a search while others go on writing: nothing comes twice, nothing is left out."""

from __future__ import annotations

import uuid

import pytest

TWO, THREE = "/api/2.0/mlflow", "/api/3.0/mlflow"


class Kind:
    """One search: how a thing is made, and how a page is asked for; what is made later comes first or last."""

    def __init__(self, http, experiment: str) -> None:
        self.http, self.experiment, self.prefix = http, experiment, f"p{uuid.uuid4().hex[:8]}"
        self.count = 0

    def post(self, path: str, body: dict):
        answer = self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def page(self, token: str) -> tuple[list[str], str]:
        page = self.ask(token).json()
        return self.ids(page), page.get("next_page_token", "")

    def name(self) -> str:
        self.count += 1
        return f"{self.prefix}-{self.count:03d}"


class Experiments(Kind):
    def make(self) -> str:
        name = self.name()
        self.post(f"{TWO}/experiments/create", {"name": name})
        return name

    def ask(self, token: str):
        body = {"max_results": 2, "filter": f"name LIKE '{self.prefix}%'", "page_token": token}
        return self.http.post(f"{TWO}/experiments/search", json=body)

    def ids(self, page: dict) -> list[str]:
        return [experiment["name"] for experiment in page.get("experiments", [])]


class Models(Kind):
    def make(self) -> str:
        name = f"{self.prefix}-{999 - self.count:03d}"  # each comes before those that are there
        self.count += 1
        self.post(f"{TWO}/registered-models/create", {"name": name})
        return name

    def ask(self, token: str):
        query = {"max_results": 2, "filter": f"name LIKE '{self.prefix}%'", "page_token": token}
        return self.http.get(f"{TWO}/registered-models/search", params=query)

    def ids(self, page: dict) -> list[str]:
        return [model["name"] for model in page.get("registered_models", [])]


class Logged(Kind):
    def make(self) -> str:
        body = {"experiment_id": self.experiment, "name": self.name()}
        return self.post(f"{TWO}/logged-models", body)["model"]["info"]["model_id"]

    def ask(self, token: str):
        body = {"experiment_ids": [self.experiment], "max_results": 2, "page_token": token}
        return self.http.post(f"{TWO}/logged-models/search", json=body)

    def ids(self, page: dict) -> list[str]:
        return [model["info"]["model_id"] for model in page.get("models", [])]


class Traces(Kind):
    def place(self) -> dict:
        return {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": self.experiment}}

    def make(self) -> str:
        self.count += 1
        info = {"trace_id": f"tr-{uuid.uuid4().hex}", "request_time": f"2026-01-{self.count:02d}T00:00:00Z"}
        info |= {"trace_location": self.place()}
        return self.post(f"{THREE}/traces", {"trace": {"trace_info": info}})["trace"]["trace_info"]["trace_id"]

    def ask(self, token: str):
        body = {"locations": [self.place()], "max_results": 2, "page_token": token}
        return self.http.post(f"{THREE}/traces/search", json=body)

    def ids(self, page: dict) -> list[str]:
        return [trace["trace_id"] for trace in page.get("traces", [])]


class Datasets(Kind):
    def make(self) -> str:
        body = {"name": self.name(), "experiment_ids": [self.experiment]}
        return self.post(f"{THREE}/datasets/create", body)["dataset"]["dataset_id"]

    def ask(self, token: str):
        body = {"experiment_ids": [self.experiment], "max_results": 2, "page_token": token}
        return self.http.post(f"{THREE}/datasets/search", json=body)

    def ids(self, page: dict) -> list[str]:
        return [dataset["dataset_id"] for dataset in page.get("datasets", [])]


KINDS = [Experiments, Models, Logged, Traces, Datasets]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_made_between_two_pages_moves_none_of_them(http, experiment, kind):
    about = kind(http, experiment)
    existing, listed, token = [about.make() for _ in range(6)], [], ""
    for _ in range(10):
        page, token = about.page(token)
        listed += page
        if not token:
            break
        about.make()
    assert sorted(listed) == sorted(existing)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "token", ["x", "e30=", "eyJvZmZzZXQiOi0xfQ==", "W10=", "bnVsbA==", "' OR 1=1", "eyJhZnRlciI6MSwib2Zmc2V0IjoxfQ=="]
)
def test_a_token_that_no_answer_gave_is_refused(http, experiment, kind, token: str):
    answer = kind(http, experiment).ask(token)
    assert (answer.status_code, answer.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
