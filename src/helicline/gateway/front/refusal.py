"""Error answers of prediction calls, in the shape of the protocol that the call came in."""

from __future__ import annotations

from helicline.gateway.front.request import JSON, Request
from helicline.gateway.worker.frames import OIP_BINARY, OIP_JSON, SCORING_CSV, SCORING_JSON, SCORING_PARQUET, V1_JSON
from helicline.protocol.oip.errors import oip_error
from helicline.protocol.scoring.errors import scoring_error, v1_error

PROTOCOL_NAMES = {
    SCORING_JSON: "mlflow",
    SCORING_CSV: "mlflow",
    SCORING_PARQUET: "mlflow",
    OIP_JSON: "oip",
    OIP_BINARY: "oip",
    V1_JSON: "v1",
}


def refuse(request: Request, kind: int, *, status: int, why: str, retry_after_s: int = 1) -> None:
    """Answer with an error in the shape of the protocol of the frame kind; a 503 tells when to try again."""
    if PROTOCOL_NAMES[kind] == "oip":
        body = oip_error(why)
    elif kind == V1_JSON:
        body = v1_error(why)
    else:
        body = scoring_error(status, why)
    headers = ((b"retry-after", b"%d" % retry_after_s),) if status == 503 else ()
    request.respond(status, body, media_type=JSON, headers=headers)
