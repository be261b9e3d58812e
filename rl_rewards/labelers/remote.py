"""A label store behind the server of ``python -m rl_rewards.label FOLDER --shared``, as a run on any machine uses it.

A call is repeated until the server has answered it: a lost connection, or a server that starts again, costs time and
nothing else, because every call of :class:`~rl_rewards.labelers.run_store.RunStore` may be repeated.
"""

import http.client
import json
import os
import re
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, warn
from rl_rewards.core.files import read_text
from rl_rewards.labelers.instructions import Instructions
from rl_rewards.labelers.records import Absorbed, Clip, NewQuery, Source
from rl_rewards.labelers.run_store import RunStore
from rl_rewards.labelers.wire import MOST_BYTES, PREFIX, PROTOCOL, absorbed_from_json, clip_to_json

TOKEN_VARIABLE = "RL_REWARDS_LABEL_TOKEN"
TOKEN = re.compile(r"[A-Za-z0-9_-]{32,}")
TIMEOUT = 60.0
"""The longest wait for the server, in seconds; it waits up to 30 seconds for its disk."""
PAUSES = (0.1, 10.0)
"""The first and the longest pause between two attempts, in seconds."""
LOOKED = 0.3
"""The seconds between two looks at how many queries still wait; a run asks more often."""
BATCH = 2**19
"""The bytes of clips or queries in one call, at most if each is smaller: some proxies refuse more than a megabyte."""


def is_address(store: str) -> bool:
    """Return True if ``labeler.store`` is the address of a server, not the path of a file."""
    return store.lower().startswith(("http://", "https://"))


def check_address(store: str) -> urllib.parse.SplitResult:
    """Return the parts of a server's address.

    Raises:
        ConfigError: when it is more or less than http://HOST:PORT; the message does not repeat what may be a token.
    """
    try:
        parts = urllib.parse.urlsplit(store)
        right = bool(parts.hostname) and "@" not in parts.netloc and not (parts.query or parts.fragment)
        right = right and parts.path in ("", "/") and parts.port != 0
    except ValueError:  # a port that is no number
        right = False
    require(
        right, "labeler.store must be http://HOST:PORT (or https), with nothing after it; the token has its own place."
    )
    return urllib.parse.urlsplit(store)


def find_token(token_file: str | None) -> str:
    """Return the token, from the file ``token_file`` or else from the environment variable TOKEN_VARIABLE.

    Raises:
        ConfigError: when there is none; the message does not repeat what was found.
    """
    where = (
        f"labeler.token_file={token_file}" if token_file is not None else f"the environment variable {TOKEN_VARIABLE}"
    )
    found = os.environ.get(TOKEN_VARIABLE) if token_file is None else read_text(Path(token_file))
    require(
        found is not None,
        f"A label store behind a server needs its token: set the environment variable {TOKEN_VARIABLE}, or "
        "labeler.token_file to a copy of the file label_token beside the store.",
    )
    token = (found or "").strip()
    require(TOKEN.fullmatch(token) is not None, f"{where} holds no token (32 or more ASCII letters and digits).")
    return token


class _NotNow(Exception):
    """The server cannot be reached or cannot answer now; the message says why."""


