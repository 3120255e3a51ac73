"""Contracts of datasets: `hl data contract`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import yaml
from cyclopts import App

from helicline.cli.show import as_json, connect, say, table
from helicline.errors import Invalid, Refused
from helicline.records.contract import Contract, ContractSpec
from helicline.records.dataset import DatasetVersion
from helicline.sdk import data

app = App(name="contract", help="What every version of a dataset has to be like before main moves to it.")


@app.command(name="show")
def show(dataset: str, *, json: bool = False) -> None:
    """Show the contract of a dataset. Example: `hl data contract show customers`"""
    contract = connect().get(f"/datasets/{dataset}/contract", Contract)
    if json:
        as_json(contract)
        return
    origin = f"loop {contract.loop}" if contract.loop else contract.updated_by
    say("[bold]{}[/] contract {} by {}", dataset, contract.number, origin)
    say("{}", as_yaml(contract.spec))


@app.command(name="set")
def set_contract(dataset: str, file: Path, *, json: bool = False) -> None:
    """Set the contract of a dataset from a YAML or JSON file. It holds for commits from now on.

    Example: `hl data contract set customers contract.yaml`
    """
    if not file.is_file():
        hint = f"Begin with: hl data contract infer {dataset} --to {file}"
        raise Invalid("file", str(file), "a YAML or JSON file with a contract", hint)
    try:
        written = yaml.safe_load(file.read_text()) or {}
        spec = msgspec.convert({**written, "dataset": dataset}, ContractSpec)
    except (yaml.YAMLError, TypeError, msgspec.ValidationError) as error:
        raise Invalid(
            str(file), str(error).replace("\n", " "), "a contract, as `hl data contract infer DATASET` writes it"
        ) from None
    contract = msgspec.json.decode(
        connect().send("PUT", f"/datasets/{dataset}/contract", body=spec).content, type=Contract
    )
    if json:
        as_json(contract)
        return
    say(
        "{} has contract {}; check what is on main now with: hl data contract check {}",
        dataset,
        contract.number,
        dataset,
    )


@app.command(name="remove")
def remove(dataset: str) -> None:
    """Remove the contract of a dataset: commits are published at once again. Example: `hl data contract remove rows`"""
    connect().send("DELETE", f"/datasets/{dataset}/contract")
    say("{} has no contract any more", dataset)


@app.command(name="infer")
def infer_contract(version: str, *, to: Path | None = None, json: bool = False) -> None:
    """Write a contract that a version keeps, to be looked through and set. It records nothing.

    Example: `hl data contract infer customers --to contract.yaml`

    Parameters
    ----------
    to
        The YAML file that is written; without it the contract is printed.
    """
    from helicline.sdk.steps.dataset_table import open_dataset
    from helicline.tables.apart import limited_session
    from helicline.tables.inference import infer

    client = connect()
    name, _, point = version.partition("@")
    present = client.get(f"/datasets/{name}/versions/{point or 'main'}", DatasetVersion)
    with TemporaryDirectory(prefix="helicline-infer-") as folder:
        session = limited_session(folder)
        rows = open_dataset(present.ref, client, Path(folder) / "data")
        session.execute(f"CREATE VIEW data AS {rows.query_in(session)}")
        spec = infer(session, name)
    if json:
        as_json(spec)
        return
    if to is None:
        print(as_yaml(spec))
        return
    to.write_text(as_yaml(spec) + "\n")
    say("{}: look it through, then: hl data contract set {} {}", to, name, to)


@app.command(name="check")
def check(version: str, *, json: bool = False) -> None:
    """Check a version by the contract of its dataset as it is now, and show what each check gives.

    Example: `hl data contract check customers@v3`
    """
    client = connect()
    name, _, point = version.partition("@")
    waiting = client.post(f"/datasets/{name}/versions/{point or 'main'}/check", DatasetVersion)
    checked_version = data.wait_for_checks(client, waiting)
    if json:
        as_json(checked_version)
        return
    show_audit(checked_version)
    if checked_version.audit is not None and checked_version.audit.state != "passed":
        raise Refused(f"pass {checked_version.ref}", checked_version.audit.reason())


def show_audit(version: DatasetVersion) -> None:
    """Print what the checks of a version gave, with the rows that fail them."""
    audit = version.audit
    if audit is None:
        return
    rows: list[tuple[Any, ...]] = [(result.outcome, result.check, result.detail) for result in audit.results]
    table(f"{version.ref}: {audit.state} by contract {audit.number}", ("", "check", ""), rows, empty=audit.why)
    for result in audit.results:
        for row in result.sample:
            say("  {}: {}", result.check, ", ".join(f"{name}={value}" for name, value in row.items()))


def as_yaml(spec: ContractSpec) -> str:
    """Return a contract as YAML, without what it leaves open."""
    written = {name: value for name, value in msgspec.to_builtins(spec).items() if name != "dataset"}
    columns = [
        {name: value for name, value in column.items() if value not in ("", None, ())} for column in written["columns"]
    ]
    written["columns"] = [
        {name: list(value) if isinstance(value, tuple) else value for name, value in column.items()}
        for column in columns
    ]
    written["unique"] = [list(key) for key in written["unique"]]
    filled = {name: value for name, value in written.items() if value not in ("", None, [], {})}
    return yaml.safe_dump(filled, sort_keys=False, allow_unicode=True).rstrip()
