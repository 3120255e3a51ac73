"""Take every page of a running server in both colour schemes.

python tests/browser/screenshots.py --url URL --out docs/screenshots
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
from playwright.sync_api import Page, expect, sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync"]
SIZE = {"width": 1440, "height": 900}


def pages(http: httpx.Client) -> dict[str, str]:
    """Return the address of every page by its picture's name, with the most telling noun of each kind."""

    def items(path: str, **query: Any) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = http.get(f"/api/v1{path}", params=query).raise_for_status().json()["items"]
        return listed

    turns, alerts = items("/turns"), items("/alerts")
    begun = next((turn for turn in turns if turn["cause"]["kind"] == "alert" and turn["finished_at"]), turns[0])
    back = next((turn for turn in turns if turn["state"] == "ROLLED_BACK"), turns[0])
    loop = http.get(f"/api/v1/loops/{begun['loop']}").raise_for_status().json()["loop"]["spec"]
    model, deployment = loop["model"], loop["deployment"]
    runs = items("/runs", limit=100)
    run = max(runs, key=lambda run: len(run["metrics"]))
    drift = next((alert for alert in alerts if alert["kind"] == "drift"), alerts[0])
    dataset = begun["dataset_version"].partition("@")[0]
    predictions = items(f"/deployments/{deployment}/predictions", limit=100)
    prediction = next((prediction_row for prediction_row in predictions if prediction_row["labels"]), predictions[0])
    return {
        "monitors": "/monitors",  # first, while the story's drift is still among the newest windows
        "loop": "/",
        "turns": "/turns",
        "turn": f"/turns/{quote(begun['loop'])}~{begun['number']}",
        "turn-rolled-back": f"/turns/{quote(back['loop'])}~{back['number']}",
        "runs": "/runs",
        "run": f"/runs/{run['run_id']}",
        "compare": f"/runs/compare?ids={','.join(compared(runs))}",
        "models": "/models",
        "model": f"/models/{quote(model)}",
        "version": f"/models/{quote(model)}/{begun['model_version']}",
        "versions-compared": f"/models/{quote(model)}/diff",
        "deployments": "/deployments",
        "deployment": f"/deployments/{quote(deployment)}",
        "why": f"/why/{prediction['prediction_id']}",
        "alerts": "/alerts",
        "alert": f"/alerts/{quote(drift['deployment'])}!{drift['number']}",
        "data": "/data",
        "dataset": f"/data/{quote(dataset)}",
        "pipelines": "/pipelines",
        "pipeline-run": f"/pipeline-runs/{begun['pipeline_run']}",
        "audit": "/audit",
    }


def compared(runs: list[dict[str, Any]]) -> list[str]:
    """Return the ids of up to four runs that tell most when they are compared: those with metrics and parameters."""
    telling = [run for run in runs if run["metrics"] and run["params"]] or runs
    return [run["run_id"] for run in telling[:4]]


def screenshot_of(page: Page, address: str) -> bytes:
    page.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("status", name="Loading")).to_have_count(0, timeout=30_000)
    page.wait_for_timeout(2500)  # two reports of the gateway, so that rates are known
    return page.screenshot()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="a running server, best that of make demo after its story")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    browser = shutil.which("chromium")
    if browser is None:
        print("chromium is missing; install it: apt-get install -y chromium fonts-dejavu-core", file=sys.stderr)
        return 1
    arguments.out.mkdir(parents=True, exist_ok=True)
    url = arguments.url.rstrip("/")
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        addresses = pages(http)
    with sync_playwright() as play:
        launched = play.chromium.launch(executable_path=browser, args=FLAGS)
        for scheme in ("light", "dark"):
            page = launched.new_context(viewport=SIZE, color_scheme=scheme).new_page()  # type: ignore[arg-type]
            for name, path in addresses.items():
                (arguments.out / f"{name}-{scheme}.png").write_bytes(screenshot_of(page, url + path))
        launched.close()
    size = sum(file.stat().st_size for file in arguments.out.glob("*.png"))
    print(f"{2 * len(addresses)} pictures, {size / 1e6:.1f} MB, in {arguments.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
