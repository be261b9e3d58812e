"""The labelling page's server: a few JSON calls to a desk of the label store.

Every call except those for pictures is a POST with a JSON body. The response is JSON: ``{"error": message}`` with an
HTTP status code, or the state of the work. "saved" is true only after the answer is on the disk.
"""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import HOLDER, locked
from rl_rewards.labelers import wire
from rl_rewards.labelers.desk import MOST_LEASES, UNNAMED, Desk
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.page.run_state import RunState
from rl_rewards.labelers.page.security import Guard, Origins, most_bytes
from rl_rewards.labelers.progress import LabelCounts, consistency, progress
from rl_rewards.labelers.records import Conflict, Leased, changes, check_labeler
from rl_rewards.labelers.run_store import RunStore

HERE = Path(__file__).parent
BESIDES = ("page.css", "playing.js", "intro.js", "progress.js", "page.js")
STATIC = {"/": "index.html", **{f"/{name}": name for name in BESIDES}}
AWAY_SECONDS = 60.0
"""A browser that was not heard of for so long has left; an open page asks every few seconds."""
WORDS = {
    "name": "Several people answer here. Please type your name, so that each person's answers can be told apart.",
    "waiting": "There is nothing to label yet. This page checks for new questions by itself.",
    "others": "Other people are answering the remaining questions. This page checks for new questions by itself.",
    "crowded": f"{MOST_LEASES} people are labelling now, which is the limit. This page checks again by itself.",
    "budget": "Finished: the label budget of the run is used up. Thank you.",
    "over": "Finished: the run has ended and has no more questions. Thank you.",
}
SHARED_WORDS = {
    "budget": "Finished for now: the label budgets of all runs are used up. Thank you. This page checks for new runs "
    "by itself.",
}
"""The sentences that replace those above on the page of a shared store, where several runs ask and others may begin."""

CHOOSE = {
    "correction": "What should have been done instead?",
    "description": "What would make this better?",
}


def create_app(
    desk: Desk,
    run_dir: Path,
    *,
    port: int,
    token: str,
    told: Callable[[str | None], Instructions],
    admit: Callable[[Any], None] = lambda client: None,
    store: RunStore | None = None,
    origins: Origins | None = None,
) -> Starlette:
    """Return the web application of the page for ``desk``.

    Args:
        port: the port of the server, which the Host and Origin headers must contain.
        token: the secret that a browser must show.
        told: returns what people are told about the questions of a run, or None where there is no question.
        admit: called with the address of each client that has shown the token.
        store: the store that trainers may use, if it is shared by runs on several machines.
        origins: where the server is reached; by default, only on this machine.
    """
    work = Work(desk, RunState(run_dir), told, WORDS if store is None else {**WORDS, **SHARED_WORDS})
    calls = {
        "state": work.state,
        "progress": work.look,
        "answer": work.answer,
        "undo": work.undo,
        "release": work.release,
    }
    routes = [Route(path, _file(name), methods=["GET"]) for path, name in STATIC.items()]
    routes += [Route(f"/api/{name}", _call(call), methods=["POST"]) for name, call in calls.items()]
    if store is not None:
        answers = {name: partial(wire.call, store, name) for name in wire.CALLS}
        routes += [
            Route(
                f"{wire.PREFIX}{name}", _call(lambda given, answer=answer: {"result": answer(given)}), methods=["POST"]
            )
            for name, answer in answers.items()
        ]
    routes.append(Route("/media/{clip}", _media(desk), methods=["GET"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(Guard, port=port, token=token, admit=admit, origins=origins)],
        exception_handlers={
            HTTPException: _refused,
            ConfigError: lambda request, error: _error(400, str(error)),
            Conflict: lambda request, error: _error(409, str(error)),
            ClientDisconnect: lambda request, error: _error(400, "The request was incomplete."),
            OSError: lambda request, error: _error(503, _not_saved(error)),
            Exception: lambda request, error: _error(500, "Internal error; the server's console shows the details."),
        },
    )


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, _HTTP.get(error.status_code, error.detail))


