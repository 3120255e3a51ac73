"""The files of a run, with those of the models that it made, as a tree and as a difference."""

from __future__ import annotations

import pytest

from helicline import tracking
from helicline.errors import NotFound
from helicline.records.run import ModelOutput
from helicline.tracking.artifact import path_in_store
from helicline.tracking.browse import files


def trained(store, *, coefficients: str, models: int = 1) -> str:
    """A run with a file of its own and so many models called `clf`, one a step."""

    def unit(tx):
        run = tracking.create_run(tx, "0")
        put(tx, run.artifact_uri, "plots/roc.txt", "same")
        for step in range(models):
            model = tracking.create_logged_model(tx, "0", name="clf", run_id=run.run_id)
            put(tx, model.artifact_uri, "MLmodel", "same")
            put(tx, model.artifact_uri, "data/coef.json", f"{coefficients}{step}")
            tracking.log_outputs(tx, run.run_id, [ModelOutput(model_id=model.model_id, step=step)])
        return run.run_id

    return store.write(unit)


def put(tx, uri: str, path: str, text: str) -> None:
    tracking.put_artifact(tx, f"{path_in_store(uri)}/{path}", hash=text, size=len(text))


def names(store, run_id: str, path: str = "") -> list[tuple[str, bool]]:
    return [(entry.path, entry.is_dir) for entry in store.read(lambda tx: files.list_files(tx, run_id, path))]


def test_a_model_is_a_folder_of_the_run_that_made_it(store):
    run_id = trained(store, coefficients="a")
    assert names(store, run_id) == [("clf", True), ("plots", True)]
    assert names(store, run_id, "clf") == [("data", True), ("MLmodel", False)]
    assert names(store, run_id, "clf/data") == [("coef.json", False)]
    assert names(store, run_id, "plots") == [("roc.txt", False)]
    entry = store.read(lambda tx: files.file_of(tx, run_id, "clf/data/coef.json"))
    assert (entry.hash, entry.size) == ("a0", 2)
    for missing in ("clf", "clf/none", "clfx/MLmodel", "MLmodel"):
        with pytest.raises(NotFound):
            store.read(lambda tx, path=missing: files.file_of(tx, run_id, path))


def test_of_models_with_one_name_the_last_has_it(store):
    run_id = trained(store, coefficients="a", models=3)
    assert [name for name, _ in names(store, run_id)] == ["clf", "clf@0", "clf@1", "plots"]
    at = {folder: f"{folder}/data/coef.json" for folder in ("clf", "clf@0")}
    hashes = {folder: store.read(lambda tx, p=path: files.file_of(tx, run_id, p)).hash for folder, path in at.items()}
    assert hashes == {"clf": "a2", "clf@0": "a0"}


def test_runs_are_compared_with_the_models_that_they_made(store):
    before, after = trained(store, coefficients="a"), trained(store, coefficients="bb", models=2)
    diff = store.read(lambda tx: files.diff_runs(tx, before, after))
    assert [(change.path, change.change, change.before_size, change.after_size) for change in diff.changes] == [
        ("clf/data/coef.json", "changed", 2, 3),
        ("clf@0/MLmodel", "added", -1, 4),
        ("clf@0/data/coef.json", "added", -1, 3),
    ]
    assert diff.same_count == 2


def test_a_model_that_was_deleted_is_no_folder(store):
    run_id = trained(store, coefficients="a")
    (output,) = store.read(lambda tx: tracking.get_run(tx, run_id)).model_outputs
    store.write(lambda tx: tracking.delete_logged_model(tx, output.model_id))
    assert names(store, run_id) == [("plots", True)]
