"""Random calls of the MLflow wire: what clients send, and what they should not."""

from __future__ import annotations

import itertools
import uuid
from typing import Any

from hypothesis import strategies as st

from support.compare_with_mlflow import THREE, TWO, Ref

few = st.integers(0, 3)
KEYS = ["k", "acc", "a/b", "a b", "k.x", "loss-1", "a:b"]
BAD_KEYS = ["", "../x", "/a", "a//b", ".", "a*b", "x" * 251, "a\\b", 'q"q']
WORDS = ["", "1", "one", "One", "ONE two", "x_y", "50%", "é", "it's", "a" * 250]
key = st.one_of(st.sampled_from(KEYS), st.sampled_from(KEYS), st.sampled_from(KEYS + BAD_KEYS))
word = st.one_of(st.sampled_from(WORDS), st.sampled_from([*WORDS, "x" * 6001, "x" * 8001]))
number = st.one_of(
    st.sampled_from([0, 1, -1, 0.5, 1e300, -1e-300, "NaN", "Infinity", "-Infinity", "1.5", 3]),
    st.floats(-1e6, 1e6),
    st.sampled_from([None, "x", [], {}]),
)
small = st.integers(0, 4)
moment = st.one_of(small, st.sampled_from([-1, "7", 2**47, None, "x", 1.5]))
step = st.one_of(small, st.sampled_from([-3, "2", 2**62, None]))


def pairs(keys: Any = key, values: Any = word, most: int = 3) -> Any:
    pair = st.fixed_dictionaries({"key": keys}, optional={"value": values})
    return st.lists(pair, max_size=most, unique_by=lambda pair: pair["key"])


def ref(kind: str) -> Any:
    return few.map(lambda position: Ref(kind, position))


def call(
    method: str, path: Any, fields: dict[str, Any], optional: dict[str, Any] | None = None, makes: Any = ()
) -> Any:
    paths = path if isinstance(path, st.SearchStrategy) else st.just(path)
    body = st.fixed_dictionaries(fields, optional=optional or {})
    return st.tuples(st.just(method), paths, body, st.just(makes))


def experiments(prefix: str) -> Any:
    """Calls about experiments, whose names begin with the prefix."""
    name = st.sampled_from([f"{prefix}{suffix}" for suffix in ("a", "A", "b c", "é")])
    wild = st.one_of(name, name, name, st.sampled_from(["", None, 3, "x" * 501, "x" * 500 + prefix]))
    where = st.one_of(ref("experiment"), ref("experiment"), st.sampled_from(["987654", "", "x", "-1", None, []]))
    own = f"name LIKE '{prefix}%'"
    clause = st.sampled_from(
        [own, f"name = '{prefix}a'", f"name != '{prefix}a' AND {own}", f"name ILIKE '{prefix}A' AND {own}",
         f"{own} AND tags.k = 'one'", f"{own} AND tags.`a b` LIKE '%e%'", f"{own} AND creation_time > 0",
         f"{own} AND tag.k IS NULL", f"{own} AND tags.acc IS NOT NULL", f"{own} AND last_update_time <= 99999999999999",
         f"{own} OR {own}", "name > 'a'", "name = 3", "nope = 'a'", "tags.k > 'x'", "name LIKE", "creation_time = 'x'",
         f"attribute.name = '{prefix}a'", f"{own} AND tags.k != 'one'", f"({own})", f"{own} AND", f"{own};{own}"]
    )  # fmt: skip
    order = st.lists(
        st.sampled_from(["name", "name ASC", "name DESC", "attribute.name desc", "creation_time",
         "last_update_time DESC",
                         "experiment_id", "nope", "tags.k", "name UP", ""]),
        max_size=2,
    )  # fmt: skip
    makes = ("experiment", "experiment_id")
    return st.one_of(
        call("POST", f"{TWO}/experiments/create", {"name": wild}, {"tags": pairs()}, makes),
        call("POST", f"{TWO}/experiments/create", {"name": name}, {"tags": pairs()}, makes),
        call("GET", f"{TWO}/experiments/get", {"experiment_id": where}),
        call("GET", f"{TWO}/experiments/get-by-name", {"experiment_name": wild}),
        call("POST", f"{TWO}/experiments/delete", {"experiment_id": where}),
        call("POST", f"{TWO}/experiments/restore", {"experiment_id": where}),
        call("POST", f"{TWO}/experiments/update", {"experiment_id": where}, {"new_name": wild}),
        call("POST", f"{TWO}/experiments/set-experiment-tag", {"experiment_id": where, "key": key}, {"value": word}),
        call("POST", f"{TWO}/experiments/delete-experiment-tag", {"experiment_id": where, "key": key}),
        call("POST", f"{TWO}/experiments/search", {"filter": clause, "max_results": st.sampled_from([1, 2, 50, 50])},
             {"order_by": order, "view_type": st.sampled_from(["ACTIVE_ONLY", "DELETED_ONLY", "ALL"])}),
        call("POST", f"{TWO}/experiments/search", {"max_results": st.sampled_from([0, -1, 50_001, None, "x"])}),
    )  # fmt: skip