_HTTP = {404: "This server has no such address.", 405: "This address does not allow this HTTP method."}


class Visitors:
    """The browsers that have shown the page lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock, self._seen = clock, dict[str, float]()

    def saw(self, browser: str) -> None:
        now = self._clock()
        self._seen = {one: at for one, at in self._seen.items() if now - at < AWAY_SECONDS}
        if browser in self._seen or len(self._seen) < MOST_LEASES:
            self._seen[browser] = now

    def several(self) -> bool:
        """Return True if more than one browser shows the page."""
        now = self._clock()
        return sum(now - at < AWAY_SECONDS for at in self._seen.values()) > 1


class Work:
    """The calls of the page, with JSON objects as arguments and results."""

    def __init__(
        self,
        desk: Desk,
        run: RunState,
        told: Callable[[str | None], Instructions],
        words: Mapping[str, str] = WORDS,
    ) -> None:
        self._desk, self._run, self._told, self._words, self._visitors = desk, run, told, words, Visitors()

    def state(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the annotator's question or why there is none, the progress, and how the run learns."""
        annotator = check_labeler(given.get("annotator"))
        looked = self.look(given)
        if annotator == UNNAMED and (self._visitors.several() or self._desk.has_named_annotators()):
            return {**looked, "status": "name", "words": self._words["name"], "question": None}
        leased = self._desk.lease(annotator)
        if leased:
            told = self._told(leased.run)
            words = told.ask_done if leased.kind == "yes_no" else CHOOSE.get(leased.kind, told.ask)
            question = self._question(leased, told.features)
            return {**looked, "words": words, "question": question, "told": _shown(told)}
        status = self._why_nothing(progress(self._desk.database, self._desk.run))
        return {**looked, "status": status, "words": self._words[status], "question": None}

    def look(self, given: dict[str, Any]) -> dict[str, Any]:
        """Return the progress and how the run learns, for a page that has a question already."""
        annotator = check_labeler(given.get("annotator"))
        self._visitors.saw(_browser(given.get("browser")))
        done = progress(self._desk.database, self._desk.run)
        agreements, repeats = consistency(self._desk.database, self._desk.run, annotator)
        own = {"repeats": repeats, "agreements": agreements, "seconds_each": self._desk.seconds_each(annotator)}
        told, run = _shown(self._told(None)), self._run.progress()
        return {"status": "ask", "progress": asdict(done), "own": own, "told": told, "run": run}

    def _why_nothing(self, done: LabelCounts) -> str:
        if done.budget is not None and done.labels >= done.budget:
            return "budget"
        if self._run.is_over() and not done.open:
            return "over"
        if done.leased >= MOST_LEASES:
            return "crowded"
        return "others" if done.leased else "waiting"

    def _question(self, leased: Leased, features: Sequence[str]) -> dict[str, Any]:
        """Return the clips in the order shown: pictures, or texts with the prompt that all of them answer.

        Repeats are not marked, so that people do not answer from memory.
        """
        hashes = [leased.clips[place] for place in leased.shown]
        asked: dict[str, Any] = {"number": leased.number, "kind": leased.kind}
        if leased.kind == "description":  # the other clips are changes of the first, which nobody can draw
            asked["changes"] = changes(features)
            hashes = hashes[:1]
        passages = self._desk.passages(hashes)
        texts = [passage for passage in passages if passage is not None]
        if len(texts) == len(hashes):
            prompts = {prompt for prompt, _ in texts}
            if len(prompts) == 1:
                return {**asked, "prompt": texts[0][0], "clips": [{"text": response} for _, response in texts]}
            return {**asked, "clips": [{"prompt": prompt, "text": response} for prompt, response in texts]}
        sheets = self._desk.sheets(hashes)
        clips = [sheet and {"media": f"/media/{clip}", **sheet} for clip, sheet in zip(hashes, sheets, strict=True)]
        return {**asked, "clips": clips}

    def answer(self, given: dict[str, Any]) -> dict[str, Any]:
        require("scores" in given, "an answer needs scores: a list of numbers, or null for a refusal.")
        scores, shown_at, replays = given["scores"], given.get("shown_at"), given.get("replays", 0)
        timed = shown_at is None or (_is_number(shown_at) and 0 <= shown_at < 10**11)
        require(timed, "shown_at must be seconds since 1970.")
        counted = isinstance(replays, int) and not isinstance(replays, bool) and 0 <= replays < 1_000_000
        require(counted, "replays must be a whole number from 0 to 999999.")
        self._desk.answer(
            check_labeler(given.get("annotator")),
            _number(given.get("question")),
            scores,
            token=_token(given.get("token")),
            shown_at=shown_at,
            replays=replays,
        )
        return {"saved": True, **self.state(given)}

    def undo(self, given: dict[str, Any]) -> dict[str, Any]:
        back = self._desk.undo(check_labeler(given.get("annotator")), token=_token(given.get("token")))
        return {"undone": back is not None, **self.state(given)}

    def release(self, given: dict[str, Any]) -> dict[str, Any]:
        self._desk.release(check_labeler(given.get("annotator")))
        return {"released": True}


