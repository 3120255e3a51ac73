"""Profiles, pictures and uses of datasets through a server: the same by command and by request."""

import json

import httpx
import pytest

import helicline as hl


@pytest.fixture
def client(place):
    with hl.Client(place.url) as session:
        yield session


@pytest.fixture
def get(place):
    with httpx.Client(base_url=f"{place.url}/api/v1", trust_env=False) as http:
        yield lambda address: http.get(address)


def test_a_profile_is_shown_as_a_table_and_has_the_version_before_beside_it(client, hl, tmp_path):
    (tmp_path / "a.csv").write_text("id,plan,amount\n" + "".join(f"{at},basic,{at % 9}\n" for at in range(90)))
    commit(client, "customers", tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("id,plan,amount\n" + "".join(f"{at},plus,{at % 9 + 3}\n" for at in range(90)))
    commit(client, "customers", tmp_path / "a.csv")
    shown = hl("data", "profile", "customers@v1", COLUMNS="200")
    assert shown.returncode == 0, shown.stderr
    assert "90 rows" in shown.stdout
    assert "basic 100%" in shown.stdout
    assert "nearly every value is different" in shown.stdout
    profile = json.loads(hl("data", "profile", "customers", "--json").stdout)
    amount = next(column for column in profile["columns"] if column["name"] == "amount")
    assert (amount["before"]["low"], amount["now"]["low"]) == ("0", "3")
    assert profile["rows"][0] == ["0", "plus", "3"]


def test_files_that_are_no_table_are_refused_by_name_and_pictures_are_shown_in_a_sandbox(client, hl, get, tmp_path):
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
    (tmp_path / "page.html").write_text("<script>alert(1)</script>")
    commit(client, "pictures", tmp_path)
    refused = hl("data", "profile", "pictures")
    assert refused.returncode != 0
    assert "2 files that are no table" in refused.stderr
    image = get("/datasets/pictures/versions/main/image?path=drawing.svg")
    assert image.headers["content-type"] == "image/svg+xml"
    assert image.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert get("/datasets/pictures/versions/main/image?path=page.html").status_code == 400
    absent = get("/datasets/pictures/versions/main/image?path=no.png")
    assert (absent.status_code, "hl data files" in absent.json()["hint"]) == (404, True)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/datasets/nothing/versions/main/profile", 404),
        ("/datasets/nothing/uses", 404),
        ("/datasets/few/versions/v9/profile", 404),
        ("/datasets/few/versions/main/profile?before=v9", 404),
        ("/datasets/few/versions/main/image", 400),
    ],
)
def test_what_is_not_there_is_said(client, get, tmp_path, path, status):
    (tmp_path / "a.csv").write_text("id\n1\n")
    commit(client, "few", tmp_path / "a.csv")
    assert get(path).status_code == status


def commit(client, dataset, source):
    return hl.data.commit(dataset, source, client=client, tell=lambda _: None)
