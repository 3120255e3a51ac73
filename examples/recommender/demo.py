"""The story of `make recommender`: sixty days of events arrive, one of them broken; then turns, decided by users.

python examples/recommender/demo.py [--exit] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import urllib3
from events import BROKEN_DAY, Shop, broken, write
from shoppers import Shoppers

import helicline as hl
from helicline.errors import Refused

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from story import Home, expect, until  # noqa: E402


def arrive(story: Home, shop: Shop, folder: Path, *, at_once: int, days: int) -> None:
    """Commit the first days at once, then each as it comes. The broken one is mended when all others are in."""
    first = [shop.export(number, folder)[0] for number in range(1, at_once + 1)]
    commit(story, first)
    print(f"{at_once} days of events, CSV and Parquet files as one table", flush=True)
    for number in range(at_once + 1, days + 1):
        path, rows = shop.export(number, folder)
        if number == BROKEN_DAY:
            mended = rows
            write(broken(rows), folder / path.stem)
            expect(refused := refusal(story, path), "the broken day was published")
            print(f"day {number} is broken and put aside: {refused}", flush=True)
        else:
            commit(story, [path])
    head = story.client.get("/datasets/events/versions/main", dict[str, Any])
    expect(head["file_count"] == days - 1, f"{head['file_count']} files are published")
    (folder / "mended").mkdir()
    commit(story, [write(mended, folder / "mended" / f"day-{BROKEN_DAY}")])
    head = story.client.get("/datasets/events/versions/main", dict[str, Any])
    expect(head["file_count"] == days, f"{head['file_count']} files are published")
    print(f"day {BROKEN_DAY} came again, mended: {head['row_count']} events of {days} days", flush=True)


def commit(story: Home, paths: list[Path]) -> None:
    hl.data.commit("events", paths, append=True, client=story.client, tell=lambda _: None)


def refusal(story: Home, path: Path) -> str:
    """Return why a day is not published, "" where it is."""
    try:
        commit(story, [path])
    except Refused as error:
        return str(error).splitlines()[0]
    return ""


def tell(story: Home, folder: Path, *, at_once: int, days: int) -> None:
    """Go through the story; each line says what came out."""
    arrive(story, Shop(), folder, at_once=at_once, days=days)
    first = json.loads(story.hl("run", "recommender", "--json"))
    expect(first["state"] == "PROMOTED", f"the first turn ended {first['state']}: {first['result']}")
    print("the week's turn: recommender/1 passed the gates on recall@10 and NDCG@10 and serves", flush=True)

    regular, stranger = recommended(story, 1), recommended(story, 999_999)
    expect(len(regular) == len(stranger) == 10 and regular != stranger, f"{regular} and {stranger}")
    print(
        f"user 1 gets {', '.join(regular[:3])}, ...; a stranger what is popular: {', '.join(stranger[:3])}, ...",
        flush=True,
    )

    worse = json.loads(story.hl("run", "recommender", "--set", "train.neighbours=0", "--json", may_fail=True))
    expect(worse["state"] == "REJECTED", f"the second turn ended {worse['state']}: {worse['result']}")
    expect(recommended(story, 1) == regular, "what serves has changed")
    print(f"a candidate that knows only what is popular is rejected: {worse['result']}", flush=True)
    compare(story)
    print("all came out as the story says", flush=True)


def compare(story: Home) -> None:
    """Test candidates on users, of whom only buyers tell: a worse one, a better one, and a fall after its promotion."""
    shoppers = Shoppers(story.gateway_url, conversions={3: 0.25, 4: 0.6}, otherwise=0.4)
    shoppers.start()
    try:
        harmful = turned(story, neighbours=19)
        expect(harmful["state"] == "ROLLED_BACK", f"the third turn ended {harmful['state']}: {harmful['result']}")
        print(f"version 3 is as good on old events, and users buy less: {harmful['result']}", flush=True)
        better = turned(story, neighbours=21)
        expect(better["state"] == "PROMOTED", f"the fourth turn ended {better['state']}: {better['result']}")
        print(f"version 4 ships: {better['result']}", flush=True)
        shoppers.conversions[4] = 0.2
        until("the return to the version before", lambda: serving(story) == 1)
        turn = story.turn(4)
        expect(turn["legs"][-1]["result"] == "rolled back", f"the fourth turn says {turn['legs'][-1]}")
        print(f"after the promotion users buy less, and version 1 serves again: {turn['result']}", flush=True)
    finally:
        shoppers.stop()
    expect(not shoppers.failed, f"{shoppers.failed} of {shoppers.served} calls failed")
    print(f"{shoppers.served} users were served, 0 calls failed", flush=True)


def turned(story: Home, *, neighbours: int) -> dict[str, Any]:
    """Return the turn of a candidate, when it is over."""
    turn: dict[str, Any] = json.loads(
        story.hl("run", "recommender", "--set", f"train.neighbours={neighbours}", "--json", may_fail=True)
    )
    return turn


def serving(story: Home) -> int:
    """Return the version that serves."""
    detail = story.client.get("/deployments/recommender", dict[str, Any])
    stable = detail["deployment"]["stable"]
    return next(row["model_version"] for row in detail["revisions"] if row["number"] == stable)


def recommended(story: Home, user: int) -> list[str]:
    """Return the items that the deployment answers for a user."""
    body = json.dumps({"dataframe_records": [{"user": user}]})
    headers = {"Content-Type": "application/json"}
    url = f"{story.gateway_url}/endpoints/recommender/invocations"
    answer = urllib3.request("POST", url, body=body, headers=headers, timeout=60)
    expect(answer.status == 200, answer.data.decode()[:300])
    items: list[str] = answer.json()["predictions"][0]
    return items


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the program below stops, too
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the home is made (default: a new temporary folder)")
    parser.add_argument("--at-once", type=int, default=30, help="days that are committed at once, before the others")
    parser.add_argument("--days", type=int, default=60, help="days in all, more than the 41st")
    parser.add_argument("--exit", action="store_true", help="end when the story is told; else serve until Ctrl-C")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="helicline-recommender-"))
    (folder / "exports").mkdir(parents=True, exist_ok=True)
    with Home(folder, example=HERE) as story:
        story.hl("apply", "loop.py")
        tell(story, folder / "exports", at_once=options.at_once, days=options.days)
        if not options.exit:
            print(f"web UI {story.url}, predictions {story.gateway_url}; Ctrl-C stops everything", flush=True)
            try:
                while True:
                    time.sleep(3600)
            except KeyboardInterrupt:
                print("stopped")


if __name__ == "__main__":
    main()
