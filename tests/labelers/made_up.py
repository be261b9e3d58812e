"""Synthetic clips and queries for tests of the label store and its page."""

from pathlib import Path

import numpy as np

from rl_rewards.labelers.records import Clip, NewQuery, make_clip
from rl_rewards.labelers.store import LabelStore

RUN = "made-up"


def clip(number: int, frames: bool = False, steps: int = 4, side: int = 8) -> Clip:
    """Return a unique segment; with ``frames``, a bar crosses the picture at a unique speed."""
    rng = np.random.default_rng(number)
    obs, action = rng.normal(size=(steps, 3)).astype(np.float32), rng.normal(size=(steps, 2)).astype(np.float32)
    if not frames:
        return make_clip(obs, action)
    pictures = np.full((steps, side, side, 3), 235, np.uint8)
    for step in range(steps):
        left = (step * (1 + number % 5) * side // 20) % side
        pictures[step, :, left : left + max(1, side // 8)] = (0, 80 + 17 * (number % 8), 178)
    return make_clip(obs, action, pictures)


def text_clip(number: int, prompt: str, response: str) -> Clip:
    """Return a unique segment that people read."""
    tokens = np.full((1, 4), number, np.int32)
    return make_clip(tokens, tokens, passage=(prompt, response))


def ask_texts(store: LabelStore, query_id: int, prompt: str, *responses: str, round: int = 0) -> None:
    """Submit one query about responses to a prompt: a pair or a ranking."""
    own = [text_clip(1000 * query_id + i, prompt, response) for i, response in enumerate(responses)]
    kind = {1: "rating", 2: "pair"}.get(len(own), "ranking")
    store.submit([NewQuery(RUN, 0, query_id, round, kind, tuple(c.hash for c in own), "text", "uniform")], own)


def ask(store: LabelStore, count: int, *, first: int = 0, kind: str = "pair", clips: int = 2, **options) -> None:
    """Return ``count`` queries with ids from ``first`` on, each about its own clips."""
    seed, round, offset = options.pop("seed", 0), options.pop("round", 0), options.pop("offset", 0)
    queries, made = [], []
    for query_id in range(first, first + count):
        own = [clip(1_000_000 * seed + offset + 10 * query_id + k, **options) for k in range(clips)]
        made += own
        queries.append(NewQuery(RUN, seed, query_id, round, kind, tuple(c.hash for c in own), "point", "uniform"))
    store.submit(queries, made)


def opened(folder: Path, **options) -> LabelStore:
    return LabelStore(folder / "labels.sqlite", **options)
