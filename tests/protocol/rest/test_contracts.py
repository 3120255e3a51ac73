"""Contracts with a real server and worker: a broken day is quarantined, shown, and published by a person only."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest

import helicline as hl
from helicline.errors import Refused
from helicline.records.dataset import DatasetVersion
from support.server_process import ServerProcess


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    server = ServerProcess(tmp_path_factory.mktemp("home"))
    server.start()
    command = [sys.executable, "-m", "helicline.engine.worker", "--server", server.url]
    worker = subprocess.Popen(command, env={**os.environ, "HELICLINE_HOME": str(server.home)})
    yield server
    worker.terminate()
    worker.wait(30)
    server.stop()


@pytest.fixture
def client(place):
    with hl.Client(place.url) as session:
        yield session


@pytest.fixture
def run(place, tmp_path):
    def command(*arguments):
        environment = {**os.environ, "HELICLINE_URL": place.url, "COLUMNS": "300"}
        line = [sys.executable, "-m", "helicline.cli.app", *arguments]
        done = subprocess.run(line, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
        return done.returncode, done.stdout + done.stderr

    return command


def day(number, **changes):
    rows = {"day": [f"2026-03-{number:02d}"] * 200, "user": range(200), "amount": [float(at % 50) for at in range(200)]}
    return pd.DataFrame(rows | changes)


def head(client, name):
    return client.get(f"/datasets/{name}/versions/main", DatasetVersion)


def test_a_broken_day_is_quarantined_and_the_next_good_one_stands_on_what_was_good(client, run, tmp_path):
    day(1).to_csv(tmp_path / "1.csv", index=False)
    assert run("data", "commit", "clicks", "1.csv")[0] == 0
    code, inferred = run("data", "contract", "infer", "clicks")
    assert code == 0, inferred
    (tmp_path / "contract.yaml").write_text(inferred + "\nsql:\n  negative: SELECT * FROM data WHERE amount < 0\n")
    assert run("data", "contract", "set", "clicks", "contract.yaml")[0] == 0
    day(2, amount=-1.0).to_csv(tmp_path / "2.csv", index=False)
    code, output = run("data", "commit", "clicks", "2.csv", "--append")
    assert code != 0
    assert "sql negative (200 rows, none is allowed)" in output
    good = head(client, "clicks")
    assert (good.sequence, good.row_count) == (1, 200)
    day(3, user=range(200, 400)).to_csv(tmp_path / "3.csv", index=False)
    code, output = run("data", "commit", "clicks", "3.csv", "--append")
    assert (code, "rows_change (400 rows after 200" in output) == (1, True), output  # 50 % more are too many at once
    code, output = run("data", "show", "clicks@v2")
    assert "sql negative: day=2026-03-02, user=0, amount=-1.0" in output
    assert "clicks@v3 is quarantined" in run("status")[1]
    code, output = run("data", "publish", "clicks@v3", "--because", "two days at once")
    assert (code != 0, "nobody answers" in output) == (True, True)
    assert run("data", "publish", "clicks@v3", "--because", "two days at once", "--by", "Ann")[0] == 0
    assert (head(client, "clicks").sequence, "is quarantined" in run("status")[1]) == (3, False)


def test_a_frame_that_breaks_the_contract_is_an_error_in_python_and_a_drifted_column_too(client):
    client.send("PUT", "/datasets/events/contract", body=hl.contract("events", schema="inferred", drift=0.2))
    assert hl.data.commit("events", day(1), client=client).state == "published"
    with pytest.raises(Refused, match=r"drift amount \(PSI"):
        hl.data.commit("events", day(1, amount=[float(at % 50) + 30 for at in range(200)]), client=client)
    with pytest.raises(Refused, match="no column amount"):
        hl.data.commit("events", day(1).drop(columns="amount"), client=client)
    assert head(client, "events").sequence == 1


@pytest.mark.parametrize("query", ["SELECT * FROM read_text('/etc/hostname')", "SELECT * FROM glob('/etc/*')"])
def test_a_query_of_a_contract_reads_no_other_file_and_is_an_error_of_the_version(client, query):
    name = f"sealed-{len(query)}"
    client.send("PUT", f"/datasets/{name}/contract", body=hl.contract(name, sql={"spy": query}))
    with pytest.raises(Refused, match="it cannot run: Permission"):
        hl.data.commit(name, day(1), client=client)


def test_what_is_no_table_cannot_be_checked_and_is_no_pass(client, tmp_path):
    (tmp_path / "a.txt").write_text("words")
    client.send("PUT", "/datasets/texts/contract", body=hl.contract("texts", rows=(1, None)))
    with pytest.raises(Refused, match="could not be checked: dataset texts@"):
        hl.data.commit("texts", tmp_path / "a.txt", client=client)


def test_the_results_are_in_the_api_with_their_rows(client):
    client.send("PUT", "/datasets/api/contract", body=hl.contract("api", unique=["user"]))
    with pytest.raises(Refused):
        hl.data.commit("api", day(1, user=7), client=client)
    (version,) = json.loads(client.send("GET", "/datasets/api/versions").content)["items"]
    (result,) = version["audit"]["results"]
    assert (version["state"], result["outcome"], result["sample"]) == (
        "quarantined",
        "fail",
        [{"user": "7", "rows": "200"}],
    )
