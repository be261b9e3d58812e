"""Kills trainer, labelling page or both at random instants while people label, and counts the fate of every answer.

``python -m scripts.measure_label_kills [--kills 15] [--out DIR]`` writes scripts/results/label_kills.json. Eight
simulated people answer over HTTP; every answer that the server acknowledged must be in the store once, and no other.
At the end the answers are replayed into a run that nobody kills: policy, reward and environment must end in the same
bits (the ring of transitions differs, since only people need scenes).
"""

import argparse
import http.client
import json
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from rl_rewards.labelers.store import STORE_NAME
from rl_rewards.loop.provenance import code
from scripts.annotators import Annotator, serve
from scripts.measure_kills import compare

RESULTS = Path(__file__).parent / "results" / "label_kills.json"
PEOPLE = 8
BUDGET = 450
THINKING_SECONDS = 0.5
UNDO_SHARE = 0.05
RUN = [
    "reward=preferences",
    "env=point",
    f"reward.budget={BUDGET}",
    "reward.sessions=15",
    "reward.rounds_per_session=2",
    "reward.schedule=constant",
    "reward.segment_steps=8",
    "algorithm.num_envs=16",
    "algorithm.rollout_length=40",
    "total_env_steps=25_600",
    "checkpoint.every=3",
    "evaluation.every=10",
    "logger=none",
    "video=false",
    "report=false",
]
COMPARED = ("agent", "reward", "env", "key")
VICTIMS = {"trainer": ("trainer",), "page": ("page",), "both": ("trainer", "page")}


class Said(NamedTuple):
    """Answers that the server has acknowledged."""

    token: str
    question: int
    scores: tuple[int, int] | None  # None: the answer was taken back


class People:
    """Eight people who answer until they are told to stop, and record what was acknowledged."""

    def __init__(self, address: str) -> None:
        self.said: list[Said] = []  # appended to by all of them
        self.trouble: list[str] = []
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(address, i)) for i in range(PEOPLE)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Wait until everybody has finished what they had begun."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _work(self, address: str, who: int) -> None:
        chance, person = random.Random(who), Annotator(address, f"annotator {who}")
        while not self._stopping.is_set():
            status, state = self._insist(person, "state")
            if status != 200 or state["question"] is None:
                time.sleep(0.1)
                continue
            time.sleep(THINKING_SECONDS * 2 * chance.random())
            number, scores = state["question"]["number"], chance.choice([(1, 0), (0, 1)])
            token = f"answer-{who}-{len(self.said)}-{chance.random()}".replace(".", "-")
            status, _ = self._insist(person, "answer", question=number, scores=scores, token=token)
            if status != 200:  # refused with a message: nothing was written
                continue
            self.said.append(Said(token, number, scores))
            if chance.random() < UNDO_SHARE:
                token = f"undo-{token}"
                status, state = self._insist(person, "undo", token=token)
                if status == 200 and state["undone"]:
                    self.said.append(Said(token, number, None))

    def _insist(self, person: Annotator, what: str, **body: Any) -> tuple[int, dict[str, Any]]:
        """Send the same again under the same token until the server has answered, as the page does."""
        while True:
            try:
                status, told = person.call(what, **body)
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            if status not in (200, 409):
                self.trouble.append(f"{what}: {status} {told}")
            return status, told


