"""CPU of an answer over the Open Inference Protocol: the gateway and MLServer, same models, same requests.

usage: python bench/inference.py [--seconds 3] [--alone]

Both sides run at once and are asked in turn. Counted is the processor time of all their processes for an answer, which
other work on the machine changes less than the time by the clock. Ours holds the prediction log; the peer has none.
Named columns go to MLServer's runtime for MLflow models, one matrix to its runtime for scikit-learn, its fastest. The
peer gets an environment of its own.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import joblib
import mlflow
import numpy as np
import pandas as pd
from load import measure, request
from mlflow.models import infer_signature
from servers import cpu_seconds, environment_of, free_port, settle
from sklearn.linear_model import LogisticRegression

TESTS = Path(__file__).resolve().parents[1] / "tests"
WIDTH, ROUNDS = 30, 3
MODEL, MATRIX = "wide", "matrix"  # of columns, and of one tensor
PACKAGES = (
    *("mlserver==1.7.1", "mlserver-mlflow==1.7.1", "mlserver-sklearn==1.7.1", "uvloop<0.22"),
    *(f"{name}=={version(name)}" for name in ("mlflow", "scikit-learn", "numpy", "pandas")),
)
RUNTIMES = {MODEL: "mlserver_mlflow.MLflowRuntime", MATRIX: "mlserver_sklearn.SKLearnModel"}
START_S = 180


class Case(NamedTuple):
    """A form of request: its model, its rows, and the calls at once."""

    name: str
    model: str
    rows: int
    connections: int = 1


CASES = (
    Case("1 row, 30 named tensors", MODEL, 1),
    Case("1 row, 30 named tensors, 16 at once", MODEL, 1, 16),
    Case("1,000 rows, 30 named tensors", MODEL, 1000),
    Case("1 row, one matrix", MATRIX, 1),
    Case("1 row, one matrix, 16 at once", MATRIX, 1, 16),
    Case("1,000 rows, one matrix", MATRIX, 1000),
)


def save_models(folder: Path) -> None:
    """Save a classifier of 30 columns and one of a matrix, as MLflow and as joblib have them."""
    chance = np.random.default_rng(7)
    frame = pd.DataFrame(chance.normal(size=(500, WIDTH)), columns=[f"c{number}" for number in range(WIDTH)])
    target = (frame["c0"] + frame["c1"] > 0).astype(int)
    for name, values in ((MODEL, frame), (MATRIX, frame.to_numpy())):
        model = LogisticRegression().fit(values, target)
        mlflow.sklearn.save_model(
            model,
            folder / name,
            signature=infer_signature(values, model.predict(values)),
            input_example=values[:3],
            serialization_format="cloudpickle",
            pip_requirements=["mlflow", "scikit-learn", "numpy", "pandas", "cloudpickle"],
        )
        joblib.dump(model, folder / f"{name}.joblib")


def body(case: Case) -> bytes:
    """Return the request: MLServer needs to be told how its runtime is to read it, which ours does not mind."""
    values = np.random.default_rng(8).normal(size=(case.rows, WIDTH)).round(6)
    if case.model == MATRIX:
        head = {"name": "x", "shape": [case.rows, WIDTH], "datatype": "FP64", "parameters": {"content_type": "np"}}
        return json.dumps({"inputs": [{**head, "data": values.ravel().tolist()}]}).encode()
    inputs = [
        {"name": f"c{number}", "shape": [case.rows, 1], "datatype": "FP64", "data": values[:, number].tolist()}
        for number in range(WIDTH)
    ]
    return json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs}).encode()


@contextmanager
def peer(models: Path, folder: Path) -> Iterator[tuple[int, int]]:
    """Run MLServer with both models and its defaults; give its process and port."""
    port = free_port()
    settings = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port(), "host": "127.0.0.1"}
    (folder / "settings.json").write_text(json.dumps({**settings, "debug": False}))
    for name, runtime in RUNTIMES.items():
        uri = models / name if name == MODEL else models / f"{name}.joblib"
        (folder / name).mkdir()
        document = {"name": name, "implementation": runtime, "parameters": {"uri": str(uri)}}
        (folder / name / "model-settings.json").write_text(json.dumps(document))
    python = environment_of("mlserver", PACKAGES)
    with (folder / "peer.log").open("wb") as log:
        command = [str(python.with_name("mlserver")), "start", str(folder)]
        process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
    try:
        wait_ready(port, process, folder / "peer.log")
        settle(process.pid)
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(30)


def wait_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            for name in RUNTIMES:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/models/{name}/ready", timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)  # it has no event that could be waited for
    raise RuntimeError(f"MLServer does not come up: {log.read_text(errors='replace')[-2000:]}")


def cost_ms(pid: int, port: int, case: Case, *, seconds: float) -> tuple[float, int]:
    """Return the processor time of an answer in milliseconds, and how many answers were none."""
    sent = request("POST", f"/v2/models/{case.model}/infer", body(case))
    before = cpu_seconds(pid)
    rate = measure(port, case.connections, seconds, lambda: sent)
    return (cpu_seconds(pid) - before) * 1000 / rate.count, rate.failed


def compare(sides: dict[str, tuple[int, int]], *, seconds: float) -> None:
    """Print the medians of the rounds; `sides` are process and port by name."""
    print(f"{'CPU ms of an answer':<38} {' '.join(f'{name:>10}' for name in sides)}")
    for case in CASES:
        rounds = [
            {name: cost_ms(pid, port, case, seconds=seconds) for name, (pid, port) in sides.items()}
            for _ in range(ROUNDS)
        ]
        costs = {name: sorted(round_[name][0] for round_ in rounds)[ROUNDS // 2] for name in sides}
        failed = sum(fails for round_ in rounds for _, fails in round_.values())
        ratio = f"{costs['mlserver'] / costs['helicline']:6.1f}x" if len(costs) > 1 else ""
        print(f"{case.name:<38} {' '.join(f'{cost:>10.3f}' for cost in costs.values())} {ratio}  failed {failed}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="of each of three rounds of a case")
    parser.add_argument("--alone", action="store_true", help="without the peer")
    options = parser.parse_args()
    sys.path.insert(0, str(TESTS))
    from support import gateway_harness

    folder = Path(tempfile.mkdtemp(prefix="helicline-bench-"))
    save_models(gateway_harness.models())
    harness = gateway_harness.GatewayHarness(folder / "gateway", HELICLINE_LOG_SEAL_S="2")  # the default
    try:
        for name in RUNTIMES:
            harness.deploy(name, name)
        settle(harness.gateway.process.pid)
        sides = {"helicline": (harness.gateway.process.pid, harness.gateway.address[1])}
        if options.alone:
            compare(sides, seconds=options.seconds)
            return
        (folder / "peer").mkdir()
        with peer(gateway_harness.models(), folder / "peer") as mlserver:
            compare(sides | {"mlserver": mlserver}, seconds=options.seconds)
    finally:
        harness.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