def runs() -> Any:
    """Calls about runs and what is logged to them."""
    clock = itertools.count(1)
    started = st.builds(lambda _: 1_700_000_000_000 + next(clock) * 1000, st.none())
    run = st.one_of(ref("run"), ref("run"), ref("run"), st.sampled_from(["0" * 32, "", None, 3, "a b"]))
    metric = st.fixed_dictionaries({"key": key, "value": number, "timestamp": moment}, optional={"step": step})
    good = st.fixed_dictionaries(
        {"key": st.sampled_from(KEYS), "value": st.one_of(st.floats(-9, 9), st.sampled_from(["NaN", "Infinity", 1])),
         "timestamp": small}, optional={"step": small},
    )  # fmt: skip
    dataset = st.fixed_dictionaries(
        {"dataset": st.fixed_dictionaries({"name": st.sampled_from(["d", "e"]), "digest": st.sampled_from(["1", "2"]),
                                           "source_type": st.sampled_from(["local", "s3"]), "source": st.just("{}")},
                                          optional={"schema": word, "profile": word})},
        optional={"tags": pairs(st.sampled_from(["mlflow.data.context", "k"]), st.sampled_from(["train", "eval"]))},
    )  # fmt: skip
    status = st.sampled_from(["RUNNING", "FINISHED", "FAILED", "KILLED", "SCHEDULED", 3, None])
    run_id_path = ("run", "run", "info", "run_id")
    return st.one_of(
        call("POST", f"{TWO}/runs/create", {"experiment_id": ref("experiment"), "start_time": started,
                                            "run_name": st.sampled_from(["r1", "r2", "R 3"])},
             {"tags": pairs(), "user_id": word}, run_id_path),
        call("POST", f"{TWO}/runs/create", {"experiment_id": ref("experiment"), "start_time": started,
                                            "tags": st.just([{"key": "mlflow.runName", "value": "tagged"}])},
             {"run_name": st.sampled_from(["tagged", "other"])}, run_id_path),
        call("GET", f"{TWO}/runs/get", {"run_id": run}),
        call("POST", f"{TWO}/runs/update", {"run_id": run}, {"status": status, "end_time": moment, "run_name": word}),
        call("POST", f"{TWO}/runs/delete", {"run_id": run}),
        call("POST", f"{TWO}/runs/restore", {"run_id": run}),
        call("POST", f"{TWO}/runs/log-metric", {"run_id": run, "key": key, "value": number, "timestamp": moment},
             {"step": step}),
        call("POST", f"{TWO}/runs/log-parameter", {"run_id": run, "key": key}, {"value": word}),
        call("POST", f"{TWO}/runs/set-tag", {"run_id": run, "key": key}, {"value": word}),
        call("POST", f"{TWO}/runs/set-tag", {"run_id": run, "key": st.just("mlflow.runName")}, {"value": word}),
        call("POST", f"{TWO}/runs/delete-tag", {"run_id": run, "key": key}),
        call("POST", f"{TWO}/runs/log-batch", {"run_id": run},
             {"metrics": st.lists(metric, max_size=3), "params": pairs(), "tags": pairs()}),
        call("POST", f"{TWO}/runs/log-batch", {"run_id": ref("run")},
             {"metrics": st.lists(good, max_size=4), "params": pairs(st.sampled_from(KEYS), st.sampled_from(WORDS)),
              "tags": pairs(st.sampled_from(KEYS), st.sampled_from(WORDS))}),
        call("POST", f"{TWO}/runs/log-inputs", {"run_id": run, "datasets": st.lists(dataset, max_size=2)}),
        call("GET", f"{TWO}/metrics/get-history", {"run_id": run, "metric_key": st.sampled_from([*KEYS, ""])},
             {"max_results": st.sampled_from([1, 2, 100, 0, -1])}),
        call("GET", f"{TWO}/metrics/get-history-bulk-interval",
             {"run_ids": st.lists(ref("run"), min_size=1, max_size=2, unique_by=lambda run_ref: run_ref.number % 3),
              "metric_key": st.sampled_from(KEYS)},
             {"max_results": st.sampled_from([1, 2, 3, 2500, 0, 2501]), "start_step": st.sampled_from([0, 1]),
              "end_step": st.sampled_from([0, 2])}),
        call("POST", "/ajax-api/2.0/mlflow/experiments/search-datasets",
             {"experiment_ids": st.lists(ref("experiment"), max_size=2)}),
        call("POST", f"{TWO}/runs/log-model", {"run_id": run, "model_json": st.sampled_from([
             '{"artifact_path": "m", "flavors": {"x": {"config": 1, "v": "2"}}, "utc_time_created": "t", "run_id": ""}',
             '{"artifact_path": "m"}', "x", ""])}),
        search_runs(), search_runs(),
    )  # fmt: skip


