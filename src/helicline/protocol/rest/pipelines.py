"""Pipeline runs with steps, logs and attempts over HTTP, and the endpoints of workers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from helicline.access import secrets, tokens
from helicline.errors import Invalid, Refused
from helicline.loop import loops, task_specs
from helicline.pipeline import attempts, runs
from helicline.protocol.rest.edge import NO_CHANGE_RESPONSES, NO_STORE, Done, Edge, Page, checked_limit
from helicline.protocol.rest.feed import Feed
from helicline.records.pipeline import Attempt, Completion, PipelineRun, StepRun, TaskSpec
from helicline.store import nouns
from helicline.store.unit import Tx
from helicline.store.vault import Vault

MAX_LOG_BYTES = 64 << 20
TOKEN_SLACK_S = 60.0


class RunDetail(msgspec.Struct, frozen=True, kw_only=True):
    run: PipelineRun
    steps: list[StepRun]
    attempts: list[Attempt]


class LeaseBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    worker: str
    wait_s: float = 20.0


class BeatBody(msgspec.Struct, forbid_unknown_fields=True):
    fence: int


class Beat(msgspec.Struct, frozen=True):
    cancel: bool


class Why(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a step ran or was cached, and the components of its cache key."""

    step: str
    state: str
    reason: str
    key_parts: dict[str, str]


@get("/pipeline-runs", sync_to_thread=True)
def list_pipeline_runs(edge: Edge, pipeline: str = "", limit: int = 50) -> Page[PipelineRun]:
    """Pipeline runs, newest first."""
    column = nouns.PIPELINE_RUNS.table.c
    where = [column.pipeline == pipeline] if pipeline else []
    return Page(
        edge.read(
            lambda tx: nouns.PIPELINE_RUNS.select(
                tx, *where, order=[column.created_at.desc()], limit=checked_limit(limit)
            )
        )
    )


@get("/pipeline-runs/{run_id:str}", sync_to_thread=True)
def get_pipeline_run(edge: Edge, run_id: str) -> RunDetail:
    """A pipeline run with its steps and attempts."""
    return edge.read(
        lambda tx: RunDetail(
            run=nouns.PIPELINE_RUNS.get(tx, run_id),
            steps=list(runs.steps_of(tx, run_id).values()),
            attempts=attempts.of_run(tx, run_id),
        )
    )


@get("/pipeline-runs/{run_id:str}/why", sync_to_thread=True)
def why_rerun(edge: Edge, run_id: str) -> Page[Why]:
    """For each step: the run whose result was reused, or the component of the cache key that changed."""
    edge.read(lambda tx: nouns.PIPELINE_RUNS.get(tx, run_id))
    steps = edge.read(lambda tx: runs.steps_of(tx, run_id))
    return Page(
        [
            Why(
                step=step.step,
                state=step.state,
                reason=f"kept from run {step.cached_from}" if step.cached_from else step.miss_reason,
                key_parts=step.key_parts,
            )
            for step in steps.values()
        ]
    )


class SubmitBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The body of a request to run a pipeline. `params` are set for this run: `step.name`, or `name` of its own."""

    params: dict[str, Any] = {}
    use_cache: bool = True


@post("/pipelines/{name:str}/runs", sync_to_thread=True)
def submit_run(edge: Edge, name: str, data: SubmitBody) -> PipelineRun:
    """Run the pipeline of a loop by itself: no turn begins, and nothing is registered."""

    def unit(tx: Tx) -> PipelineRun:
        spec = loops.of_pipeline(tx, name).spec.pipeline
        return runs.submit(tx, spec, use_cache=data.use_cache, params=data.params)

    return edge.write(unit)


@post("/pipeline-runs/{run_id:str}/cancel", sync_to_thread=True, status_code=200)
def cancel_run(edge: Edge, run_id: str) -> PipelineRun:
    """Cancel a run: workers learn it by their heartbeats, waiting steps end at once."""
    return edge.write(lambda tx: runs.cancel(tx, run_id))


@post("/attempts/lease", status_code=200, responses=NO_CHANGE_RESPONSES, response_headers=NO_STORE)
async def lease_attempt(
    edge: Edge, feed: Feed, request: Request[Any, Any, Any], data: LeaseBody
) -> Response[TaskSpec | None]:
    """Lease a task, and wait for one up to `wait_s`; 204 when there was none. A worker that has left gets none."""
    if not data.worker:
        raise Invalid("worker", data.worker, "a name")
    end = asyncio.get_running_loop().time() + min(max(data.wait_s, 0), 30)
    departure = asyncio.create_task(_until_disconnected(request))
    try:
        while not departure.done():
            seq = feed.seq
            task = await asyncio.to_thread(_try_lease, edge, data.worker)
            remaining_s = end - asyncio.get_running_loop().time()
            if task is not None:
                return Response(task)
            if remaining_s <= 0 or not await feed.wait(seq, remaining_s, nouns=("attempt",)):
                break
    finally:
        departure.cancel()
    return Response(None, status_code=204)


async def _until_disconnected(request: Request[Any, Any, Any]) -> None:
    """Wait for the caller to leave. Its body has been read, so nothing else can come."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _try_lease(edge: Edge, worker: str) -> TaskSpec | None:
    def prepare(tx: Tx, task: TaskSpec) -> TaskSpec:
        return _with_secrets(edge, tx, task if settings.auth == "local" else _with_token(tx, task))

    settings = edge.context.settings
    return task_specs.lease_next(edge.read, edge.write, worker=worker, lease_s=settings.lease_s, prepare=prepare)


