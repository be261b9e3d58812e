"""A run that does not fit into memory is refused before anything is allocated; pictures count one byte per value."""

import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build, ram, supplied
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.state import state_shapes
from tests.demonstrations import point_file
from tests.runs import composed

PICTURES = ("env=pencil_case", "env.observation=image", "env.image_size=32")
SIZE = 32 * 32 * 3


def test_pictures_are_kept_as_bytes():
    """Both observations of a transition, and a visited state, take one byte per value, times the number of seeds."""
    parts = build.build(
        composed(*PICTURES, "algorithm=sac", "algorithm.replay_capacity=9600", "reward.keep_visited=1000")
    ).parts
    kept, work = ram.needed_bytes(parts)
    assert 2 * SIZE * 9600 <= kept["replay"] < (2 * SIZE + 40) * 9600
    classifier = kept["reward"] - 1000 * SIZE
    assert 0 < classifier < 6e6
    assert work > 2 * 960 * 2 * SIZE
    assert ram.needed_bytes(parts._replace(seeds=Seeds(3))) == ({k: 3 * v for k, v in kept.items()}, 3 * work)


SAC = ("algorithm=sac", "algorithm.num_envs=4", "algorithm.rollout_length=20", "algorithm.learning_starts=80")


@pytest.mark.parametrize(
    ("overrides", "steps"),
    [
        ((), 0),
        (("reward=gail", "demos=some"), 0),
        (("reward=preferences", "reward.history=1000"), 1280),
        (SAC, 1_000_000),
    ],
    ids=["PPO", "gail", "preferences", "SAC"],
)
def test_a_ring_is_kept_where_more_than_the_newest_rollout_is_asked_for(overrides, steps):
    parts = build.build(composed("env=point", "algorithm.num_envs=16", "algorithm.rollout_length=20", *overrides)).parts
    replay = state_shapes(parts).replay
    assert (0 if replay is None else replay.data.valid.size) == steps
    assert (ram.needed_bytes(parts)[0]["replay"] > 0) == (steps > 0)


@pytest.mark.parametrize(
    ("overrides", "lower"),
    [
        (("algorithm=sac",), ["algorithm.replay_capacity (now 1000000)", "reward.keep_visited (now 300000)"]),
        (("reward.keep_visited=3000000",), ["lower reward.keep_visited (now 3000000) or env.image_size (now 32)."]),
        (
            ("reward=environment", "algorithm.num_envs=10000"),
            ["algorithm.num_envs (now 10000)", "rollout_length (now 80)"],
        ),
        (("num_seeds=8",), ["reward.keep_visited (now 300000)", "num_seeds (now 8)"]),
    ],
)
def test_what_does_not_fit_is_refused_in_one_sentence(monkeypatch, overrides, lower):
    monkeypatch.setattr(ram, "free_bytes", lambda devices: int(4e9))
    with pytest.raises(ConfigError, match=r"needs about [\d.]+ GB of memory, but 4\.0 GB are free") as error:
        build.build(composed(*PICTURES, *overrides))
    for words in lower:
        assert words in str(error.value)
    assert str(error.value).count(". ") == 0, "one sentence"


@pytest.mark.parametrize("algorithm", ["bc", "ppo"])
def test_demonstrations_that_do_not_fit_beside_the_run_are_refused(monkeypatch, tmp_path, algorithm):
    """A data set that all seeds share counts once."""
    wide = ["env=point", "reward=gail" if algorithm == "ppo" else "reward=environment", f"algorithm={algorithm}"]
    cfg = composed("debug=smoke", *wide, f"demos={point_file(tmp_path)}", "num_seeds=3")
    parts, settings = build.build(cfg)
    kept, work = ram.needed_bytes(parts)
    need = 2 * sum(kept.values()) + work
    shared = 320 * (2 * 4 * 3 + 4 + 4 * 1 + 4)  # three pairs, a reward, four flags, and a count of following steps
    monkeypatch.setattr(ram, "free_bytes", lambda devices: need + shared + 100)
    supplied.build_data(parts, settings)
    monkeypatch.setattr(ram, "free_bytes", lambda devices: need + shared)
    with pytest.raises(ConfigError, match=r"this run takes from .*demos.npz need 0\.0 GB .* demonstrations\.episodes"):
        supplied.build_data(parts, settings)


def test_nothing_is_refused_where_nobody_tells(monkeypatch):
    monkeypatch.setattr(ram, "free_bytes", lambda devices: None)
    build.build(composed(*PICTURES, "reward.keep_visited=3000000"))


def test_a_containers_limit_counts(monkeypatch, tmp_path):
    (tmp_path / "max").write_text("5000000000\n", encoding="utf-8")
    (tmp_path / "current").write_text("1000000000\n", encoding="utf-8")
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 90000000 kB\nMemAvailable: 80000000 kB\n", encoding="utf-8")
    monkeypatch.setattr(ram, "MEMINFO", meminfo)
    monkeypatch.setattr(ram, "CGROUPS", ((str(tmp_path / "max"), str(tmp_path / "current")), ("/none", "/none")))
    if ram.jax.default_backend() == "cpu":
        assert ram.free_bytes() == 4_000_000_000
        (tmp_path / "max").write_text("max\n", encoding="utf-8")
        assert ram.free_bytes() == 1024 * 80_000_000