OPS = [
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "LIKE",
    "ILIKE",
    "like",
    "IN",
    "NOT IN",
    "IS NULL",
    "IS NOT NULL",
    "RLIKE",
    "==",
]
VALUES = ["'one'", "'One'", "'%e'", "'o_e'", "'50%'", "'é'", "1", "0.5", "-1", "1e3", "0", "('one', 'ONE two')",
 "('one',)",
          '"one"', "''", "'it''s'", "one", "", "()", "NULL", "'x_y'", "'x\\_y'"]  # fmt: skip
SUBJECTS = ["metrics.k", "metrics.acc", "metric.`a/b`", 'metrics."a b"', "params.k", "param.acc", "parameters.`a b`",
 "tags.k",
            'tag."k.x"', "tags.k.x", "attributes.status", "attribute.run_name", "status", "run_id",
            "attributes.start_time",
            "start_time", "end_time", "run.user_id", "attr.artifact_uri", "created", "`Run Name`", "dataset.name",
            "datasets.digest", "dataset.context", "dataset.nope", "nope", "nope.k", "metrics.k.x",
            "tags.`mlflow.runName`",
            "lifecycle_stage", "attributes.name", "run_name", "user", "metrics", "'k'", "params.\"k\""]  # fmt: skip
clause = st.builds(
    lambda subject, op, value: f"{subject} {op} {value}".strip(),
    st.sampled_from(SUBJECTS),
    st.sampled_from(OPS),
    st.sampled_from(VALUES),
)
SANE = ["metrics.k > 0", "metrics.k <= 1", "metrics.k != 0", "metrics.acc = 1", "params.k = 'one'", "params.k != 'one'",
        "params.`a b` LIKE '%e%'", "tags.k ILIKE 'ONE%'", "tags.k IS NULL", "params.acc IS NOT NULL",
        "status = 'FINISHED'",
        "attributes.run_name LIKE 'r%'", "dataset.name = 'd'", "dataset.context IN ('train', 'x')", "start_time > 5",
        "attributes.end_time < 3", "dataset.digest != '1'", "status != 'RUNNING'", "user_id = 'one'",
        "attributes.run_name != 'r1'", "params.k LIKE 'x_y'", "params.k LIKE '50%'", "tags.k = 'é'", "tags.k ILIKE 'É'",
        "metrics.k < 1e400", "run_name ILIKE 'R%'", "dataset.name NOT IN ('d')",
        "dataset.name IN ('d', 'e')"]  # fmt: skip