def _with_secrets(edge: Edge, tx: Tx, task: TaskSpec) -> TaskSpec:
    """Return the task with the secrets that its step names, in clear, for a worker that has a token."""
    if task.step is None or not task.step.secrets:
        return task
    if not edge.caller.is_identified:
        hint = "Start the worker with HELICLINE_TOKEN, or with hl up."
        raise Refused("hand out the secrets of the step", "its worker has no token", hint)
    values = secrets.values(tx, Vault.of(edge.context.settings), task.step.secrets)
    return msgspec.structs.replace(task, secrets=values)


def _with_token(tx: Tx, task: TaskSpec) -> TaskSpec:
    """Return the task with a token of its own, which expires with the task."""
    lifetime = timedelta(seconds=task.timeout_s + TOKEN_SLACK_S)
    secret = tokens.mint_for_attempt(tx, task.attempt, runs_user_code=task.task != "harvest", lifetime=lifetime)
    return msgspec.structs.replace(task, token=secret)


@post("/attempts/{attempt_id:str}/heartbeat", sync_to_thread=True, status_code=200)
def beat(edge: Edge, attempt_id: str, data: BeatBody) -> Beat:
    """Extend a lease; the answer says whether to stop. 409 for a stale fence."""
    lease_s = edge.context.settings.lease_s
    return Beat(edge.write(lambda tx: attempts.heartbeat(tx, attempt_id, fence=data.fence, lease_s=lease_s)))


@post("/attempts/{attempt_id:str}/release", sync_to_thread=True, status_code=200)
def release_attempt(edge: Edge, attempt_id: str, data: BeatBody) -> Done:
    """Hand an unfinished attempt back: a worker that stops does. 409 for a stale fence."""
    edge.write(lambda tx: attempts.release(tx, attempt_id, fence=data.fence))
    return Done()


@post("/attempts/{attempt_id:str}/complete", sync_to_thread=True, status_code=200)
def complete(edge: Edge, attempt_id: str, data: Completion) -> Done:
    """Record the end of a task: outputs, cache entry and state commit together, once."""
    edge.write(lambda tx: task_specs.complete(tx, attempt_id, data))
    return Done()


def _log_path(edge: Edge, attempt_id: str) -> Path:
    edge.read(lambda tx: nouns.ATTEMPTS.get(tx, attempt_id))
    folder = edge.context.home / "logs" / "attempts"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{attempt_id}.log"


@post("/attempts/{attempt_id:str}/log", status_code=200)
async def append_log(request: Request[Any, Any, Any], edge: Edge, attempt_id: str, offset: int) -> Done:
    """Append output at `offset`; a repeated piece changes nothing."""
    piece = await request.body()
    path = await asyncio.to_thread(_log_path, edge, attempt_id)
    await asyncio.to_thread(_write_at, path, offset, piece)
    return Done()


def _write_at(path: Path, offset: int, piece: bytes) -> None:
    size = path.stat().st_size if path.exists() else 0
    if not 0 <= offset <= size or offset + len(piece) > MAX_LOG_BYTES:
        raise Invalid("offset", offset, f"0 to {size}, and at most {MAX_LOG_BYTES} bytes in all")
    with path.open("r+b" if path.exists() else "wb") as file:
        file.seek(offset)
        file.write(piece)


@get("/attempts/{attempt_id:str}/log", sync_to_thread=True, media_type="text/plain")
def read_log(edge: Edge, attempt_id: str, offset: int = 0) -> Response[bytes]:
    """The output of an attempt from `offset` on; the header `X-Next-Offset` is the next offset."""
    path = _log_path(edge, attempt_id)
    piece = b""
    if path.exists():
        with path.open("rb") as file:
            file.seek(max(offset, 0))
            piece = file.read(1 << 20)
    headers = {"X-Next-Offset": str(max(offset, 0) + len(piece))}
    return Response(piece, headers=headers)


ROUTES = [
    list_pipeline_runs,
    get_pipeline_run,
    why_rerun,
    submit_run,
    cancel_run,
    lease_attempt,
    beat,
    release_attempt,
    complete,
    append_log,
    read_log,
]
