"""What a reply says: from the raw JSON of a chat completion to probabilities of the answers that were offered."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rl_rewards.labelers.judge.prompts import YES_NO

THOUGHT = "</think>"
"""Ends what a reasoning model says to itself, where the server leaves that in the reply."""


class Reply(NamedTuple):
    """Of one request."""

    text: str
    tokens: int | None  # of the request and the reply together; None where the server does not count
    likely: list[tuple[str, dict[str, float]]]  # per token: itself, and the likeliest ones' log-probabilities (nats)


def reply_of(raw: str) -> Reply:
    """Raises ValueError for anything but a chat completion with a choice; log-probabilities may be missing."""
    try:
        body = json.loads(raw)
        choice = body["choices"][0]
        text = choice["message"].get("content") or ""
        usage = body.get("usage") or {}
        tokens = usage.get("total_tokens")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ValueError("the reply is no chat completion") from error
    if not isinstance(text, str):
        raise ValueError("the reply's content is no text")
    return Reply(text, tokens if isinstance(tokens, int) and tokens >= 0 else None, _likely(choice))


def _likely(choice: dict[str, Any]) -> list[tuple[str, dict[str, float]]]:
    try:
        content = (choice.get("logprobs") or {}).get("content") or []
        return [
            (str(one["token"]), {str(top["token"]): float(top["logprob"]) for top in one.get("top_logprobs") or []})
            for one in content
        ]
    except (KeyError, TypeError, ValueError, AttributeError):
        return []  # of another form than the official one: as good as none


def read(reply: Reply, options: Sequence[str]) -> dict[str, float] | None:
    """Probabilities of ``options``, summing to 1; None when the reply names none of them, or several.

    Where log-probabilities are offered they are those of the token that is the answer, as shares of what falls on
    ``options``; else all of it is on what the text says.
    """
    said = yes_or_no(reply.text) if tuple(options) == YES_NO else chosen(reply.text, options)
    if said is None:
        return None
    shares = _shares(reply.likely, said, options)
    return shares or {option: float(option == said) for option in options}


def chosen(text: str, options: Sequence[str]) -> str | None:
    """The one option that stands at the beginning or the end of ``text``, where no other one is named."""
    spoken = re.sub(r"(?:/|out of)\s*\d+", " ", text.rpartition(THOUGHT)[2])
    words = re.findall(r"\w+", spoken)
    named = {word for word in words if word in options}
    if len(named) != 1 or re.search(r"\d[.,]\d", spoken):
        return None
    (one,) = named
    return one if one in (words[0], words[-1]) else None


def yes_or_no(text: str) -> str | None:
    """ "yes" or "no" where ``text`` is that one word, perhaps after "Answer"; None for anything longer.

    "No" begins many a sentence that is no answer ("No idea", "No case can be seen"), and must not be heard in them.
    """
    spoken = re.findall(r"\w+", text.rpartition(THOUGHT)[2].casefold())
    words = spoken[1:] if spoken[:1] == ["answer"] else spoken
    return words[0] if len(words) == 1 and words[0] in YES_NO else None


def _shares(likely: list[tuple[str, dict[str, float]]], said: str, options: Sequence[str]) -> dict[str, float] | None:
    thoughts = [i for i, (token, _) in enumerate(likely) if THOUGHT in token]
    spoken = likely[thoughts[-1] + 1 if thoughts else 0 :]
    tops = next((tops for token, tops in spoken if _plain(token, options) == said), None)
    if not tops:
        return None
    shares = dict.fromkeys(options, 0.0)
    for token, logprob in tops.items():
        if _plain(token, options) in shares:  # "A" and " A" are two tokens and one answer
            shares[_plain(token, options)] += math.exp(min(logprob, 0.0))
    total = sum(shares.values())
    return {option: share / total for option, share in shares.items()} if total > 0 else None


def _plain(token: str, options: Sequence[str]) -> str:
    """``token`` as an option would be written: "Yes" and " yes" are one answer, but "a" is not the letter A."""
    bare = token.strip()
    return bare.casefold() if tuple(options) == YES_NO else bare