condition = st.one_of(st.sampled_from(SANE), st.sampled_from(SANE), clause)
filters = st.one_of(
    st.just(""), condition, st.lists(condition, min_size=2, max_size=3).map(" AND ".join),
    st.lists(condition, min_size=2, max_size=2).map(" and ".join), st.lists(condition, min_size=2,
     max_size=2).map(" OR ".join),
    condition.map(lambda text: f"({text})"), condition.map(lambda text: f"{text} AND"),
    condition.map(lambda text: f"{text} ;"),
)  # fmt: skip
ORDERS = ["metrics.k", "metrics.k DESC", "metric.acc ASC", "params.k", "params.k DESC", "tags.k desc", "start_time",
          "attributes.start_time DESC", "attribute.run_name", "run_name DESC", "status", "end_time", "end_time DESC",
          "created",
          "metrics.`a b`", "nope", "metrics.k UP", "", "dataset.name", "user_id", "artifact_uri", "tags.`a b` ASC",
          "`Run Name`", "metrics.k ASC DESC", "params.\"acc\""]  # fmt: skip


def search_runs() -> Any:
    return call(
        "POST", f"{TWO}/runs/search",
        {"experiment_ids": st.lists(ref("experiment"), min_size=1, max_size=2), "filter": filters,
         "max_results": st.sampled_from([1, 2, 3, 1000, 1000, 0, 50_001])},
        {"order_by": st.lists(st.sampled_from(ORDERS), max_size=3),
         "run_view_type": st.sampled_from(["ACTIVE_ONLY", "DELETED_ONLY", "ALL"])},
    )  # fmt: skip


def prefix() -> str:
    return f"p{uuid.uuid4().hex[:10]}-"


def tracking(name: str) -> Any:
    """A sequence of calls about experiments and runs, which begins with what makes the rest worth while."""
    first = [
        ("POST", f"{TWO}/experiments/create", {"name": f"{name}first{n}"}, ("experiment", "experiment_id"))
        for n in range(2)
    ]
    begin = [
        ("POST", f"{TWO}/runs/create",
         {"experiment_id": Ref("experiment", n % 2), "start_time": 1_600_000_000_000 + n, "run_name": f"r{n}"},
         ("run", "run", "info", "run_id"))
        for n in range(3)
    ]  # fmt: skip
    moves = st.lists(st.one_of(experiments(name), runs(), runs(), runs()), min_size=1, max_size=25)
    return moves.map(lambda drawn: [*first, *begin, *drawn])


