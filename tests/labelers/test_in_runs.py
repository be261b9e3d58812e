"""Labelers in whole runs: stored answers replay bit for bit, and people's answers reach the reward."""

import os
import random
import re
import shutil
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from rl_rewards.command_line.outcome import print_outcome
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.queries import Query
from rl_rewards.labelers.desk import Desk
from rl_rewards.labelers.human_terminal import _in_lines, scores_of
from rl_rewards.labelers.instructions import instructions_in
from rl_rewards.labelers.records import as_queries
from rl_rewards.labelers.store import STORE_NAME, LabelStore
from rl_rewards.labelers.stored import drawer
from rl_rewards.loop import build
from tests.finished import cut_back, finished_run, resumed_run
from tests.probes import make_rollout, make_spec
from tests.processes import Command
from tests.runs import SMALL_SAC, command, composed, digest_of, raw_rows, rows, run_here

ROUNDS = 6
ASKS = (
    "reward=preferences", "env=point", "reward.segment_steps=8", "reward.budget=24", "reward.sessions=3",
    "reward.updates_per_round=2", "reward.candidates=2", "reward.heldout_every=4",
    "reward.reward_model.model.hidden=[8]",
    f"total_env_steps={320 * ROUNDS}", "checkpoint.every=3",
)  # fmt: skip
STORED = ("labeler.mistake=0.1", "labeler.store=true")
QUIET = ("debug=smoke", "video=false", "report=false", *ASKS)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> Path:
    """Return the folder of a finished run whose teacher's answers, some of them mistakes, are in its label store."""
    return finished_run(tmp_path_factory.mktemp("stored") / "run", *ASKS, *STORED, evaluated=False)


def test_a_stored_teacher_changes_nothing_and_replays_bit_for_bit(tmp_path, stored):
    plain, replayed = tmp_path / "plain", tmp_path / "replayed"
    run_here(plain, *ASKS, "labeler.mistake=0.1", evaluated=False)
    run_here(replayed, *ASKS, "labeler=recorded", f"labeler.path={stored}", evaluated=False)
    assert digest_of(stored) == digest_of(plain)
    own = "labeler/agreement_with_true_return"  # which a recording does not know
    assert rows(replayed) == [{key: row[key] for key in row if key != own} for row in rows(plain)]
    assert rows(plain)[-1]["reward/labels"] == 24


@pytest.mark.long
def test_answers_teach_an_off_policy_learner_too(tmp_path):
    last = run_here(tmp_path, *ASKS, *SMALL_SAC, evaluated=False)
    assert last["reward/labels"] == 24 and np.isfinite(last["agent/critic_loss"])


TRY = ("experiment=try_labelling", "labeler.page=false", f"total_env_steps={320 * 12}")


def test_the_first_try_asks_twenty_questions_and_says_what_it_learned(tmp_path, capsys):
    done = threading.Event()
    person = threading.Thread(target=answer_all, args=(tmp_path, done))
    person.start()
    try:
        last = run_here(tmp_path, *TRY, evaluated=False)
    finally:
        done.set()
        person.join()
    assert last["reward/labels"] == 20
    told = instructions_in(tmp_path)
    assert "overtake" in told.task and "blue car" in told.legend and "blue car" in told.ask
    capsys.readouterr()
    print_outcome(last, tmp_path, 0, None, ("lanes", "fences", "heading", "collision", "speed"))
    said = capsys.readouterr().out
    assert "learned from          20 answers; it predicts" in said
    assert re.search(r"  weights  .*speed [+-]0\.\d\d", said)


def test_strength_is_asked_only_where_the_reward_learns_from_it():
    asked = ("labeler=human", "labeler.strength=true", "env=point")
    cfg = composed("reward=preferences", "reward.segment_steps=20", *asked)
    assert cfg.reward.soft_answers is True and "middle of the square" in cfg.labeler.task
    assert composed("reward=preferences", "labeler=oracle").reward.soft_answers is False
    assert composed("reward=preferences", "labeler=human", "env=grid").labeler.task == ""
    with pytest.raises(ConfigError, match=r"needs reward.clips=2"):
        build.build(composed("reward=preferences", "reward.segment_steps=20", "reward.clips=3", *asked))
    with pytest.raises(ConfigError, match=r"labeler.strength=true asks how much better"):
        build.build(composed("reward=adversarial_classifier", "reward.queries=5", *asked))


