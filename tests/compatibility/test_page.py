"""The page that tells what was tried is that of the tables."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of MLflow's own types
    from compatibility import page


def test_the_page_is_that_of_the_tables():
    assert page.PAGE.read_text() == page.page(), "run: python -m compatibility.page, in tests/"
