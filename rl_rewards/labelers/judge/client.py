"""One request to an OpenAI-compatible endpoint through the official client, and what came of it. Keeps the key secret.

Trying again is asker.py's: the client's own retries are off, so that every request is counted and written down.
"""

import json
import logging
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from rl_rewards.core.errors import ConfigError
from rl_rewards.labelers.judge.parse import Reply, error_of, reply_of
from rl_rewards.labelers.judge.prompts import Messages

TOP_LOGPROBS = 20
"""The most that the official API gives; a rating needs ten."""
RETRIED = (408, 409, 425, 429)
"""HTTP statuses that may be another tomorrow, besides all from 500 on."""
OF_ALL = (401, 402, 403, 404)
"""HTTP statuses that every prompt would get: a wrong key, no money, no right, no such model or address."""
STATUSES = {
    "rate_limit": 429, "overloaded": 503, "server_error": 500, "unavailable": 503, "timeout": 408, "timed_out": 408,
    "api_key": 401, "authentication": 401, "insufficient_quota": 402, "permission": 403, "model_not_found": 404,
}  # fmt: skip
"""What words in an error's code mean, where it comes under HTTP 200 and is no number."""
FILTERED = ("content_filter", "content filter", "content management policy", "moderation", "flagged")
"""In an error's sentence: that this prompt alone is refused, whatever its status."""
HERE = ("127.0.0.1", "localhost", "::1")
LOGGERS = ("openai", "httpx", "httpx2")
MOST_LETTERS = 300
"""Of what an endpoint says of an error."""


class Response(NamedTuple):
    """Of one request: a reply, or an error."""

    reply: Reply | None = None
    raw: str | None = None  # what was sent back, if anything
    error: str | None = None  # what went wrong, for a person
    again: bool = False  # whether it may go well another time
    of_prompt: bool = False  # whether another prompt may go well
    wait_seconds: float | None = None  # before that, where the endpoint or the error says so


@dataclass(frozen=True)
class Connection:
    """Where a judge is and how it is asked."""

    base_url: str
    model: str
    key: str | None = field(repr=False)  # None: the endpoint needs none
    timeout_seconds: float
    logprobs: bool
    grammar: bool
    parameters: dict[str, Any]


class Endpoint:
    """The official client of one endpoint; several threads may ask at once.

    Raises:
        ConfigError: when the client is not installed, or cannot work with the address.
    """

    def __init__(self, connection: Connection) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigError(
                "labeler=ai_judge needs the openai client, which is not installed; pip install 'rl_rewards[judge]'."
            ) from error
        for name in LOGGERS:
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.WARNING)  # else Hydra's log would tell of every request
        self._openai, self._connection, self._logprobs = openai, connection, connection.logprobs
        here = urlsplit(connection.base_url).hostname in HERE
        self._client = openai.OpenAI(
            base_url=connection.base_url,
            api_key=connection.key or "none",
            timeout=connection.timeout_seconds,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=not here),  # no proxy knows this machine's own ports
        )

    def once(self, messages: Messages, parameters: dict[str, Any]) -> Response:
        """Ask; whatever goes wrong is in the outcome."""
        openai, sent = self._openai, self._logprobs
        more: dict[str, Any] = {"logprobs": True, "top_logprobs": TOP_LOGPROBS} if sent else {}
        chat: Any = self._client.chat.completions.with_raw_response  # whose overloads know no messages made at run time
        raw = None
        try:
            response = chat.create(
                model=self._connection.model,
                messages=messages,
                extra_body=parameters,  # as they are: an endpoint may have some of its own
                **more,
            )
            raw = self._without_key(response.text)
            reply = reply_of(raw)
            if reply.error is None:
                return Response(reply=reply, raw=raw)
            code, sentence = reply.error
            return _failed(_status(code), f"HTTP 200 with the error {code}: {sentence}"[:MOST_LETTERS], raw)
        except openai.APITimeoutError:
            return Response(error=f"no reply within {self._connection.timeout_seconds:g} s", again=True)
        except openai.APIConnectionError as error:
            return Response(error=f"no connection ({self._words(error.__cause__ or error)})", again=True)
        except openai.APIStatusError as error:
            status, raw = error.status_code, self._without_key(error.response.text)
            told = f"HTTP {status}: {_sentence(raw) or self._words(error)}"[:MOST_LETTERS]
            if sent and status in (400, 422) and "logprob" in told:
                self._logprobs = False  # not offered here: asked without from now on
                return Response(raw=raw, error=told, again=True, wait_seconds=0.0)
            return _failed(status, told, raw, retry_after(error.response.headers))
        except (openai.OpenAIError, ValueError) as error:  # rubbish under HTTP 200
            return Response(raw=raw, error=self._words(error), again=True)

    def close(self) -> None:
        self._client.close()

    def _words(self, error: BaseException) -> str:
        return self._without_key(" ".join(str(error).split()))[:MOST_LETTERS]

    def _without_key(self, text: str) -> str:
        """An endpoint may repeat the key in what it says."""
        key = self._connection.key
        return text.replace(key, "[key]") if key else text


def _failed(status: int, told: str, raw: str, wait_seconds: float | None = None) -> Response:
    again = status in RETRIED or status >= 500
    filtered = any(word in told.lower() for word in FILTERED)
    of_prompt = not again and (filtered or status not in OF_ALL)
    return Response(raw=raw, error=told, again=again, of_prompt=of_prompt, wait_seconds=wait_seconds)


def _status(code: str | int | None) -> int:
    """The HTTP status that an error's ``code`` stands for; 400 where it is unknown, which is of one prompt."""
    if isinstance(code, int) or str(code).isdecimal():
        return int(code or 400)
    return next((status for word, status in STATUSES.items() if word in str(code).lower()), 400)


def _sentence(raw: str) -> str | None:
    """The endpoint's own, where the body of an error holds one."""
    try:
        found = error_of(json.loads(raw))
    except ValueError:
        return None
    return None if found is None else " ".join(found[1].split())


def retry_after(headers: Any) -> float | None:
    """Seconds that the header Retry-After names, as a number or as a date; None without a readable one."""
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
