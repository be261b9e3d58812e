"""scripts/make_demos.py records the policy of any run, also with noise, and refuses what it cannot record."""

import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.data.demonstrations.load import load_demonstrations
from rl_rewards.loop import compatibility
from rl_rewards.loop.policies import restore_policy
from scripts.make_demos import EXPERTS, main
from tests.demonstrations import point_file
from tests.finished import finished_run
from tests.runs import build, composed

NAMES = sorted(path.stem for path in EXPERTS.glob("*.yaml"))


@pytest.fixture(scope="module")
def expert(tmp_path_factory):
    """Return the folder of a run whose policy has cloned good demonstrations of point."""
    folder = tmp_path_factory.mktemp("expert")
    options = ("env=point", "reward=environment", "algorithm=bc", f"demos={point_file(folder)}")
    return finished_run(folder / "run", *options, "algorithm.rounds=10", "algorithm.gradient_steps=100")


@pytest.mark.parametrize("name", NAMES)
def test_every_expert_can_be_trained(name):
    cfg = composed(f"experiment=expert/{name}")
    parts = build.build(cfg).parts
    assert compatibility.rounds_of(parts, cfg.total_env_steps) >= 1
    assert "env_reward" in parts.source.requirements.reads or name == "grid", "experts learn from the true reward"


def test_a_runs_policy_is_recorded_as_it_acts(expert, tmp_path, capsys):
    out = tmp_path / "demos.npz"
    main(["of", str(out), "--policy", str(expert), "--episodes", "6"])
    assert "6 episodes of 40 steps, 240 in all" in capsys.readouterr().out
    policy = restore_policy(expert)
    demos = load_demonstrations(str(out), policy.spec)
    assert (demos["episode_return"] > 25).all(), "the expert is at the goal for more than 25 of the 40 steps"
    action, _, _ = policy.algorithm.act(
        policy.state, (), jnp.asarray(demos["obs"][:50]), jax.random.key(0), explore=False
    )
    np.testing.assert_allclose(demos["action"][:50], np.clip(action, -1.0, 1.0), atol=1e-5)


def test_a_share_of_random_actions_makes_it_worse(expert, tmp_path):
    returns = []
    for share in ("0", "0.5", "1"):
        out = tmp_path / f"{share}.npz"
        main(["of", str(out), "--policy", str(expert), "--episodes", "8", "--random", share])
        returns.append(load_demonstrations(str(out), restore_policy(expert).spec)["episode_return"].mean())
    assert returns[0] > returns[1] > returns[2]


def test_the_same_steps_can_be_recorded_as_pictures(tmp_path):
    run = finished_run(tmp_path / "run", "env=pencil_case", "reward=environment")
    plain, pictures = tmp_path / "plain.npz", tmp_path / "pictures.npz"
    main(["of", str(plain), "--policy", str(run), "--episodes", "2"])
    main(["of", str(pictures), "--policy", str(run), "--episodes", "2", "--view", "env.observation=image"])
    with np.load(plain) as one, np.load(pictures) as other:
        assert one["obs"].shape == (160, 8)
        assert (other["obs"].shape, other["obs"].dtype) == ((160, 48, 48, 3), np.uint8)
        for name in ("action", "env_reward", "truncated", "episode_start"):
            np.testing.assert_array_equal(one[name], other[name])


def test_overrides_may_stand_after_options(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("scripts.make_demos._make", asked.append)
    main(["cartpole", "x.npz", "--episodes", "10", "env.max_episode_steps=500", "seed=3"])
    assert asked[0].overrides == ["env.max_episode_steps=500", "seed=3"]
    assert asked[0].episodes == 10


def test_an_expert_trained_otherwise_has_a_folder_that_hydra_can_read(monkeypatch):
    commands = []
    monkeypatch.setattr(
        "subprocess.run", lambda command, check: commands.append(command) or SimpleNamespace(returncode=3)
    )
    with pytest.raises(SystemExit):
        main(["cartpole", "x.npz", "env.max_episode_steps=500", "env.id=CartPole-v1"])
    assert commands[0][-1].endswith("experts/cartpole_env.id-CartPole-v1_env.max_episode_steps-500")


def test_what_cannot_be_seen_again(expert, capsys):
    for change, message in (
        ("env.observation=image", "Steps of point cannot be observed again"),
        ("env.observations=image", "the run has no env.observations"),
        ("seed=3", "must change a key of env"),
    ):
        with pytest.raises(SystemExit):
            main(["of", "x.npz", "--policy", str(expert), "--view", change])
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["of", "x.npz"], "Name the run to record"),
        (["of", "x.npz", "--policy", "nowhere"], "nowhere does not exist; name the run folder of the policy"),
        (["cartpole", "x.npz", "--episodes", "0"], "--episodes 0 must be at least 1"),
        (["cartpole", "x.npz", "--random", "2"], r"--random 2\.0 must lie in \[0, 1\]"),
    ],
)
def test_what_cannot_be_recorded(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert re.search(message, capsys.readouterr().err)
