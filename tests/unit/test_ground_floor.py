"""Errors, ids, clock, settings."""

import pickle
import re
from datetime import UTC, datetime

import pytest

from helicline import errors, ids, settings
from helicline.clock import FakeClock, SystemClock, epoch_ms, from_epoch_ms
from helicline.errors import HeliclineError, Invalid
from helicline.store.noun import Stale

SAMPLES = [
    errors.NotFound("run", "x", "See: hl runs"),
    errors.Conflict("run", "x", "is gone", "Make another."),
    errors.Invalid("field", {"a": 1}, "a number", "hint"),
    errors.TooLarge("body", 7, "at most 5"),
    errors.Refused("go", "no"),
    errors.Unauthenticated("go", "no token"),
    errors.Unavailable("it", "down"),
    errors.StorageFull("disk", "full"),
    errors.Bug("something", "report it"),
    Stale("ref", "x", "moved"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_an_error_crosses_processes_unchanged(error):
    back = pickle.loads(pickle.dumps(error))
    assert (type(back), str(back), back.args, back.hint) == (type(error), str(error), error.args, error.hint)


@pytest.mark.parametrize("error", SAMPLES, ids=lambda sample: type(sample).__name__)
def test_an_error_is_a_sentence(error):
    assert re.fullmatch(r"[\w].*\.", error.sentence)


def test_every_error_has_a_code_of_its_own():
    kinds = [
        error_class
        for error_class in vars(errors).values()
        if isinstance(error_class, type) and issubclass(error_class, HeliclineError)
    ]
    assert len({kind.code for kind in kinds}) == len(kinds)


def test_a_long_value_is_cut_in_the_sentence_and_whole_in_the_data():
    error = Invalid("name", "x" * 1000, "short")
    assert len(error.sentence) < 200
    assert error.got == "x" * 1000


@pytest.mark.parametrize("name", ["a", "A.b-c_9", "0", "x" * 128])
def test_a_plain_name_is_taken(name):
    assert ids.checked_name("name", name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a..b", "-a", "_a", "a/b", "a b", "a\n", "ä", "x" * 129, "a\x00", "%2e"]
)
def test_a_name_that_could_be_a_path_is_refused(name):
    with pytest.raises(Invalid):
        ids.checked_name("name", name)


def test_prediction_ids_are_version_seven_and_rise_with_time():
    import uuid

    first, *later_ids = [ids.new_prediction_id() for _ in range(100)]
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert all(later[:13] >= first[:13] for later in later_ids)
    assert len({first, *later_ids}) == 100


def test_run_ids_are_thirty_two_hex_digits():
    assert re.fullmatch("[0-9a-f]{32}", ids.new_run_id())


def test_a_fake_clock_stands_still_until_it_is_moved():
    clock = FakeClock()
    start = clock.now()
    clock.sleep(3600)
    assert (clock.now() - start).total_seconds() == 3600
    assert clock.now() == clock.now()


def test_times_are_aware_and_survive_the_wire():
    moment = datetime(2026, 1, 5, 9, 0, 0, 123000, UTC)
    assert SystemClock().now().tzinfo is UTC
    assert from_epoch_ms(epoch_ms(moment)) == moment


def test_later_sources_of_a_setting_win(tmp_path):
    (tmp_path / settings.FILE).write_text('port = 1\nlease_s = 2.5\nauth = "token"\n')
    loaded = settings.load(tmp_path, {"HELICLINE_PORT": "9"})
    assert (loaded.port, loaded.lease_s, loaded.auth, loaded.host) == (9, 2.5, "token", "127.0.0.1")


def test_each_setting_says_where_it_comes_from(tmp_path):
    (tmp_path / settings.FILE).write_text("port = 1\n")
    origins = settings.origins(tmp_path, {"HELICLINE_HOME": "/x", "HELICLINE_OTHER": "1", "PATH": "y"})
    assert origins["port"] == (1, str(tmp_path / settings.FILE))
    assert (origins["home"], origins["auth"]) == (("/x", "HELICLINE_HOME"), ("local", "default"))


@pytest.mark.parametrize("text", ["prot = 1", 'port = "x"', "port = [1]", "port ="])
def test_a_wrong_file_is_refused_with_the_field(tmp_path, text):
    (tmp_path / settings.FILE).write_text(text)
    with pytest.raises(Invalid):
        settings.load(tmp_path, {})


def test_a_wrong_variable_is_refused(tmp_path):
    with pytest.raises(Invalid, match="port"):
        settings.load(tmp_path, {"HELICLINE_PORT": "many"})
