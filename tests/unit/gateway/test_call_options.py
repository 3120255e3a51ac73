import json

import pytest

from helicline.gateway.front.call_options import assignment_key
from helicline.gateway.front.request import Request
from helicline.gateway.worker.frames import OIP_BINARY, OIP_JSON, SCORING_JSON

HEAD = json.dumps({"inputs": [], "parameters": {"user_id": "u-1"}}).encode()
OTHER = b'{"inputs": []}'


def request(body):
    sent = Request(None)
    sent.body = body
    return sent


@pytest.mark.parametrize(
    ("kind", "body", "json_length", "key"),
    [
        (OIP_JSON, HEAD, 0, "u-1"),
        (OIP_BINARY, HEAD + b"\xff\x00", len(HEAD), "u-1"),
        (OIP_BINARY, OTHER + HEAD, len(OTHER), ""),  # values that look like a head
        (OIP_BINARY, HEAD, 0, ""),
        (SCORING_JSON, HEAD, 0, ""),
    ],
)
def test_the_key_is_read_from_the_json_alone(kind, body, json_length, key):
    assert assignment_key(request(body), kind, json_length=json_length) == key
