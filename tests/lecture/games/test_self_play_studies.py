"""Studies of self-play and of the noisy television: verdicts on invented arms, and Bob's paths in a hall."""

from pathlib import Path

import numpy as np
import pytest

from rl_rewards.lecture.curiosity.noisy_tv import NoisyTv
from rl_rewards.lecture.games import degenerate_equilibria, hall_paths, self_play_hall
from rl_rewards.lecture.games.curriculum import Curriculum
from rl_rewards.lecture.games.degenerate_equilibria import DegenerateEquilibria
from rl_rewards.lecture.games.self_play_hall import SelfPlayHall
from rl_rewards.lecture.games.self_play_transfer import SelfPlayTransfer
from rl_rewards.loop.build import build_study
from tests.finished import finished_run
from tests.runs import composed
from tests.studies.fake_arms import arm, steady
from tests.studies.outcomes import outcomes

SEEDS = range(100, 110)
LENGTH = 5


def played(path: str = "fake", **metrics):
    """Return a run of ten seeds with metrics reward/NAME: a list over nine rounds, or one value for all rounds."""
    run = arm(steady(0.5), path=Path(path), config={"env": {"length": LENGTH}})
    for i, row in enumerate(run.rows):
        for name, value in metrics.items():
            level = value[i] if isinstance(value, list) else value
            row[f"reward/{name}"] = [level + 0.001 * seed for seed in range(10)]
    return run


def is_png(path) -> bool:
    return path.read_bytes().startswith(b"\x89PNG")


def test_shortest_paths_are_counted_pair_by_pair():
    cell, goal = np.meshgrid(np.arange(LENGTH), np.arange(LENGTH), indexing="ij")
    right = (goal > cell).astype(int)
    assert hall_paths._shortest(right).all() and len(hall_paths._shortest(right)) == LENGTH * (LENGTH - 1)
    lost = right.copy()
    lost[2, 4] = hall_paths.LEFT  # on the way to 4, Bob turns back in the middle: 4 is not reached from 0, 1 and 2
    assert (~hall_paths._shortest(lost)).sum() == 3
    assert not hall_paths._shortest(np.zeros_like(right)).all()


def test_bobs_paths_are_read_off_a_run(tmp_path):
    hall = ("env=hall", f"env.length={LENGTH}", "env.goal=4", "reward.horizon=12", "reward.alice_moves=6")
    run = ("reward=self_play", *hall, "algorithm.rollout_length=40", "total_env_steps=640")
    finished_run(tmp_path, *run, evaluated=False)
    (share,) = hall_paths.shortest_paths(tmp_path, [0], LENGTH)
    assert 0.0 <= share <= 1.0 and share * LENGTH * (LENGTH - 1) == pytest.approx(round(share * 20))


@pytest.mark.parametrize("name", ["self_play_hall", "degenerate_equilibria"])
def test_arms_may_make_classes_of_the_packages_that_the_study_trusts(name, tmp_path, monkeypatch):
    cfg, asked = composed(f"experiment=lecture/games/{name}", "trust=mine"), []

    class Enough(Exception):
        pass

    def restore(run_dir, seed, trust):
        asked.append(trust)
        raise Enough

    monkeypatch.setattr(hall_paths, "restore_policy", restore)
    study = build_study(cfg)[0]
    games = {"bob_success": 0.5, "goal_distance": 3.0, "t_alice": 4.0, "t_bob": 3.0}
    with pytest.raises(Enough):
        study.judge({arm: played(arm, **games) for arm in cfg.arms}, SEEDS)
    assert asked == [("mine",)]


def test_hall(tmp_path, monkeypatch):
    found = {"time": 0.99, "win": 0.7, "random": 0.4}
    told = lambda path, seeds, length, trust: [found[path.name] + 0.0001 * i for i in range(10)]  # noqa: E731
    monkeypatch.setattr(self_play_hall, "shortest_paths", told)
    games = {"goal_distance": 3.0, "bob_success": 0.9, "t_alice": 4.0, "t_bob": 3.0}
    arms = {"time": played("time", **games), "win": played("win", **games), "random_alice": played("random", **games)}
    study = SelfPlayHall(target=0.95)
    verdicts = study.judge(arms, SEEDS)
    assert outcomes(verdicts.verdicts) == "SSS"
    study.draw(arms, verdicts, tmp_path / "verdict.png")
    assert is_png(tmp_path / "verdict.png")
    found |= {"time": 0.5}
    assert outcomes(study.judge(arms, SEEDS).verdicts) == "RSR"