class RemoteStore(RunStore):
    """Connects to the server at ``address``, and waits until it can be reached.

    Args:
        address: http://HOST:PORT, or https.
        token: of the store.

    Raises:
        ConfigError: when the server refuses the token, speaks another version, or does not serve a shared store.
    """

    def __init__(self, address: str, token: str) -> None:
        parts = check_address(address)
        self.address = f"{parts.scheme}://{parts.netloc}"
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._lock = threading.RLock()
        self._pause = 0.0  # above 0 while the server cannot be reached
        self._looked: tuple[Any, int, float] = (None, 0, 0.0)  # the last look of open(), and when to look again
        self._call("hello")

    def describe(self, run: str, told: Instructions) -> None:
        self._call("describe", run=run, told=told.as_text())

    def set_budget(self, run: str, seed: int, labels: int) -> None:
        self._call("set_budget", run=run, seed=seed, labels=labels)

    def submit(self, queries: Sequence[NewQuery], clips: Iterable[Clip]) -> None:
        for part in _batches(map(clip_to_json, clips)):
            self._call("submit", queries=[], clips=part)
        for part in _batches(map(asdict, queries)):  # after their clips, so that no query is without them
            self._call("submit", queries=part, clips=[])

    def record(
        self, run: str, seed: int, labeler: str, source: Source, answers: Mapping[int, Sequence[float] | None]
    ) -> int:
        """Store the answers; the number of new ones is 0 where a lost call had stored them already."""
        listed = [[query, scores and list(scores)] for query, scores in answers.items()]
        return self._call("record", run=run, seed=seed, labeler=labeler, source=source, answers=listed)

    def open(self, run: str, seed: int, round: int) -> int:
        """Return how many queries wait, at least 1 while the server cannot be reached; this call never waits for it.

        So a run that waits for people can be stopped while the server is away.
        """
        with self._lock:
            wanted, (looked, waiting, again) = (run, seed, round), self._looked
            if wanted == looked and time.monotonic() < again:
                return waiting
            try:
                waiting, pause = self._post("open", {"run": run, "seed": seed, "round": round}), LOOKED
            except _NotNow as problem:
                waiting, pause = 1, self._next_pause(problem)
            self._looked = wanted, waiting, time.monotonic() + (pause if waiting else 0.0)
            return waiting

    def unanswered(self, run: str, seed: int) -> set[int]:
        return set(self._call("unanswered", run=run, seed=seed))

    def absorb(self, run: str, seed: int, round: int, limit: int) -> list[Absorbed]:
        return absorbed_from_json(self._call("absorb", run=run, seed=seed, round=round, limit=limit))

    def recorded(self, run: str, seed: int, round: int) -> list[Absorbed]:
        return absorbed_from_json(self._call("recorded", run=run, seed=seed, round=round))

    def asked(self, run: str, seed: int) -> dict[int, tuple[str, ...]]:
        return {query: tuple(clips) for query, clips in self._call("asked", run=run, seed=seed)}

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _call(self, name: str, **given: Any) -> Any:
        """Return the result of a call; repeat it, with growing pauses, until the server has answered."""
        with self._lock:
            self._looked = (None, 0, 0.0)
            while True:
                try:
                    return self._post(name, given)
                except _NotNow as problem:
                    time.sleep(self._next_pause(problem))

    def _next_pause(self, problem: _NotNow) -> float:
        """Return the seconds until the next attempt; the first failure of several is announced."""
        if not self._pause:
            warn(
                f"the label store at {self.address} cannot be used now ({problem}). The run tries again until it can; "
                "nothing is lost if you stop it meanwhile (Ctrl-C twice) and continue it later."
            )
        self._pause = min(max(2 * self._pause, PAUSES[0]), PAUSES[1])
        return self._pause

    def _post(self, name: str, given: Mapping[str, Any]) -> Any:
        """Make one attempt; return the result.

        Raises:
            _NotNow: when another attempt may succeed.
            ConfigError: when it will not.
        """
        body = json.dumps({"protocol": PROTOCOL, **given}).encode()
        require(
            len(body) <= MOST_BYTES,
            f"a clip is too large to be sent ({len(body) / 2**20:.0f} MB of {MOST_BYTES / 2**20:.0f}); show shorter "
            "segments (reward.segment_steps), or smaller observations.",
        )
        status, content = self._exchanged(name, body)
        if status >= 500 or status in (408, 429):
            raise _NotNow(_message(content) or f"HTTP status {status}")
        if status == 401:
            raise ConfigError(
                f"labeler.store={self.address} refuses this token; use that of the file label_token beside the store."
            )
        if status in (404, 405):
            raise ConfigError(
                f"labeler.store={self.address} is not a shared label store; start its server with python -m "
                "rl_rewards.label FOLDER --shared, and from the same version of rl_rewards."
            )
        found = _json(content)
        refused = f"labeler.store={self.address}: {_message(content) or f'HTTP status {status}, from another program'}"
        require(status == 200 and isinstance(found, dict) and "result" in found, refused)
        if self._pause:
            self._pause = 0.0
            print(f"The label store at {self.address} can be used again.", flush=True)
        return found["result"]

    def _exchanged(self, name: str, body: bytes) -> tuple[int, bytes]:
        """Return the status and the content of the server's response."""
        reused = self._connection.sock is not None
        try:
            self._connection.request("POST", PREFIX + name, body, self._headers)
            response = self._connection.getresponse()
            return response.status, response.read()
        except ssl.SSLCertVerificationError as error:
            self._connection.close()
            raise ConfigError(f"labeler.store={self.address}: its certificate is not valid: {error.reason}.") from error
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if reused:  # a server closes connections that were idle for some seconds
                return self._exchanged(name, body)
            said = error.strerror if isinstance(error, OSError) else None
            raise _NotNow(said or str(error) or type(error).__name__) from error


def _batches(items: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Yield ``items`` in lists whose JSON has at most BATCH bytes, or a single item."""
    part, size = [], 0
    for item in items:
        length = len(json.dumps(item))
        if part and size + length > BATCH:
            yield part
            part, size = [], 0
        part.append(item)
        size += length
    if part:
        yield part


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _message(content: bytes) -> str:
    found = _json(content)
    return str(found.get("error", "")) if isinstance(found, dict) else ""
