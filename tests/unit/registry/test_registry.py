"""The registry's rules, on both databases."""

from __future__ import annotations

import msgspec
import pytest

from helicline import registry, tracking
from helicline.errors import Invalid, NotFound
from helicline.records.model import ModelVersion
from helicline.store.blobs import LocalBlobs
from helicline.store.database import Store
from helicline.store.rows import event

MLMODEL = b"""
flavors: {}
signature:
  inputs: '[{"type": "double", "name": "x", "required": true}]'
  outputs: '[{"type": "long"}]'
  params: null
"""


@pytest.fixture
def source(store: Store, blobs: LocalBlobs) -> str:
    digest, size = blobs.put([MLMODEL])

    def unit(tx) -> str:
        run = tracking.create_run(tx, "0")
        for name in ("MLmodel", "data/x"):
            tracking.put_artifact(tx, f"0/{run.run_id}/artifacts/model/{name}", hash=digest, size=size)
        return f"runs:/{run.run_id}/model"

    return store.write(unit)


def register(store: Store, source: str, **how) -> ModelVersion:
    return store.write(lambda tx: registry.register(tx, "churn", source=source, loop="churn", **how))


def test_a_loop_registers_into_a_model_that_is_made_on_the_way(store: Store, source: str):
    version = register(store, source, turn=4)
    assert (version.id, version.loop, version.turn) == ("churn/1", "churn", 4)
    recorded = store.read(lambda tx: event.latest(tx, noun="model_version"))[0]
    assert (recorded.verb, recorded.id, recorded.detail["turn"]) == ("registered", "churn/1", 4)


def test_without_a_loop_the_model_must_be_there(store: Store, source: str):
    with pytest.raises(NotFound):
        store.write(lambda tx: registry.register(tx, "churn", source=source))


def test_the_digest_names_the_content_and_nothing_else(store: Store, source: str):
    first, again = register(store, source), register(store, source)
    root = first.artifact_root
    store.write(lambda tx: tracking.put_artifact(tx, f"{root}/data/x", hash="0" * 64, size=1))
    assert first.digest == again.digest != register(store, source).digest
    assert len(first.digest) == 32


def test_every_form_of_a_source_leads_to_the_same_files(store: Store, source: str):
    first = register(store, source)
    store.write(lambda tx: registry.point(tx, "churn", "champion", 1))
    for other in ("models:/churn/1", "models:/churn@champion", f"mlflow-artifacts:/{first.artifact_root}"):
        version = register(store, other)
        assert (version.artifact_root, version.digest) == (first.artifact_root, first.digest)


def test_pointing_tells_what_stood_there_and_says_nothing_twice(store: Store, source: str):
    register(store, source)
    register(store, source)
    for number in (1, 2, 2):
        store.write(lambda tx, number=number: registry.point(tx, "churn", "champion", number))
    details = [entry.detail for entry in store.read(lambda tx: event.latest(tx, noun="alias"))]
    assert details == [{"number": 2, "previous": 1}, {"number": 1, "previous": None}]
    store.write(lambda tx: registry.delete_version(tx, "churn", 2))
    assert store.read(lambda tx: registry.alias_of(tx, "churn", "champion")) is None


def test_versions_registered_at_once_get_numbers_of_their_own(store: Store, source: str):
    register(store, source)
    futures = [store.submit(lambda tx: registry.register(tx, "churn", source=source)) for _ in range(10)]
    assert {future.result(timeout=30).number for future in futures} == set(range(2, 12))


def test_the_signature_is_read_from_the_model_file(store: Store, blobs: LocalBlobs, source: str):
    version = register(store, source)
    signature = registry.signature(store.read(lambda tx: registry.read_mlmodel(tx, blobs, version)))
    assert signature.inputs == ({"type": "double", "name": "x", "required": True},)
    assert (signature.outputs, signature.params) == (({"type": "long"},), ())


@pytest.mark.parametrize(
    "content",
    [b"!!python/object/apply:os.system ['true']", b"a: &a [x]\nb: *a", b"- list", b"{", b"\xff\xfe\x00", b"[" * 5000],
)
def test_a_model_file_that_is_more_than_data_is_refused(content: bytes):
    with pytest.raises(Invalid):
        registry.parse_mlmodel(content)


@pytest.mark.parametrize("document", [{"signature": "x"}, {"signature": {"inputs": "{"}}, {"signature": {"inputs": 3}}])
def test_a_signature_that_is_no_json_list_is_refused(document):
    with pytest.raises(Invalid):
        registry.signature(document)


def test_a_logged_model_is_told_where_it_is_registered(store: Store):
    model = store.write(lambda tx: tracking.create_logged_model(tx, "0", name="m"))
    version = register(store, f"models:/{model.model_id}")
    tags = store.read(lambda tx: tracking.get_logged_model(tx, model.model_id)).tags
    assert msgspec.json.decode(tags["mlflow.modelVersions"]) == [{"name": "churn", "version": 1}]
    assert version.artifact_root == f"0/models/{model.model_id}/artifacts"
