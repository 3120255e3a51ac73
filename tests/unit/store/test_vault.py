"""Secrets at rest."""

import base64
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helicline.errors import Conflict
from helicline.settings import Settings
from helicline.store.vault import KEY_FILE, PREFIX, Vault

VAULT = Vault(lambda: b"key")


@given(st.text(min_size=1), st.text())
def test_what_is_sealed_comes_back_and_shows_nothing(text, about):
    sealed = VAULT.seal(text, about)
    assert VAULT.open(sealed, about) == text
    raw = base64.b64decode(sealed.removeprefix(PREFIX))
    assert len(raw) == 12 + len(text.encode()) + 16  # nonce, text, tag
    assert len(text) < 8 or text.encode() not in raw


def test_the_same_secret_never_looks_the_same():
    assert VAULT.seal("secret", "a") != VAULT.seal("secret", "a")


@pytest.mark.parametrize("at", [0, 11, 12, 17, 18, -1])
def test_a_changed_byte_is_noticed(at):
    raw = bytearray(base64.b64decode(VAULT.seal("secret", "a").removeprefix(PREFIX)))
    raw[at] ^= 1
    with pytest.raises(Conflict, match="was changed"):
        VAULT.open(PREFIX + base64.b64encode(bytes(raw)).decode(), "a")


@pytest.mark.parametrize("sealed", [PREFIX, PREFIX + "x", PREFIX + "AAAA", PREFIX + "!!!!"])
def test_what_was_cut_is_noticed(sealed):
    with pytest.raises(Conflict):
        VAULT.open(sealed, "a")


def test_a_secret_opens_nowhere_else_and_with_no_other_key():
    sealed = VAULT.seal("secret", "webhook/1")
    with pytest.raises(Conflict):
        VAULT.open(sealed, "webhook/2")
    with pytest.raises(Conflict):
        Vault(lambda: b"another").open(sealed, "webhook/1")


def test_the_key_of_a_home_is_made_once_and_for_its_owner_alone(tmp_path):
    settings = Settings(home=str(tmp_path / "home"))
    with ThreadPoolExecutor(8) as pool:
        sealed = list(pool.map(lambda number: Vault.of(settings).seal(str(number), "a"), range(32)))
    assert [Vault.of(settings).open(secret, "a") for secret in sealed] == [str(number) for number in range(32)]
    files = [path for path in (tmp_path / "home").iterdir()]
    assert [(path.name, path.stat().st_mode & 0o777) for path in files] == [(KEY_FILE, 0o600)]


def test_nothing_is_made_where_nothing_is_sealed(tmp_path):
    vault = Vault.of(Settings(home=str(tmp_path)))
    assert (vault.seal("", "a"), vault.open("plain", "a"), list(tmp_path.iterdir())) == ("", "plain", [])
