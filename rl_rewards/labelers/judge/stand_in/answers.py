"""Answers a judge's questions from the pictures that they show, with noise and a liking of red of stated sizes.

An impression of a picture is its progress, more for red, and noise. All answers follow from impressions: of two clips
the higher one is better, a rating is nine times the impression, and the task is done where it exceeds ``eye.DONE``.
"""

import base64
import binascii
import hashlib
import io
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from rl_rewards.labelers.judge.prompts import DIGITS, LETTERS, TRUE_FALSE, YES_NO
from rl_rewards.labelers.judge.stand_in.eye import DONE, Unrecognised, look

SURE = 20.0
"""The log-odds of an answer, in nats, for each unit of the impression."""
SPREAD = 0.7
"""The standard deviation of the probabilities of ratings around the rating that is meant, in points."""
RED_SHARE = 0.1
"""``likes_red`` is added to the impression of a picture of which this share is red, and in proportion to others."""
LEAST = 1e-12
"""The least probability of an option, so that its logarithm is finite."""
PARAMETERS = ("noise", "likes_red")
ASKS = {"A or B": LETTERS, "one digit": DIGITS, "true or false": TRUE_FALSE, "yes or no": YES_NO}
"""Words of a question, and its options."""


class BadRequest(Exception):
    """Raised for a request that cannot be answered; the message says why."""


def answer(body: Mapping[str, Any]) -> dict[str, float]:
    """Return option -> probability for the question in a request's ``body``; equal bodies have equal answers.

    The body's ``noise`` is the standard deviation of the noise on every impression, and ``likes_red`` is how much
    higher the impression of a picture is of which ``RED_SHARE`` is red.

    Raises:
        BadRequest: when the question or its pictures cannot be read.
    """
    parts = body["messages"][-1]["content"]
    if isinstance(parts, str):
        raise BadRequest("this stand-in answers questions about pictures; choose labeler.show=frames")
    texts = [part["text"] for part in parts if part["type"] == "text"]
    options = next((options for words, options in ASKS.items() if words in texts[-1]), None)
    noise, likes_red = (_number(body, name) for name in PARAMETERS)
    try:
        seen = [look(_decoded(part["image_url"]["url"])) for part in parts if part["type"] == "image_url"]
    except Unrecognised:
        message = "this stand-in recognises pictures of env=point and env=pencil_case only"
        raise BadRequest(message) from None
    if options is None or len(seen) != (2 if options == LETTERS else 1):
        raise BadRequest("this stand-in does not know this question")
    errors = noise * _generator(body).normal(size=len(seen))
    felt = [one.progress + likes_red * one.red / RED_SHARE + float(e) for one, e in zip(seen, errors, strict=True)]
    if options == DIGITS:
        return _ratings(felt[0])
    first, second = felt if options == LETTERS else (felt[0], DONE)
    yes = 1.0 / (1.0 + math.exp(-float(np.clip(SURE * (first - second), -50.0, 50.0))))
    return dict(zip(options, (yes, 1.0 - yes), strict=True))


def completion(shares: Mapping[str, float], model: str) -> dict[str, Any]:
    """Return a chat completion whose one token is the most probable option, with the log-probabilities of all."""
    likely = {option: math.log(max(share, LEAST)) for option, share in shares.items()}
    text = max(likely, key=lambda option: likely[option])
    tops = [{"token": option, "logprob": logprob, "bytes": None} for option, logprob in likely.items()]
    token = {"token": text, "logprob": likely[text], "bytes": None, "top_logprobs": tops}
    choice = {
        "index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text},
        "logprobs": {"content": [token]},
    }  # fmt: skip
    usage = {"prompt_tokens": 0, "completion_tokens": 1, "total_tokens": 1}
    return {
        "id": "stand-in", "object": "chat.completion", "created": 0, "model": model, "choices": [choice],
        "usage": usage,
    }  # fmt: skip


def _ratings(impression: float) -> dict[str, float]:
    meant = int(DIGITS[-1]) * min(max(impression, 0.0), 1.0)
    weights = np.array([math.exp(-0.5 * ((int(digit) - meant) / SPREAD) ** 2) for digit in DIGITS])
    return dict(zip(DIGITS, (weights / weights.sum()).tolist(), strict=True))


def _number(body: Mapping[str, Any], name: str) -> float:
    value = body.get(name, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRequest(f"{name}={value} must be a number")
    if name == "noise" and value < 0:
        raise BadRequest(f"noise={value} must not be negative")
    return float(value)


def _generator(body: Mapping[str, Any]) -> np.random.Generator:
    """Return the source of a question's noise, which depends on its messages and its random seed."""
    asked = json.dumps([body["messages"], body.get("seed", 0)], sort_keys=True)
    return np.random.default_rng(list(hashlib.sha256(asked.encode()).digest()))


def _decoded(url: str) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        packed = base64.b64decode(url.partition("base64,")[2], validate=True)
        return np.asarray(Image.open(io.BytesIO(packed)).convert("RGB"))
    except (binascii.Error, UnidentifiedImageError):
        raise BadRequest("a picture of this request cannot be decoded") from None
