"""Answers on the labelling page, over HTTP, with ``answering.py STORED`` labels in the store already."""

import sys
import tempfile
from pathlib import Path

import numpy as np

from rl_rewards.labelers.records import NewQuery, make_clip
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from scripts.annotators import Annotator, serve
from scripts.benchmarks.worker import serve as take_turns

PIECE = 50
OPEN = 2_000
"""Questions that wait for an answer: more than all turns together give."""


def main() -> None:
    """Fill a store, serve it, answer when asked."""
    stored = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), stored)
        server, address = serve(Path(folder))
        try:
            person = Annotator(address, "ann")
            state = person.call("state")[1]

            def piece() -> int:
                nonlocal state
                for _ in range(PIECE):
                    number = state["question"]["number"]
                    status, state = person.call("answer", question=number, scores=[1, 0], token=f"answer-{number}")
                    assert status == 200 and state["saved"] is True, state
                return PIECE

            take_turns(piece)
        finally:
            server.terminate()


def fill(folder: Path, stored: int) -> None:
    """``stored`` answers by the same person, and OPEN questions; every pair of clips of its own, without pictures."""
    store, rng = LabelStore(folder / STORE_NAME), np.random.default_rng(0)
    queries, clips = [], []
    for query_id in range(stored + OPEN):
        pair = [make_clip(*rng.normal(size=(2, 4, 2)).astype(np.float32)) for _ in range(2)]
        clips += pair
        queries.append(NewQuery("run", 0, query_id, 0, "pair", (pair[0].hash, pair[1].hash), "point", "uniform"))
    store.submit(queries, clips)
    store.set_budget("run", 0, stored + OPEN)
    store.record("run", 0, "ann", "human", dict.fromkeys(range(stored), (1.0, 0.0)))
    store.close()


if __name__ == "__main__":
    main()
