"""Writes docs/compatibility.md from the tables that the tests check: `python -m compatibility.page`, in tests/.

A test fails while the page is behind the tables; the tests of flavours and clients fail where the tables are wrong.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from clients.environments import CLIENTS, ClientVersion
from clients.workflows import WORKFLOWS, Workflow
from compatibility.faces import FACES, Face
from compatibility.flavours import FLAVOURS, REASONS, Flavour

PAGE = Path(__file__).parents[2] / "docs" / "compatibility.md"
NUMBERS = {words: number for number, words in enumerate(REASONS, 1)}
HEAD = """# What is tried together

Written by `python -m compatibility.page` (in `tests/`) from the tables that the tests check: what stands here is what a
test saw. `make test` tries one flavour of each kind and two older clients; `make flavours` and `make clients` make
environments of their own and try everything.

## Models: each flavour on each face

Each model is logged by the stock client, registered, judged by the code of the gates, deployed, asked on every face.
The answers must be those of `mlflow.pyfunc.load_model("models:/...")`. The faces are the forms of `/invocations` (four
for tables, a body of the model's own such as a conversation, CSV, Parquet), V1, and the Open Inference Protocol (OIP).
"""


def table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines) + "\n"


def face_cell(flavour: Flavour, face: Face) -> str:
    """Return what comes of asking a model on a face: works, refused and why, or that it has no such form."""
    if face.encode(flavour.sample) is None:
        return "–"
    words = flavour.refused.get(face.name)
    return f"refused ({NUMBERS[words]})" if words else "works"


def faces_section() -> str:
    rows = ((flavour.name, *(face_cell(flavour, face) for face in FACES)) for flavour in FLAVOURS)
    reasons = "\n".join(f"{number}. {REASONS[words]}" for words, number in NUMBERS.items())
    legend = "–: the input has no such form. Refused, with 400 or 415 and words that say so:\n\n"
    return table(("flavour", *(face.name for face in FACES)), rows) + "\n" + legend + reasons + "\n"


def watched(flavour: Flavour) -> str:
    """Return which columns are logged by type and compared by monitors."""
    if not flavour.logged:
        return "none: its inputs have no names"
    names = ", ".join(f"`{name.removeprefix('f_')}`" for name in flavour.logged)
    return names if flavour.is_monitored else f"{names}; the hold-out has none of them to compare with"


def models_section() -> str:
    rows = (
        (
            flavour.name,
            ", ".join(flavour.metrics) or "nothing: it answers with objects",
            watched(flavour),
            "`make test`" if flavour.is_brief else "`make flavours`",
        )
        for flavour in FLAVOURS
    )
    return table(("flavour", "judged by", "typed columns of the prediction log, monitored", "tried by"), rows)


def client_cell(workflow: Workflow, client: ClientVersion) -> str:
    return "works" if client.numbers >= workflow.since else "not in this client"


def clients_section() -> str:
    rows = ((workflow.name, *(client_cell(workflow, client) for client in CLIENTS)) for workflow in WORKFLOWS)
    served = ("its scikit-learn model, served, on every face", *("works" for _ in CLIENTS))
    return table(("workflow", *(f"mlflow {client.version}" for client in CLIENTS)), [*rows, served])


def page() -> str:
    """Return docs/compatibility.md."""
    judged = "\n## Models: what is measured and watched\n\n"
    clients = "\n## Clients: each version with its everyday workflows\n\n"
    not_tried = (
        "\n## Not tried\n\nFlavours that are not in the tables (Spark, TensorFlow, transformers, ...), models on a "
        "GPU, and the R and Java clients.\n"
    )
    return HEAD + "\n" + faces_section() + judged + models_section() + clients + clients_section() + not_tried


if __name__ == "__main__":
    PAGE.write_text(page())
