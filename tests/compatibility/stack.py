"""Server, worker and gateway of a home, as `hl up` starts them, for models of any flavour."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd

from helicline.engine import judging
from helicline.monitor import profile
from helicline.records.pipeline import JudgeSpec, Output, TableSource
from helicline.sdk.client import Client
from support.wait import wait_for


class Stack:
    """`hl up` on a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "home"
        variables = {"HELICLINE_HOME": str(self.home), "HELICLINE_PORT": "0", "HELICLINE_GATEWAY_PORT": "0"}
        variables["HELICLINE_LOG_SEAL_S"] = "0.3"
        self.log = folder / "up.log"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "helicline.cli.app", "up"]
            self.program = subprocess.Popen(
                command, env=os.environ | variables, cwd=folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_for((self.home / "gateway.url").is_file, f"the start; see {self.log}")
        self.url = (self.home / "server.url").read_text()
        self.gateway = httpx.Client(base_url=(self.home / "gateway.url").read_text(), timeout=60, trust_env=False)
        self.client = Client(self.url, token=(self.home / "owner.token").read_text().strip())

    def close(self) -> None:
        self.gateway.close()
        self.client.close()
        self.program.terminate()
        self.program.wait(60)

    def judge(self, model: str, holdout: pd.DataFrame) -> tuple[dict[str, float], profile.Profile]:
        """Judge version 1 with the code of the judge's task, but for the time of its calls, which is long to measure.

        Return the metrics and the profile of the reference.
        """
        scratch = self.folder / model
        rows_folder = scratch / "rows"
        rows_folder.mkdir(parents=True)
        holdout.to_parquet(rows_folder / "rows.parquet", index=False)
        self.client.commit(model, rows_folder, message="hold-out")
        source = TableSource(output=Output(kind="Table", digest=""), dataset=f"{model}@main")
        spec = JudgeSpec(model=model, candidate=1, champion=0, holdout=source, reference=source, label="label")
        table = judging._open(self.client, source, scratch / "holdout")
        _, truth, rows = judging._split(table.pandas(), spec.label)
        judged = judging._load(self.client, model, number=spec.candidate, target=scratch / "candidate")
        assert judged.rows_per_call(rows) == 1
        answered = judging._answered(judged.answers(rows))
        outputs = judging._outputs(judged, rows, truth)
        return judging._measured(outputs), judging._reference(
            table, judged, rows=rows, label=spec.label, answered=answered
        )

    def deploy(self, model: str) -> None:
        """Give version 1 all traffic as soon as it is loaded."""
        self.client.post(f"/deployments/{model}/rollouts", dict, {"model": model, "number": 1})

    def served(self, model: str) -> dict[str, Any]:
        """Return the revision once it is loaded and has the traffic, or has failed."""

        def revision() -> dict[str, Any] | None:
            detail = self.client.get(f"/deployments/{model}", dict[str, Any])
            newest = detail["revisions"][-1] if detail["revisions"] else {"state": ""}
            is_served = self.gateway.get(f"/v2/models/{model}/ready").status_code == 200
            return newest if is_served or newest["state"] == "FAILED" else None

        return wait_for(revision, f"{model} served; see {self.log}", limit_s=300, interval_s=0.1)

    def ask(self, path: str, body: bytes, **headers: str) -> httpx.Response:
        return self.gateway.post(path, content=body, headers=headers)

    def logged_types(self, model: str, answered: int) -> dict[str, str]:
        """Return the columns of the model's features in the prediction log, once all answered calls are in it."""
        files = str(self.home / "tables" / "predictions" / f"deployment={model}" / "*" / "*.parquet")
        rows = f"read_parquet('{files}', union_by_name=true)"

        def is_whole() -> bool:
            try:
                count = duckdb.sql(f"SELECT count(DISTINCT prediction_id) FROM {rows}").fetchall()[0][0]
            except duckdb.IOException:
                return False
            return count >= answered

        wait_for(is_whole, f"{answered} calls of {model} in the log", interval_s=0.1)
        described = duckdb.sql(f"DESCRIBE SELECT * FROM {rows}").fetchall()
        return {name: kind for name, kind, *_ in described if name.startswith("f_")}
