"""Secrets in what a step writes, in whatever form and however it is cut into pieces."""

import io
import json
import tempfile
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helicline.engine import task_files
from helicline.engine.secret_mask import SecretMask, forms_of
from helicline.engine.task_files import OutputLog

DSN = "postgresql://shop:p@ss w0rd/é@db:5432/x"
KEY = "-----BEGIN KEY-----\nMIIEvQ+IBADANBg/kq\n-----END KEY-----"


class Server:
    """Takes the pieces of a log, as the server does."""

    def __init__(self):
        self.content = b""

    def send(self, _method, _path, *, body, offset):
        assert offset == len(self.content)
        self.content += body


def sent(content, *values, piece=64):
    """Return what the server has of an output that was written a piece at a time."""
    server = Server()
    with tempfile.TemporaryFile("w+b") as file:
        log = OutputLog(server, "a", file, mask=SecretMask(values))
        for start in range(0, len(content), piece):
            file.seek(0, io.SEEK_END)
            file.write(content[start : start + piece])
            log.send_new(most=piece)
        log.send_rest()
    return server.content


@pytest.mark.parametrize(
    "write", [str, repr, json.dumps, quote, lambda text: f"x={text};", lambda text: text.split("\n")[1:2]]
)
@pytest.mark.parametrize("secret", [KEY, DSN + "\n" + DSN])
def test_a_secret_is_masked_in_the_forms_that_programs_write(write, secret):
    masked = SecretMask([secret]).text(str(write(secret)))
    assert "***" in masked
    assert not any(part in masked for part in ("MIIEvQ", "w0rd", "5432"))


def test_the_password_of_an_address_is_masked_alone():
    assert SecretMask(["mysql://shop:hunter22@db/x"]).text("access denied: hunter22") == "access denied: ***"


def test_text_without_a_secret_is_unchanged():
    assert SecretMask(["hunter22"]).text("all is well: é") == "all is well: é"
    assert SecretMask().text("all is well") == "all is well"


@settings(max_examples=200, deadline=None)
@given(
    secret=st.text("ab\n*é", min_size=4, max_size=12).filter(str.strip),
    parts=st.lists(st.text("abc\n*é", max_size=9), min_size=2, max_size=6),
    piece=st.integers(1, 40),
)
def test_no_secret_passes_however_the_output_is_cut(secret, parts, piece):
    output = sent(secret.join(parts).encode(), secret, piece=piece)
    assert output == SecretMask([secret]).masked(secret.join(parts).encode())
    assert not any(form.encode() in output for form in forms_of(secret) if "*" not in form)


@pytest.mark.parametrize("shift", range(0, 30, 3))
def test_a_secret_at_the_ends_of_what_is_left_out_is_masked(monkeypatch, shift):
    monkeypatch.setattr(task_files, "BEGINNING_BYTES", 200)
    monkeypatch.setattr(task_files, "END_BYTES", 100)
    output = sent(
        b"." * (185 + shift) + b"hunter22-hunter22" + b"." * 400 + b"hunter22-hunter22" + b"." * (85 + shift),
        "hunter22-hunter22",
    )
    assert b"bytes of output are left out here" in output
    assert b"hunter" not in output
    assert b"ter22" not in output
