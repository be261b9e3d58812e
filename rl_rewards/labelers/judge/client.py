"""One request to an OpenAI-compatible endpoint through the official client, and its outcome; the key stays secret.

asker.py does the retries. Those of the client are off, so that every request is counted and recorded.
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
"""The most that the official API returns; a rating needs 10."""
RETRIED = (408, 409, 425, 429)
"""HTTP statuses of temporary errors, in addition to 500 and above."""
OF_ALL = (401, 402, 403, 404)
"""HTTP statuses that concern every prompt: a wrong key, no credit, no permission, or an unknown model or address."""
STATUSES = {
    "rate_limit": 429, "overloaded": 503, "server_error": 500, "unavailable": 503, "timeout": 408, "timed_out": 408,
    "api_key": 401, "authentication": 401, "insufficient_quota": 402, "permission": 403, "model_not_found": 404,
}  # fmt: skip
"""HTTP statuses for the words in a textual error code, which some endpoints send with HTTP 200."""
FILTERED = ("content_filter", "content filter", "content management policy", "moderation", "flagged")
"""Words in an error message which mean that only this prompt is refused, whatever the status."""
HERE = ("127.0.0.1", "localhost", "::1")
LOGGERS = ("openai", "httpx", "httpx2")
MOST_LETTERS = 300
"""The longest error message that is kept, in characters."""


class Response(NamedTuple):
    """The outcome of one request: a reply or an error."""

    reply: Reply | None = None
    raw: str | None = None  # the body of the response, if there is one
    error: str | None = None  # a description of the error, for people
    again: bool = False  # True: the same request may succeed later
    of_prompt: bool = False  # True: the error concerns only this prompt
    wait_seconds: float | None = None  # the wait before a retry, if the endpoint or the error gives it


@dataclass(frozen=True)
class Connection:
    """The endpoint of a judge and the settings of its requests."""

    base_url: str
    model: str
    key: str | None = field(repr=False)  # None: the endpoint needs no key
    timeout_seconds: float
    logprobs: bool
    grammar: bool
    parameters: dict[str, Any]


class Endpoint:
    """The official client for one endpoint; several threads may use it at once.

    Raises:
        ConfigError: when the client is not installed.
    """

    def __init__(self, connection: Connection) -> None:
        try:
            import openai
        except ImportError as error:
            raise ConfigError(
                "labeler=ai_judge needs the openai client, which is not installed; run pip install 'rl_rewards[judge]'."
            ) from error
        for name in LOGGERS:
            if logging.getLogger(name).level == logging.NOTSET:
                logging.getLogger(name).setLevel(logging.WARNING)  # otherwise Hydra's log would list every request
        self._openai, self._connection, self._logprobs = openai, connection, connection.logprobs
        here = urlsplit(connection.base_url).hostname in HERE
        self._client = openai.OpenAI(
            base_url=connection.base_url,
            api_key=connection.key or "none",
            timeout=connection.timeout_seconds,
            max_retries=0,
            http_client=openai.DefaultHttpxClient(trust_env=not here),  # no proxy can reach this machine's own ports
        )

    def once(self, messages: Messages, parameters: dict[str, Any]) -> Response:
        """Send one request; errors are part of the returned outcome."""
        openai, sent = self._openai, self._logprobs
        more: dict[str, Any] = {"logprobs": True, "top_logprobs": TOP_LOGPROBS} if sent else {}
        chat: Any = self._client.chat.completions.with_raw_response  # its overloads accept no ``Messages``
        raw = None
        try:
            response = chat.create(
                model=self._connection.model,
                messages=messages,
                extra_body=parameters,  # unchecked, because an endpoint may have parameters of its own
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
            message = f"HTTP {status}: {_sentence(raw) or self._words(error)}"[:MOST_LETTERS]
            if sent and status in (400, 422) and "logprob" in message:
                self._logprobs = False  # not offered here: leave them out from now on
                return Response(raw=raw, error=message, again=True, wait_seconds=0.0)
            return _failed(status, message, raw, retry_after(error.response.headers))
        except (openai.OpenAIError, ValueError) as error:  # an unreadable body with HTTP 200
            return Response(raw=raw, error=self._words(error), again=True)

    def close(self) -> None:
        self._client.close()

    def _words(self, error: BaseException) -> str:
        return self._without_key(" ".join(str(error).split()))[:MOST_LETTERS]

    def _without_key(self, text: str) -> str:
        """Replace the key in ``text``, because an endpoint may repeat it."""
        key = self._connection.key
        return text.replace(key, "[key]") if key else text


def _failed(status: int, message: str, raw: str, wait_seconds: float | None = None) -> Response:
    again = status in RETRIED or status >= 500
    filtered = any(word in message.lower() for word in FILTERED)
    of_prompt = not again and (filtered or status not in OF_ALL)
    return Response(raw=raw, error=message, again=again, of_prompt=of_prompt, wait_seconds=wait_seconds)


def _status(code: str | int | None) -> int:
    """Return the HTTP status that an error's ``code`` stands for; an unknown code is 400, which concerns one prompt."""
    if isinstance(code, int) or str(code).isdecimal():
        return int(code or 400)
    return next((status for word, status in STATUSES.items() if word in str(code).lower()), 400)


def _sentence(raw: str) -> str | None:
    """Return the endpoint's error message from the body of an error; None if there is none."""
    try:
        found = error_of(json.loads(raw))
    except ValueError:
        return None
    return None if found is None else " ".join(found[1].split())


def retry_after(headers: Any) -> float | None:
    """Return the seconds that the header Retry-After gives, as a number or a date; None if there is none."""
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