def _shown(told: Instructions) -> dict[str, Any]:
    return {"task": told.task, "legend": told.legend, "strength": told.strength}


def _number(value: Any) -> int:
    right = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
    require(right, "question must be the number of a question.")
    return value


def _token(value: Any) -> str:
    right = isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]{8,64}", value) is not None
    require(right, "token must be 8 to 64 letters, digits or hyphens.")
    return value


def _browser(value: Any) -> str:
    """Return the random name that the page gave to its browser; pages that send none count as one browser."""
    right = value is None or (isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9-]{8,64}", value) is not None)
    require(right, "browser must be 8 to 64 letters, digits or hyphens.")
    return value or ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _call(call: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        given = _object(await _body(request))
        return JSONResponse(await run_in_threadpool(call, given))  # the store waits for the disk

    return handle


async def _body(request: Request) -> bytes:
    """Return the request's body; a body that is too long is refused, whatever Content-Length said."""
    body, most = bytearray(), most_bytes(request.url.path)
    async for part in request.stream():
        body += part
        if len(body) > most:
            raise HTTPException(413, f"The body is larger than {most} bytes.")
    return bytes(body)


def _object(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise ConfigError("The body is not JSON.") from error
    require(isinstance(given, dict), "The body must be a JSON object.")
    return given


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # NaN and Infinity are not JSON


def _file(name: str) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        return FileResponse(HERE / name)

    return handle


def _media(desk: Desk) -> Callable[[Request], Any]:
    async def handle(request: Request) -> Response:
        clip = request.path_params["clip"]
        media = await run_in_threadpool(desk.media, clip) if re.fullmatch(r"[0-9a-f]{64}", clip) else None
        if media is None:
            return _error(404, "There is no such clip.")
        kept = {"Cache-Control": "private, max-age=86400, immutable"}  # safe, because the name is a hash of the content
        return Response(media, media_type="image/png", headers=kept)

    return handle


def _error(status: int, sentence: str) -> Response:
    return JSONResponse({"error": sentence}, status)


def _not_saved(error: Exception) -> str:
    said, where = (error.strerror, error.filename) if isinstance(error, OSError) else (None, None)
    return f"Not saved: the label store{f' {where}' if where else ''} cannot be used now: {said or error}."


def only_server(store: Path) -> AbstractContextManager[object]:
    """Return a lock for the only server of ``store``; it is held during the block and ends with the process.

    Raises:
        ConfigError: on entering, when another server holds it.
    """
    real = store.resolve()  # links may give a store several names
    busy = f"{store} already has a labelling page, run by {HOLDER}; use the address that it printed."
    return locked(real.with_name(real.name + ".server"), busy)