def test_curriculum(tmp_path):
    rising, falling = [1, 1, 1, 2, 2, 2, 3, 3, 3], [3, 3, 3, 2, 2, 2, 1, 1, 1]
    arms = {
        "time": played(goal_distance=rising, bob_success=0.5),
        "win": played(goal_distance=falling, bob_success=0.95),
    }
    study = Curriculum(hardest=0.2, easiest=0.8)
    found = study.judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "SSRR"
    study.draw(arms, found, tmp_path / "verdict.png")
    assert is_png(tmp_path / "verdict.png")
    often = played(goal_distance=rising, bob_success=[0.5] * 7 + [0.9] * 2)
    assert outcomes(study.judge(arms | {"time": often}, SEEDS).verdicts)[1] == "R"


def test_degenerate_equilibria(tmp_path, monkeypatch):
    monkeypatch.setattr(degenerate_equilibria, "shortest_paths", lambda path, seeds, length, trust: [0.5] * 10)
    rest = {"goal_distance": 3.0, "t_alice": 30.0, "t_bob": 4.0}
    success = {"long_turn": 0.1, "past_opponents": 0.1, "cloning": 0.3, "short_turn": 0.9, "times": 0.99}
    arms = {name: played(bob_success=[0.9] * 3 + [value] * 6, **rest) for name, value in success.items()}
    study = DegenerateEquilibria(stuck=0.5)
    found = study.judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "SRSSS"
    study.draw(arms, found, tmp_path / "verdict.png")
    assert is_png(tmp_path / "verdict.png")
    healthy = arms | {"long_turn": played(bob_success=0.9, **rest)}
    assert outcomes(study.judge(healthy, SEEDS).verdicts)[0] == "R"


def transfer_arm(solved_at: int | None):
    """Return a run with success 0.9 from evaluation ``solved_at`` on, and a hundred task episodes per round."""
    curve = [[0.1 if solved_at is None or i < solved_at else 0.9] * 10 for i in range(9)]
    run = arm(curve)
    for i, row in enumerate(run.rows):
        row["reward/task_episodes"] = [100.0 * (i + 1) + seed for seed in range(10)]
        row["reward/touched"] = [0.1 * i + 0.001 * seed for seed in range(10)]
        row["reward/goal_distance"] = [1.0 + i] * 10
    return run


def test_transfer(tmp_path):
    arms = {"supervised": transfer_arm(8), "mixed": transfer_arm(2), "games": transfer_arm(None)}
    arms |= {"fine_tuned": transfer_arm(6)}
    study = SelfPlayTransfer(row="key_door", solved=0.8, share=0.5, rising=0.7)
    found = study.judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "SRS"
    assert found.details["median"] == {"supervised": 904.5, "mixed": 304.5, "fine_tuned": 704.5}
    study.draw(arms, found, tmp_path / "verdict.png")
    assert is_png(tmp_path / "verdict.png")
    nobody = {name: transfer_arm(None) for name in arms}
    assert outcomes(study.judge(nobody, SEEDS).verdicts) == "RRS"
    only_games = nobody | {"mixed": transfer_arm(2)}
    assert outcomes(study.judge(only_games, SEEDS).verdicts)[0] == "S", "one arm solves the task, the other never does"


def watched(coverage: float, share: float, exponent: float, prefix: str = "reward/"):
    """Return a curiosity run of 60 rounds with constant coverage and television share, and bonus ~ visits^exponent."""
    run = arm(steady(0.0, evaluations=60))
    run.spec.update(max_episode_steps=64)
    for i, row in enumerate(run.rows):
        visits = 640 * (i + 1) * share
        row[f"{prefix}coverage"] = [coverage + 0.001 * seed for seed in range(10)]
        row[f"{prefix}television_visits"] = [visits + 0.01 * seed * (i + 1) for seed in range(10)]
        row[f"{prefix}bonus_television"] = [visits**exponent] * 10
        row[f"{prefix}bonus_elsewhere"] = [0.1] * 10
    return run


def test_noisy_television(tmp_path):
    arms = {
        "prediction_error": watched(0.2, 0.6, 0.0),
        "icm": watched(0.5, 0.2, -0.5),
        "rnd": watched(0.5, 0.2, -0.5),
        "disagreement": watched(0.7, 0.05, -1.0),
        "wide_screen": watched(0.5, 0.3, -0.5),
        "no_bonus": watched(0.4, 0.03, -0.5, prefix="reward/bonus/"),
    }
    study = NoisyTv(episodes=300, error_below=0.35, disagreement_above=0.55)
    found = study.judge(arms, SEEDS)
    assert outcomes(found.verdicts) == "SSSSSSSS"
    assert found.details["exponents"]["disagreement"] == pytest.approx([-1.0] * 10, abs=0.02)
    study.draw(arms, found, tmp_path / "verdict.png")
    assert is_png(tmp_path / "verdict.png")
    swapped = arms | {"prediction_error": arms["disagreement"], "disagreement": arms["prediction_error"]}
    assert outcomes(study.judge(swapped, SEEDS).verdicts) == "RRRRRRRR"