def main() -> None:
    parser = argparse.ArgumentParser(description="Kills trainer and labelling page while people label.")
    parser.add_argument("--kills", type=int, default=15, help="SIGKILLs in all; a third each of trainer, page and both")
    parser.add_argument("--out", type=Path, default=Path("outputs/label_kills"), help="folder of the runs; must be new")
    arguments = parser.parse_args()
    folder = arguments.out.absolute()
    killed, replayed = folder / "killed", folder / "replayed"
    killed.mkdir(parents=True)
    program = [sys.executable, "-m", "rl_rewards.run", *RUN]
    train = [*program, "labeler=human", "labeler.page=false", f"hydra.run.dir={killed}"]
    kills, people = live_through(train, killed, arguments.kills)
    replay = [*program, "labeler=recorded", f"labeler.path={killed}", f"hydra.run.dir={replayed}"]
    subprocess.run(replay, check=True, stdout=subprocess.DEVNULL)
    record = {**code(), "people": PEOPLE, "overrides": RUN, "kills": kills, **account(killed / STORE_NAME, people)}
    same = compare(replayed, killed)
    record["replayed"] = {"bits_equal": {part: same_bits(replayed, killed, part) for part in COMPARED}} | {
        key: same[key] for key in ("rows_equal", "each_round_once", "rounds", "env_steps")
    }
    print(json.dumps({key: value for key, value in record.items() if key != "overrides"}), flush=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def live_through(train: list[str], run_dir: Path, count: int) -> tuple[list[dict[str, Any]], People]:
    """Train and label to the end, with ``count`` kills."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    page, address = serve(run_dir, port)
    alive = {"trainer": subprocess.Popen(train, stdout=subprocess.DEVNULL), "page": page}
    chance, kills, people = random.Random(0), [], People(address)
    try:
        for kill in range(count):
            goal = (kill + chance.random()) * 0.9 * BUDGET / count  # spread over the whole of the labelling
            while len(people.said) < goal and alive["trainer"].poll() is None:
                time.sleep(0.01)
            time.sleep(chance.random() * 0.5)
            victims = list(VICTIMS)[kill % len(VICTIMS)]
            for name in VICTIMS[victims]:
                alive[name].send_signal(signal.SIGKILL)
            for name in VICTIMS[victims]:
                alive[name].wait()
            kills.append({"killed": victims, "answers_acknowledged": len(people.said)})
            print(f"  killed {victims} after {len(people.said)} acknowledged answers", flush=True)
            if "page" in VICTIMS[victims]:
                alive["page"], _ = serve(run_dir, port)
            if "trainer" in VICTIMS[victims]:
                alive["trainer"] = subprocess.Popen(train, stdout=subprocess.DEVNULL)
        if alive["trainer"].wait() != 0:
            raise RuntimeError("The trainer failed; its folder says why.")
    finally:
        people.stop()
        for process in alive.values():
            process.kill()
    return kills, people


def same_bits(one: Path, other: Path, part: str) -> bool:
    """Compare ``part`` of the newest checkpoints of two runs."""
    newest = [max((run / "checkpoints").glob("[0-9]*"), key=lambda path: int(path.name)) for run in (one, other)]
    trees = [ocp.StandardCheckpointer().restore(folder / part) for folder in newest]
    if jax.tree.structure(trees[0]) != jax.tree.structure(trees[1]):
        return False
    pairs = zip(*(map(np.asarray, jax.tree.leaves(tree)) for tree in trees), strict=True)
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


def account(store: Path, people: People) -> dict[str, Any]:
    """Compare what was acknowledged with the store."""
    with sqlite3.connect(store) as connection:
        rows = connection.execute("SELECT token, query, scores, shown FROM answers").fetchall()
        standing = connection.execute(
            "SELECT count(*), count(DISTINCT query_id) FROM queries WHERE answer IS NOT NULL AND refused = 0 "
            "AND repeat_of IS NULL AND superseded = 0"
        ).fetchone()
        learned = connection.execute("SELECT count(*), count(DISTINCT query_id) FROM absorbed").fetchone()
    stored = {(token, query, as_shown(scores, shown)) for token, query, scores, shown in rows}
    told = {(said.token, said.question, said.scores) for said in people.said}
    return {
        "acknowledged": len(people.said),
        "taken_back": sum(said.scores is None for said in people.said),
        "lost": len(told - stored),
        "never_acknowledged": len(stored - told),
        "labels": standing[0],
        "labels_of_different_queries": standing[1],
        "learned_from": learned[0],
        "learned_from_different_queries": learned[1],
        "budget": BUDGET,
        "trouble": people.trouble,
    }


def as_shown(scores: str | None, shown: str | None) -> tuple[float, ...] | None:
    """Return the scores of an answer in the order of its clips on the page; None if it takes another answer back."""
    if scores is None or shown is None:
        return None
    by_clip = json.loads(scores)
    return tuple(by_clip[clip] for clip in json.loads(shown))


if __name__ == "__main__":
    main()