def test_a_run_cut_back_to_an_earlier_checkpoint_asks_the_same_again(tmp_path, stored):
    """The store holds answers to questions of rounds that the checkpoint does not know of."""
    run = shutil.copytree(stored, tmp_path / stored.name)
    told, bits = rows(run), digest_of(run)
    cut_back(run)
    resumed_run(run, 320 * ROUNDS, evaluated=False)
    assert digest_of(run) == bits and rows(run) == told


@pytest.mark.long
@pytest.mark.parametrize(
    "labeler",
    ["oracle", "stored", "recorded"],
)
def test_killed_runs_end_in_the_same_bits(tmp_path, labeler):
    if labeler == "recorded":
        source = (*QUIET, "labeler.store=true", f"hydra.run.dir={tmp_path / 'source'}")
        # It runs in a process like the following ones, because tests compile with checks.
        assert command(*source, evaluated=False).returncode == 0
    asked = {
        "oracle": ("labeler.mistake=0.1",),
        "stored": ("labeler.mistake=0.1", "labeler.store=true"),
        "recorded": ("labeler=recorded", f"labeler.path={tmp_path / 'source'}"),
    }[labeler]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert command(*QUIET, *asked, f"hydra.run.dir={whole}", evaluated=False).returncode == 0
    chance = random.Random(labeler)
    process = Command(*QUIET, *asked, f"hydra.run.dir={killed}", evaluated=False)
    deadline = time.monotonic() + 120
    while process.poll() is None and _rounds(killed) < 2 and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(chance.uniform(0.0, 0.05))
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "DONE").exists(), "the kill came too late to test anything"
    assert command(*QUIET, *asked, f"hydra.run.dir={killed}", evaluated=False).returncode == 0
    assert digest_of(killed) == digest_of(whole)
    assert rows(killed) == rows(whole)


def test_what_a_killed_run_will_ask_again_later_is_not_waited_for(tmp_path):
    """The run is killed between a query and its answer, in a round after its newest checkpoint."""
    store = LabelStore(tmp_path / STORE_NAME)
    obs, action = np.zeros((1, 2, 3, 2), np.float32), np.zeros((1, 2, 3, 1), np.float32)
    obs[0, 1] = 1.0
    store.submit(*as_queries(np.array([0]), obs, action, run="run", seed=0, round=5))
    assert [store.open("run", 0, round) for round in (3, 5, 6)] == [0, 1, 1]


