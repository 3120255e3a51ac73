"""Outputs of a model that are not as they must be: the answer is a 500 that names the output."""

import json

import pytest

WRONG_LENGTH, UNSENDABLE, UNEVEN = 1.0, 2.0, 3.0


def scoring(client, *values):
    rows = [[value, 0.5] for value in values]
    body = json.dumps({"dataframe_split": {"columns": ["a", "b"], "data": rows}})
    return client.post("/endpoints/odd/invocations", content=body, headers={"content-type": "application/json"})


def infer(client, *values):
    inputs = [
        {"name": name, "shape": [len(values)], "datatype": "FP64", "data": list(data)}
        for name, data in (("a", values), ("b", [0.5] * len(values)))
    ]
    return client.post("/v2/models/odd/infer", json={"inputs": inputs})


def predict(client, *values):
    instances = [{"a": value, "b": 0.5} for value in values]
    return client.post("/v1/models/odd:predict", json={"instances": instances})


SENTENCES = {
    WRONG_LENGTH: "the model's output 'output-1' has 2 entries for 3 rows",
    UNSENDABLE: "the model's output 'output-1' (list) cannot be sent: TypeError: a model output of type object has no"
    " JSON form",
    UNEVEN: "the model's output 'label' has 1 entries for 3 rows",
}


@pytest.mark.parametrize("value", SENTENCES)
@pytest.mark.parametrize(("key", "ask"), [("message", scoring), ("error", infer), ("error", predict)])
def test_an_output_that_cannot_be_right_is_a_500_that_names_it(client, value, key, ask):
    answer = ask(client, value, 9.0, 9.0)
    assert (answer.status_code, answer.json()[key]) == (500, SENTENCES[value])


def test_outputs_of_the_right_length_are_answered(client):
    assert scoring(client, WRONG_LENGTH, 9.0).json() == {"predictions": [1.0, 2.0]}
    assert scoring(client, 9.0, 9.0, 9.0).json() == {"predictions": [9.5, 9.5, 9.5]}
