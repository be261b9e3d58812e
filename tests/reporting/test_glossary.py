"""Every metric of a real run has an entry in the glossary; ``tests/test_smoke.py`` checks those of default settings."""

import pytest

from rl_rewards.reporting.glossary import meaning
from tests.demonstrations import point_file
from tests.runs import SMALL_SAC, raw_rows, run_here

SAC = (*SMALL_SAC, "algorithm.demo_fraction=0.5", "algorithm.bc_weight=1", "algorithm.learning_starts=0")
FEW = ("reward.updates_per_round=1", "reward.batch_size=8", "reward.candidates=2", "reward.budget=60")
PLAY = ("reward=self_play", "reward.horizon=12", "reward.alice_moves=6", "algorithm.rollout_length=40")


@pytest.mark.parametrize(
    "overrides",
    [("reward=environment", "algorithm=bc"), ("reward=gail", *SAC)],
    ids=["bc", "sac"],
)
def test_every_metric_of_demonstrations_has_an_entry(tmp_path, overrides):
    run_here(tmp_path / "run", "env=point", f"demos={point_file(tmp_path)}", "total_env_steps=640", *overrides)
    metrics = {key for row in raw_rows(tmp_path / "run") for key in row}
    assert {key for key in metrics if meaning(key) is None} == set()
    assert "eval/demo_return" in metrics


@pytest.mark.parametrize(
    "overrides",
    [
        ("env=point", "reward=adversarial_classifier", "reward.classifier.gradient_penalty=1.0", "reward.queries=2"),
        ("env=point", "reward=preferences", "reward.pseudo_weight=1.0", *FEW),
        ("env=key_door", *PLAY, "env.max_episode_steps=20", "reward.target_fraction=0.2", "reward.cloning_weight=0.5"),
        ("env=tv_grid", "reward=curiosity", "reward.kind=icm"),
    ],
    ids=["classifier", "preferences", "self_play", "curiosity"],
)
def test_every_metric_has_an_entry(tmp_path, overrides):
    run_here(tmp_path, "total_env_steps=640", *overrides, evaluated=False)
    metrics = {key for row in raw_rows(tmp_path) for key in row}
    assert {key for key in metrics if meaning(key) is None} == set()
