"""Asks a judge one question. A known reply comes from the journal; otherwise the endpoint is asked, with retries."""

import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from rl_rewards.labelers.judge.client import Connection, Endpoint, Response
from rl_rewards.labelers.judge.journal import Call, Journal, request_key
from rl_rewards.labelers.judge.parse import NoAnswer, Reply, read, reply_of, unread
from rl_rewards.labelers.judge.prompts import Messages, again

LETTERS_A_TOKEN = 4
"""An estimate of characters per token, for endpoints that do not count tokens."""


class JudgeFailed(Exception):
    """Raised when the judge does not answer; the message quotes it or its endpoint."""


class PromptRefused(Exception):
    """Raised when the endpoint refuses this one prompt; the message quotes the endpoint."""


class CapReached(Exception):
    """Raised when no further request is allowed; the message names the cap."""


class Interrupted(Exception):
    """Raised when the run is stopping, so that no answer is needed any more."""


@dataclass(frozen=True)
class Limits:
    """The number of tries for a request, the waits between them, and the caps of one seed."""

    tries: int
    backoff_seconds: float
    backoff_most_seconds: float
    cap_calls: int
    cap_tokens: int


class Asker:
    """Sends the questions of one seed; several threads may use it at once.

    Args:
        stopping: an event that is set when the run stops; it ends all waits and prevents new requests.
    """

    def __init__(self, connection: Connection, limits: Limits, journal: Journal, stopping: threading.Event) -> None:
        self._connection, self._limits, self._journal, self._stopping = connection, limits, journal, stopping
        self._endpoint = Endpoint(connection)
        self._lock, self._random = threading.Lock(), random.Random()  # random waits: no result depends on them
        totals = journal.totals()
        self._calls, self._tokens = totals.calls, totals.tokens

    def __call__(
        self, messages: Messages, options: Sequence[str], sample: int | None = None
    ) -> dict[str, float] | NoAnswer:
        """Return the probabilities of ``options``, or NoAnswer.

        A question is asked anew for each number ``sample``, which is the request's random seed.

        NoAnswer means that the judge named none of the options even after a second request, or that its endpoint
        refused this prompt.

        Raises:
            JudgeFailed, CapReached, Interrupted
        """
        try:
            reply = self.reply(messages, sample, options)
            understood = read(reply, options)
            if understood is None:
                reply = self.reply(again(messages, reply.spoken, options), sample, options)
                understood = read(reply, options)
        except PromptRefused as refused:
            return NoAnswer(str(refused))
        return NoAnswer(unread(reply)) if understood is None else understood

    def close(self) -> None:
        self._endpoint.close()

    def reply(self, messages: Messages, sample: int | None = None, options: Sequence[str] = ()) -> Reply:
        """Return the reply to ``messages``: one of ``options``, if there are any and the endpoint takes a grammar.

        Raises:
            JudgeFailed, CapReached, Interrupted, PromptRefused
        """
        parameters = dict(self._connection.parameters) | ({} if sample is None else {"seed": sample})
        if self._connection.grammar and options:
            parameters["grammar"] = "root ::= " + " | ".join(f'"{option}"' for option in options)
        request = {"model": self._connection.model, "messages": messages, **parameters}
        key = request_key(request)
        known = self._journal.reply(key)
        if known is not None:
            return reply_of(known)
        outcome = Response()
        for attempt in range(self._limits.tries):
            if attempt:
                self._pause(attempt, outcome.wait_seconds)
            self._reserve()
            asked_at, started = time.time(), time.perf_counter()
            outcome = self._endpoint.once(messages, parameters)
            tokens = 0 if outcome.reply is None else _tokens(outcome.reply, request)
            seconds = time.perf_counter() - started
            self._journal.add(Call(key, asked_at, seconds, tokens, request, outcome.raw, outcome.error))
            with self._lock:
                self._tokens += tokens
            if outcome.reply is not None:
                return outcome.reply
            if outcome.of_prompt:
                raise PromptRefused(f"the endpoint refuses the prompt ({outcome.error})")
            if not outcome.again:
                raise JudgeFailed(f"refuses ({outcome.error})")
        raise JudgeFailed(f"did not answer in {self._limits.tries} tries (the last: {outcome.error})")

    def _pause(self, attempt: int, seconds: float | None) -> None:
        """Wait as long as the endpoint says, or else twice as long after each attempt, times a random 0.5 to 1.5."""
        limits = self._limits
        if seconds is None:
            seconds = limits.backoff_seconds * 2.0 ** (attempt - 1) * self._random.uniform(0.5, 1.5)
        self._stopping.wait(min(seconds, limits.backoff_most_seconds))

    def _reserve(self) -> None:
        """Count a request before it is sent, unless a cap forbids it."""
        if self._stopping.is_set():
            raise Interrupted
        with self._lock:
            if self._calls >= self._limits.cap_calls:
                raise CapReached(f"labeler.cap_calls={self._limits.cap_calls}")
            if self._tokens >= self._limits.cap_tokens:
                raise CapReached(f"labeler.cap_tokens={self._limits.cap_tokens}")
            self._calls += 1


def _tokens(reply: Reply, request: dict) -> int:
    if reply.tokens is not None:
        return reply.tokens
    return (len(str(request["messages"])) + len(reply.text)) // LETTERS_A_TOKEN