def registry(name: str) -> Any:
    """A sequence of calls about registered models and versions, after some runs that versions may come from."""
    names = [f"{name}{suffix}" for suffix in ("m", "M", "n o")]
    model = st.one_of(
        st.sampled_from(names), st.sampled_from(names), st.sampled_from([names[0], f"{name}none", "", "a/b", "  "])
    )
    version = st.sampled_from(["1", "1", "2", "3", "99", "x", "0", "-1", ""])
    alias = st.sampled_from(["champion", "Champion", "a-b", "latest", "v1", "a b", "", "x" * 256, "é"])
    stage = st.sampled_from(["Staging", "production", "Archived", "None", "nope", ""])
    tag = st.sampled_from(["k", "acc", "a b", "", "x" * 251, "mlflow.x"])
    source = st.one_of(
        st.builds(lambda run_ref: ("runs:/", run_ref, "/model"), ref("run")),
        st.builds(lambda experiment_ref: ("mlflow-artifacts:/", experiment_ref, "/x"), ref("experiment")),
        st.sampled_from(["s3://bucket/model", "/etc/passwd", "file:///etc", "", "runs:/nope/x", "relative/path",
                         "mlflow-artifacts:/0/x", "s3://b/../x", "dummy-source", f"models:/{names[0]}/1",
                         f"models:/{names[0]}/77", "models:/m-00000000000000000000000000000000", "s3://b/x?y=1",
                         "s3://b/x#y",
                         "http://host/x", "gs://b/x", "mlflow-artifacts:/../x", "dbfs:/x"]),
    )  # fmt: skip
    own = f"name LIKE '{name}%'"
    clause = st.sampled_from(
        [own, f"name = '{names[0]}'", f"name ILIKE '{name}M'", f"{own} AND tags.k = 'one'",
        f"{own} AND tag.`a b` != 'one'",
         f"{own} AND tags.acc LIKE '%'", f"name IN ('{names[0]}', '{names[1]}')", f"name NOT IN ('x') AND {own}",
         f"{own} OR {own}", "nope = 'x'", "name > 'x'", "name LIKE", f"{own} AND tags.k IS NULL"]
    )  # fmt: skip
    narrow = st.sampled_from(
        [f"name = '{names[0]}'", own, f"{own} AND version_number > 1", f"{own} AND version_number = 1",
        f"{own} AND run_id = 'x'",
         f"name IN ('{names[0]}', '{names[1]}')", f"{own} AND tags.k = 'one'", f"{own} AND source_path LIKE 's3%'",
         f"{own} AND version_number LIKE '1'", f"name = '{names[0]}' AND tags.k != 'one'", "nope = 'x'",
         f"{own} AND source_path = 's3://bucket/model'", f"{own} AND run_id IN ('a', 'b')",
         f"{own} AND current_stage = 'None'"]
    )  # fmt: skip
    order = st.lists(st.sampled_from(["name", "name DESC", "timestamp", "last_updated_timestamp DESC", "nope",
     "name UP",
                                      "creation_timestamp", "version_number", "version_number DESC"]),
                                      max_size=2)  # fmt: skip
    size = st.sampled_from([1, 2, 100, 100, 0, -1, 1001])
    about, version_key = {"name": model}, {"name": model, "version": version}
    text = st.sampled_from(["", "text", "é", "x" * 5001])
    tags = pairs(st.sampled_from(["k", "acc", "a b"]), st.sampled_from(["one", "", "two"]), most=2)
    moves = st.one_of(
        call("POST", f"{TWO}/registered-models/create", about, {"tags": tags, "description": text}),
        call("GET", f"{TWO}/registered-models/get", about),
        call("PATCH", f"{TWO}/registered-models/update", about, {"description": text}),
        call("POST", f"{TWO}/registered-models/rename", about, {"new_name": model}),
        call("DELETE", f"{TWO}/registered-models/delete", {"name": st.sampled_from([names[1], names[2], ""])}),
        call("GET", f"{TWO}/registered-models/search", {"filter": clause, "max_results": size}, {"order_by": order}),
        call("POST", f"{TWO}/registered-models/set-tag", about | {"key": tag}, {"value": word}),
        call("DELETE", f"{TWO}/registered-models/delete-tag", about | {"key": tag}),
        call("POST", f"{TWO}/registered-models/get-latest-versions", about, {"stages": st.lists(stage, max_size=2)}),
        call("POST", f"{TWO}/registered-models/alias", version_key | {"alias": alias}),
        call("POST", f"{TWO}/registered-models/alias", {"name": st.just(names[0]), "version": st.just("1"),
             "alias": alias}),
        call("DELETE", f"{TWO}/registered-models/alias", about | {"alias": alias}),
        call("GET", f"{TWO}/registered-models/alias", about | {"alias": alias}),
        call("POST", f"{TWO}/model-versions/create", about | {"source": source},
             {"run_id": st.one_of(ref("run"), st.sampled_from(["", "nope"])), "tags": tags, "description": text}),
        call("POST", f"{TWO}/model-versions/create", {"name": st.just(names[0]), "source": source}, {"tags": tags}),
        call("GET", f"{TWO}/model-versions/get", version_key),
        call("PATCH", f"{TWO}/model-versions/update", version_key, {"description": text}),
        call("DELETE", f"{TWO}/model-versions/delete", version_key),
        call("GET", f"{TWO}/model-versions/search", {"filter": narrow, "max_results": st.sampled_from([1, 2, 100, 0,
             -1])},
             {"order_by": order}),
        call("GET", f"{TWO}/model-versions/get-download-uri", {"name": model, "version": st.sampled_from(["99", "x",
             ""])}),
        call("POST", f"{TWO}/model-versions/set-tag", version_key | {"key": tag}, {"value": word}),
        call("DELETE", f"{TWO}/model-versions/delete-tag", version_key | {"key": tag}),
        call("POST", f"{TWO}/model-versions/transition-stage", version_key | {"stage": stage},
             {"archive_existing_versions": st.booleans()}),
    )  # fmt: skip
    begin = [
        ("POST", f"{TWO}/experiments/create", {"name": f"{name}first"}, ("experiment", "experiment_id")),
        ("POST", f"{TWO}/runs/create", {"experiment_id": Ref("experiment", 0), "start_time": 1, "run_name": "r"},
         ("run", "run", "info", "run_id")),
        *(("POST", f"{TWO}/registered-models/create", {"name": model_name}, ()) for model_name in names[:2]),
        *(("POST", f"{TWO}/model-versions/create", {"name": names[0], "source": ("runs:/", Ref("run", 0), "/model"),
                                                    "run_id": Ref("run", 0)}, ()) for _ in range(2)),
    ]  # fmt: skip
    return st.lists(moves, min_size=1, max_size=20).map(lambda drawn: [*begin, *drawn])


