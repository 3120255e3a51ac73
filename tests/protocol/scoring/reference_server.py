"""MLflow's own scoring server, in its own process: JSON lines `{model, type, body}` in, answers out."""

import base64
import json
import sys
import warnings
from pathlib import Path

import mlflow.pyfunc
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server

warnings.simplefilter("ignore")


def main(folder):
    clients = {}
    for line in sys.stdin:
        request = json.loads(line)
        if request["model"] not in clients:
            app = scoring_server.init(mlflow.pyfunc.load_model(str(Path(folder) / request["model"])))
            clients[request["model"]] = TestClient(app, raise_server_exceptions=False)
        answer = clients[request["model"]].post(
            "/invocations", content=base64.b64decode(request["body"]), headers={"content-type": request["type"]}
        )
        prediction = {
            "status": answer.status_code,
            "type": answer.headers.get("content-type", ""),
            "text": answer.text,
        }
        sys.stdout.write("\n@" + json.dumps(prediction) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