def _rounds(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0


def answer_all(folder: Path, done: threading.Event) -> None:
    """A person who prefers the clip shown first, as long as there are questions."""
    while not (folder / STORE_NAME).exists():
        time.sleep(0.01)
    store = LabelStore(folder / STORE_NAME)
    desk = Desk(store.database, repeat_share=0.0)
    while not done.is_set():
        leased = desk.lease("ann")
        if leased is None:
            time.sleep(0.01)
        else:
            desk.answer("ann", leased.number, [1.0, 0.0], token=f"token-{leased.number}")
    store.close()


@pytest.mark.long
def test_training_can_go_on_without_answers(tmp_path):
    run_here(tmp_path, *ASKS, "labeler=human", "labeler.page=false", "labeler.wait=false", evaluated=False)
    last = raw_rows(tmp_path)[-1]
    assert (last["reward/labels"], last["reward/queries"]) == (0, 24)


def test_a_run_that_waits_can_be_stopped_and_loses_nothing(tmp_path):
    read, write = os.pipe()
    asks = (*QUIET, "labeler=human", "labeler.page=false", f"hydra.run.dir={tmp_path / 'run'}")
    process = Command(*asks, output=write, errors=write, evaluated=False)
    os.close(write)
    with open(read, encoding="utf-8") as said:
        for line in said:
            if "waits for" in line:
                break
        process.send_signal(signal.SIGTERM)
        asked = time.monotonic()
        assert said.readline() == "\n" and "Stopping after this round" in said.readline()
        assert time.monotonic() - asked < 5.0, "it stops at once; the limit is loose because the machine may be busy"
        assert process.wait(60) == 75
    done = threading.Event()
    person = threading.Thread(target=answer_all, args=(tmp_path / "run", done))
    person.start()
    try:
        resumed_run(tmp_path / "run", 320 * ROUNDS, evaluated=False)
    finally:
        done.set()
        person.join()
    found = raw_rows(tmp_path / "run")
    labels, queries = ([row[f"reward/{name}"] for row in found] for name in ("labels", "queries"))
    assert labels[-1] == 24
    assert labels[3:] == queries[3:], "every round waited for the answers to its questions"


def test_the_terminal_asks_and_takes_back(tmp_path, outer_patch, capsys):
    said = iter(["1", "z", "nonsense", "2", "s", "q", *["="] * 100])
    outer_patch.setattr("sys.stdin.isatty", lambda: True)
    outer_patch.setattr("builtins.input", lambda prompt: next(said))
    run_here(tmp_path, *ASKS, "labeler=human_terminal", evaluated=False)
    shown = capsys.readouterr().out
    assert "'nonsense' is not an answer: 1 or 2 for the better one, = for equal" in shown
    assert raw_rows(tmp_path)[-1]["reward/labels"] == 23  # one was skipped
    assert (tmp_path / "clips" / "2.png").stat().st_size > 100


def test_the_terminal_asks_whether_the_task_is_done(tmp_path, outer_patch, capsys):
    said = iter(["y", "perhaps", "n", "s", *["y"] * 100])
    outer_patch.setattr("sys.stdin.isatty", lambda: True)
    outer_patch.setattr("builtins.input", lambda prompt: next(said))
    queries = ("reward.queries=5", "reward.rounds_per_session=1", "total_env_steps=1920")
    last = run_here(tmp_path, "env=point", *queries, "labeler=human_terminal", evaluated=False)
    shown = capsys.readouterr().out
    assert "'perhaps' is not an answer: is the task done in this picture? y or n" in shown
    assert "In 1 steps the point goes" in shown, "the state is described in the environment's words"
    answered = [last[f"reward/answered_{kind}"] for kind in ("yes", "no")]
    assert answered == [3.0, 1.0] and last["reward/queries"] == 5.0
    assert (tmp_path / "clips" / "1.png").stat().st_size > 100


def test_the_terminal_prints_texts_and_takes_rankings(tmp_path, outer_patch, capsys):
    said = iter(["3 1 2", "3 1 3", "s", *["1 2 3"] * 100])
    outer_patch.setattr("sys.stdin.isatty", lambda: True)
    outer_patch.setattr("builtins.input", lambda prompt: next(said))
    texts = ["env=text", "algorithm=sampler", "algorithm.same_start=4", "reward=text_preferences", "reward.clips=3"]
    asks = ["reward.budget=4", "reward.sessions=1", "reward.heldout_every=2", "reward.keep_best=false"]
    asks += ["reward.reward_model.begins_with=nothing", "labeler=human_terminal", "total_env_steps=48"]
    sizes = ("width=16", "layers=1", "heads=2", "kv_heads=2")
    asks += [f"{model}.model.{size}" for model in ("algorithm", "reward.reward_model") for size in sizes]
    last = run_here(tmp_path, *texts, *asks, evaluated=False)
    shown = capsys.readouterr().out
    assert "'3 1 3' is not an answer: the numbers from best to worst" in shown
    assert shown.count("  Prompt:\n") == 4, "once for each question, whose texts answer one prompt"
    assert last["reward/labels"] == 3 and not (tmp_path / "clips").exists()
    store = LabelStore(tmp_path / STORE_NAME)
    first = store.asked("run", 0)[0]
    (prompt, _), *others = Desk(store.database).passages(first)
    assert f"  Prompt:\n     {prompt}\n  1:" in shown and {one for one, _ in others} == {prompt}


def test_a_text_cannot_change_the_terminal():
    shown = _in_lines([("a\tb\u202e", "\x1b[2J\nend\u200d"), ("a\tb\u202e", "\r")])
    assert shown == ["  Prompt:", "     a b?", "  1:", "     ?[2J", "     end\u200d", "  2:", "     ?"]


def test_frames_are_no_larger_than_a_page_shows():
    scenes = np.linspace(0.0, 1.0, 12, dtype=np.float32).reshape(1, 2, 6, 1)
    steps = make_rollout(make_spec(), 1, 1)  # only scenes are read
    query = Query(id=np.array([0]), segments=steps.replace(info={"scene": scenes}))
    spec = make_spec(step_seconds=1.0 / 60.0)
    frames, frames_per_second = drawer(query, spec, lambda scene: np.full((300, 640, 3), scene[0] * 255, np.uint8))
    shown = frames(0, 1)
    assert shown.shape == (2, 150, 320, 3) and frames_per_second == 20.0, "every third step is shown"
    assert shown[1].max() == int(scenes[0, 1, 3, 0] * 255)


def test_answers_in_the_terminal():
    assert scores_of("pair", "2", 2) == [0.0, 1.0]
    assert scores_of("ranking", "2 1 3", 3) == [1.0, 2.0, 0.0]
    assert scores_of("rating", "6.5", 1) == [6.5]
    assert [scores_of("yes_no", said, 1) for said in ("y", "yes", "n", "no")] == [[1.0], [1.0], [0.0], [0.0]]
    for kind, said in (("pair", "3"), ("ranking", "1 1 2"), ("rating", "six"), ("yes_no", "1"), ("yes_no", "maybe")):
        with pytest.raises(ConfigError, match="is not an answer"):
            scores_of(kind, said, 3)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("labeler=human", "num_seeds=2"), "num_seeds=2: people can answer for only one seed at a time"),
        (
            ("labeler=human", "env=gymnax", "env.id=Pendulum-v1", "reward.early_end=allow"),
            "records no scenes to draw clips from",
        ),
        (("labeler=human_terminal",), "needs a terminal, but standard input is none"),
        (("labeler=recorded",), "labeler=recorded needs labeler.path"),
        (("labeler=recorded", "labeler.path=nowhere"), "labeler.path=nowhere holds no label store"),
    ],
)
def test_impossible_labelers_are_one_sentence(tmp_path, overrides, sentence):
    with pytest.raises(ConfigError, match=sentence):
        run_here(tmp_path, *ASKS, *overrides)


def test_recorded_answers_fit_their_own_run_alone(tmp_path, stored):
    recorded = ("labeler=recorded", f"labeler.path={stored}")
    with pytest.raises(ConfigError, match="holds answers for seed 0, but none for seed 3"):
        run_here(tmp_path / "a", *ASKS, *recorded, "seed=3", evaluated=False)
    with pytest.raises(ConfigError, match="is about other segments than the recorded query"):
        run_here(tmp_path / "b", *ASKS, *recorded, "algorithm.learning_rate=0.01", evaluated=False)
    with pytest.raises(ConfigError, match="holds no run called other"):
        run_here(tmp_path / "c", *ASKS, *recorded, "labeler.run=other", evaluated=False)


def test_the_labels_of_several_seeds_do_not_mix(tmp_path):
    both = tmp_path / "both"
    run_here(both, *ASKS, "num_seeds=2", "labeler.store=true", "total_env_steps=960", evaluated=False)
    store = LabelStore(both / STORE_NAME)
    assert store.runs() == [("run", 0), ("run", 1)]
    assert store.asked("run", 0).keys() == store.asked("run", 1).keys()
    assert store.asked("run", 0) != store.asked("run", 1)