def logged_models(name: str) -> Any:
    """A sequence of calls about logged models."""
    model = st.one_of(ref("model"), ref("model"), ref("model"), st.sampled_from(["m-" + "0" * 32, "nope"]))
    where = st.one_of(ref("experiment"), ref("experiment"), st.sampled_from(["987654", "x", None]))
    path = model.map(lambda model_id: (f"{TWO}/logged-models/", model_id))
    title = st.sampled_from(["a", "b", "model one", "", "a/b", "a.b", "a:b", "q'"])
    metric = st.fixed_dictionaries(
        {"key": st.sampled_from(["k", "acc"]), "value": st.sampled_from([0, 1, 0.5]), "timestamp": small,
         "model_id": model}, optional={"step": small, "dataset_name": st.just("d"), "dataset_digest": st.just("1")},
    )  # fmt: skip
    clause = st.sampled_from(
        ["", "name = 'a'", "name LIKE 'm%'", "metrics.k > 0", "metrics.k <= 0.5 AND name = 'a'", "params.k = 'one'",
         "tags.k = 'one'", "status = 'READY'", "status = 'PENDING'", "model_type = 'one'", "nope = 'x'",
         "tags.k LIKE 'o%'",
         "attributes.name != 'a'", "creation_timestamp > 5", "name IN ('a', 'b')", "name > 'a'", "metrics.k = 'x'",
         "params.k != 'one'", "name = 'a' OR name = 'b'", "status = 'LOGGED_MODEL_READY'", "name ILIKE 'A'",
         "model_id = 'x'"]
    )  # fmt: skip
    order = st.lists(
        st.fixed_dictionaries({"field_name": st.sampled_from(["name", "metrics.k", "metrics.acc",
         "creation_timestamp", "nope",
                                                              "attributes.name", "params.k", "status"])},
                              optional={"ascending": st.booleans()}), max_size=2)  # fmt: skip
    facts = pairs(st.sampled_from(["k", "acc", "a b"]), st.sampled_from(["one", "two", ""]), most=2)
    # the stock server fails in its database at a parameter that stands
    fresh = pairs(st.integers(10**6, 10**9).map(lambda number: f"p{number}"), st.sampled_from(["one", ""]), most=2)
    model_id_path = ("model", "model", "info", "model_id")
    states = st.sampled_from(["LOGGED_MODEL_READY", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_PENDING"])
    moves = st.one_of(
        call("POST", f"{TWO}/logged-models", {"experiment_id": where, "name": title},
             {"model_type": word, "source_run_id": ref("run"), "params": facts, "tags": facts}, model_id_path),
        call("GET", path, {}),
        model.flatmap(lambda model_id: call("PATCH", (f"{TWO}/logged-models/", model_id),
                                       {"model_id": st.just(model_id), "status": states})),
        call("DELETE", path, {}),
        call("PATCH", model.map(lambda model_id: (f"{TWO}/logged-models/", model_id, "/tags")), {"tags": facts}),
        call("DELETE", model.map(lambda model_id: (f"{TWO}/logged-models/", model_id, "/tags/k")), {}),
        model.flatmap(lambda model_id: call("POST", (f"{TWO}/logged-models/", model_id, "/params"),
                                       {"model_id": st.just(model_id), "params": fresh})),
        call("POST", f"{TWO}/runs/log-batch", {"run_id": ref("run"), "metrics": st.lists(metric, min_size=1,
             max_size=3)}),
        call("POST", f"{TWO}/runs/outputs", {"run_id": ref("run"), "models": st.lists(
            st.fixed_dictionaries({"model_id": model}, optional={"step": small}), max_size=1)}),
        call("GET", f"{TWO}/runs/get", {"run_id": ref("run")}),
        call("POST", f"{TWO}/logged-models/search", {"experiment_ids": st.lists(ref("experiment"), min_size=1,
             max_size=2),
                                                     "filter": clause},
             {"order_by": order, "max_results": st.sampled_from([1, 2, 50, 0])}),
    )  # fmt: skip
    begin = [
        ("POST", f"{TWO}/experiments/create", {"name": f"{name}first"}, ("experiment", "experiment_id")),
        ("POST", f"{TWO}/runs/create", {"experiment_id": Ref("experiment", 0), "start_time": 1, "run_name": "r"},
         ("run", "run", "info", "run_id")),
        *(("POST", f"{TWO}/logged-models", {"experiment_id": Ref("experiment", 0), "name": model_name},
         model_id_path) for model_name in ("a", "b")),
    ]  # fmt: skip
    return st.lists(moves, min_size=1, max_size=20).map(lambda drawn: [*begin, *drawn])


def traces(name: str) -> Any:
    """A sequence of calls about traces and their assessments."""
    ids = [f"tr-{name[1:11]}{number:022x}" for number in range(3)]
    trace = st.sampled_from([*ids, ids[0], ids[1], "tr-none"])
    where = st.one_of(ref("experiment"), ref("experiment"), st.sampled_from(["987654"]))
    place = where.map(
        lambda experiment_id: {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment_id}}
    )
    texts = st.dictionaries(st.sampled_from(["k", "acc", "a b"]), st.sampled_from(["one", "two", "é"]), max_size=2)
    begun = st.sampled_from([f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)])
    assessed = st.sampled_from(["good", "score"])
    feedback = st.fixed_dictionaries({"value": st.sampled_from([True, 0.5, 3, "yes", "no"])})
    assessment = st.one_of(
        st.fixed_dictionaries({"assessment_name": assessed, "feedback": feedback, "source": st.just(
            {"source_type": "HUMAN", "source_id": "me"})}, optional={"rationale": word}),
        st.fixed_dictionaries({"assessment_name": assessed, "expectation": feedback, "source": st.just(
            {"source_type": "CODE", "source_id": "x"})}),
    )  # fmt: skip
    clause = st.sampled_from(
        ["", "tags.k = 'one'", "tag.k != 'one'", "tags.`a b` LIKE 't%'", "metadata.k = 'one'",
        "request_metadata.acc ILIKE 'T%'",
         "status = 'OK'", "status IN ('OK', 'ERROR')", "status != 'OK'", "name = 'n1'", "name LIKE 'n%'",
         "name IN ('n1')",
         "timestamp_ms > 0", "timestamp > 1767312000000", "execution_time > 5", "execution_time_ms <= 2500",
         "end_time > 0",
         f"request_id = '{ids[0]}'", f"request_id IN ('{ids[0]}', '{ids[1]}')", "client_request_id = 'c'",
         "run_id = 'x'",
         "feedback.good = 'true'", "feedback.good = 'yes'", "feedback.score > 0.4", "feedback.good IS NULL",
         "expectation.score IS NOT NULL", "feedback.good != 'yes'", "feedback.score = '0.5'",
         "feedback.good LIKE '%e%'",
         "tags.k RLIKE '^o'", "tags.k IS NULL", "metadata.acc IS NOT NULL", "span.name = 'x'", "span.nope = 'x'",
         "nope = 'x'", "tags.k > 'x'", "status", "tags.k = 'one' AND status = 'OK'", "trace.status = 'OK'",
         "attributes.name RLIKE 'n.'", "prompt = 'a/1'", "prompt LIKE 'a'", "trace.text LIKE '%x%'"]
    )  # fmt: skip
    order = st.lists(st.sampled_from(["timestamp", "timestamp_ms DESC", "execution_time", "status DESC", "name",
     "request_id", "nope", "tags.k", "client_request_id"]), max_size=2)  # fmt: skip
    begin_at = st.sampled_from([1_600_000_000_000, 1_900_000_000_000])

    def info(optional: dict[str, Any]) -> Any:
        # a trace never changes its experiment: we refuse that, the stock server goes on in the first one
        which = st.integers(0, 1)
        return which.flatmap(lambda at: st.fixed_dictionaries(
            {"trace_id": st.just(ids[at]), "request_time": begun, "trace_location": st.just(
                {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": Ref("experiment", at)}})},
            optional=optional)).map(lambda fields: {"trace_info": fields})  # fmt: skip

    told_info = info({
        "state": st.sampled_from(["OK", "ERROR", "IN_PROGRESS"]), "execution_duration": st.sampled_from(["0.087s",
        "2.500s"]),
        "tags": texts, "trace_metadata": texts, "client_request_id": st.just("c"), "request_preview": st.just("hello"),
    })  # fmt: skip
    by_id, both = f"{THREE}/traces/", st.sampled_from([TWO, THREE])
    of = trace.map(lambda trace_id: f"{by_id}{trace_id}/assessments")
    moves = st.one_of(
        call("POST", f"{THREE}/traces", {"trace": told_info}),
        call("POST", f"{THREE}/traces", {"trace": told_info}),
        call("GET", trace.map(lambda trace_id: by_id + trace_id), {}),
        call("PATCH", st.tuples(both, trace).map(lambda pair: f"{pair[0]}/traces/{pair[1]}/tags"), {"key": key,
             "value": word}),
        call("DELETE", st.tuples(both, trace).map(lambda pair: f"{pair[0]}/traces/{pair[1]}/tags"), {"key": key}),
        call("POST", of, {"assessment": assessment}, None, ("assessment", "assessment", "assessment_id")),
        call("POST", of, {"assessment": assessment}, None, ("assessment", "assessment", "assessment_id")),
        call("GET", trace.map(lambda trace_id: (f"{by_id}{trace_id}/assessments/", Ref("assessment", 0))), {}),
        call("DELETE", trace.map(lambda trace_id: (f"{by_id}{trace_id}/assessments/", Ref("assessment", 1))), {}),
        call("POST", f"{THREE}/traces/search", {"locations": st.lists(place, min_size=1, max_size=2), "filter": clause,
                                                "max_results": st.sampled_from([1, 2, 100, 0, 501])},
                                                {"order_by": order}),
        call("POST", f"{THREE}/traces/search", {"locations": st.lists(place, min_size=1, max_size=2),
             "filter": clause}),
        call("POST", f"{THREE}/traces/delete-traces", {"experiment_id": where},
             {"request_ids": st.lists(trace, max_size=2), "max_timestamp_millis": begin_at,
              "max_traces": st.sampled_from([1, 5, 0])}),
        call("POST", f"{TWO}/traces/delete-traces", {"experiment_id": where, "request_ids": st.lists(trace,
             min_size=1)}),
    )  # fmt: skip
    begin = [
        *(("POST", f"{TWO}/experiments/create", {"name": f"{name}first{n}"}, ("experiment",
         "experiment_id")) for n in (0, 1)),
        *(("POST", f"{THREE}/traces",
           {"trace": {"trace_info": {
               "trace_id": trace_id, "request_time": f"2026-01-0{n + 4}T00:00:00Z", "state": "OK",
               "execution_duration": "1s",
               "tags": {"mlflow.traceName": f"n{n}", "k": "one"},
               "trace_location": {"type": "MLFLOW_EXPERIMENT",
                                  "mlflow_experiment": {"experiment_id": Ref("experiment", n)}}}}}, ())
          for n, trace_id in enumerate(ids[:2])),
    ]  # fmt: skip
    return st.lists(moves, min_size=1, max_size=20).map(lambda drawn: [*begin, *drawn])
