"""What a user meets at the prompt: representations, context managers, nothing left behind."""

import subprocess
import sys
from pathlib import Path

import pytest

import helicline as hl
from helicline.sdk.authoring import Pipeline


def test_a_client_shows_its_address_and_never_its_token():
    with hl.Client("http://127.0.0.1:1", token="s3cret") as client:
        assert repr(client) == "Client('http://127.0.0.1:1')"
    with pytest.raises(RuntimeError, match="closed"):
        client.get("/status", dict)


def test_a_model_is_loaded_once_however_often_it_predicts(tmp_path):
    loads = []

    class Loaded:
        def predict(self, rows):
            return [row * 2 for row in rows]

    class Counting(hl.Model):
        def load(self):
            loads.append(self.path)
            return Loaded()

    model = Counting(tmp_path)
    assert [model.predict([1]), model.predict([2])] == [[2], [4]]
    assert loads == [tmp_path]


def test_tables_made_in_memory_leave_no_folder_behind(tmp_path):
    program = "import helicline as hl; print(hl.Table.of({'x': [1, 2]}).duckdb().fetchall())"
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "[(1,), (2,)]\n"
    assert list(tmp_path.glob("helicline-*")) == []


def test_handles_show_what_they_are():
    assert repr(hl.Table([Path("a.parquet")])) == "Table(['a.parquet'])"
    assert repr(hl.Model(Path("m"), model_id="m-1")) == "Model('models:/m-1')"
    assert repr(hl.Artifact(Path("x.json"))) == "Artifact('x.json')"


def test_steps_and_pipelines_show_their_names():
    def train(data: hl.Table) -> hl.Model:
        raise NotImplementedError

    assert repr(hl.step(train)).startswith("<step ")
    assert repr(Pipeline(train)) == "<pipeline train>"
