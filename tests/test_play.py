"""Played episodes: the loop's own, with their outcomes in words and on video."""

import re
import subprocess
import sys
from types import SimpleNamespace

import imageio.v2 as imageio
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards import play as door
from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import playing
from rl_rewards.loop.build import build_env
from rl_rewards.loop.playing import Played, PlayedEpisode, play
from rl_rewards.loop.policies import record, restore_policy
from rl_rewards.loop.run_folder import read_config
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting import window
from tests.finished import finished_run
from tests.runs import composed

RETURNS = ("true_return", "learned_return")


def test_plays_the_policy_and_counts_as_the_loop_does(kept_run):
    policy = restore_policy(kept_run)
    rollout = record(build_env(policy.config), policy, 3, True, 0.0, seed=4)
    found = play(str(kept_run), 3, explore=True, env_seed=4)
    assert [one.steps for one in found.episodes] == [policy.spec.max_episode_steps] * 3
    returns, paid = (np.array([getattr(one, name) for one in found.episodes], float) for name in RETURNS)
    np.testing.assert_allclose(returns, rollout.env_reward.sum(axis=0), rtol=1e-5)
    source, state, _ = restore_from_run(kept_run)
    learned = np.asarray(source.reward(state, jax.tree.map(jnp.asarray, rollout))).sum(axis=0)
    np.testing.assert_allclose(paid, learned, rtol=1e-4)
    assert [one.success for one in found.episodes] == [bool(one) for one in rollout.info["success"][-1]]
    np.testing.assert_array_equal(found.episodes[1].scenes, rollout.info["scene"][:, 1])
    for one in found.episodes:  # what is written into the frames
        assert len(one.scenes) == len(one.successes) == one.steps and one.successes[-1] == one.success
        assert [one.rewards[kind].sum() for kind in ("true", "learned")] == pytest.approx(
            [one.true_return, one.learned_return], rel=1e-4
        )
    mode = play(str(kept_run), 3, explore=False, env_seed=4)
    assert [one.learned_return for one in mode.episodes] != [one.learned_return for one in found.episodes]


def test_an_episode_that_ends_early_counts_to_its_end(tmp_path):
    run = finished_run(
        tmp_path / "run", "env=gymnasium", "env.id=CartPole-v1", "reward=environment", "algorithm.num_envs=8",
        "algorithm.rollout_length=64", "total_env_steps=512", evaluated=False,
    )  # fmt: skip
    found = play(str(run), 4, explore=True)
    assert all(one.true_return == one.steps and one.steps < 500 for one in found.episodes), "CartPole pays 1 a step"
    assert len({one.steps for one in found.episodes}) > 1
    assert found.episodes[0].success is None


def test_a_game_shows_bob_on_the_task_and_games_of_both_players(tmp_path, capsys):
    run = finished_run(
        tmp_path / "run", "env=hall", "reward=self_play", "algorithm.rollout_length=80", "total_env_steps=640",
        evaluated=False,
    )  # fmt: skip
    door.main([str(run), "--episodes", "6", "--video", f"{tmp_path}/games.mp4"])
    assert len({frame.shape for frame in imageio.mimread(tmp_path / "games.mp4", memtest=False)}) == 1
    said = capsys.readouterr().out
    games = re.findall(
        r"Game \d: Alice made (\d+) moves?, and Bob (reached|did not reach) his goal in (\d+) move", said
    )
    assert said.count("Episode ") == len(games) == 6 and "success in " in said
    horizon = read_config(run, ["reward"], ())["reward"]["horizon"]
    for alice, reached, bob in games:
        assert int(alice) + int(bob) <= horizon, "both players share the horizon"
        assert reached == "reached" or int(alice) + int(bob) == horizon, "Bob fails only when the game ends"
    shown = play(str(run), 6, explore=True).games
    for (alice, _, bob), game in zip(games, shown, strict=True):
        assert [(game.players == player).sum() >= int(moves) for player, moves in ((0, alice), (1, bob))] == [True] * 2


def test_the_command_prints_episodes_and_shows_them_in_a_video_and_a_window(kept_run, monkeypatch, capsys, tmp_path):
    pytest.importorskip("pygame")
    pictures = []
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr(window._Window, "put", lambda _, picture: pictures.append(picture))
    monkeypatch.setattr(window._Window, "wait", lambda *_: 0.0)  # without the times between frames
    shown = ["--video", f"{tmp_path}/a.mp4", "--window"]
    door.main([str(kept_run), "--at", "best", "--episodes", "2", "--deterministic", *shown])
    said = capsys.readouterr().out
    assert said.count("steps, true return") == 2 and "Episode 2: 40 steps" in said
    assert "Mean of 2 on point: true return" in said and "success in " in said
    frames = imageio.mimread(tmp_path / "a.mp4")
    assert len(frames) == len(pictures) == 80
    assert np.abs(frames[-1].astype(int) - pictures[-1]).mean() < 5, "but for the video's compression"


@pytest.mark.parametrize("shown", [["--window"], ["--video", "a.mp4"]])
def test_what_has_no_pictures_is_refused_before_it_is_played(kept_run, monkeypatch, capsys, shown):
    monkeypatch.setattr(window, "check_window", lambda: None)
    monkeypatch.setattr(playing, "record", lambda *_: pytest.fail("played"))
    for words, why in (
        (("env=text",), "has texts, which are printed, and no pictures"),
        (("env=gymnax",), "records no scenes, so that there is nothing to draw"),
    ):
        env = build_env(composed(*words))
        monkeypatch.setattr(playing, "build_env", lambda _, env=env: env)
        with pytest.raises(SystemExit):
            door.main([str(kept_run), *shown])
        assert f"Error: {env.spec.name} {why}; leave out --video and --window." in capsys.readouterr().err


def test_a_text_shows_prompt_and_response(capsys, monkeypatch):
    one = PlayedEpisode(1, 2.0, None, True, ("how are you ?", "fine ."), None)
    spec = SimpleNamespace(name="text")
    monkeypatch.setattr(playing, "play", lambda *_: Played(None, spec, [one]))  # pyright: ignore[reportArgumentType]
    door.main(["run"])
    assert capsys.readouterr().out.splitlines() == [
        "Episode 1: 1 step, true return 2.000, success",
        "  prompt    how are you ?",
        "  response  fine .",
        "Mean of 1 on text: true return 2.000, success in 1 of 1.",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--episodes", "0"], "--episodes 0 must be at least 1"),
        (["--video", "a.gif"], r"must end in .mp4"),
        (["--at", "nothing"], "--at nothing must be best, last or a number of rounds"),
        (["--at", "3"], "has no checkpoint after 3 rounds, but after 5, 4, 2; name one of these"),
    ],
)
def test_refusals(kept_run, words, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        door.main([str(kept_run), *words])
    assert stopped.value.code == 2 and message in capsys.readouterr().err


def test_two_names_of_a_policy_that_differ(kept_run, capsys):
    with pytest.raises(SystemExit):
        door.main([f"{kept_run}@best", "--at", "last"])
    assert "name two different policies; leave one of them out" in capsys.readouterr().err


def test_a_round_can_be_named_in_two_ways(kept_run, capsys):
    run = str(kept_run)
    for words in ([f"{run}@2"], [run, "--at", "2"], [f"{run}/", "--at", "2"], [f"{run}@2", "--at", "2"], [run]):
        door.main([*words, "--episodes", "1", "--deterministic"])
    of_round, again, with_a_slash, twice, last = re.findall(r"Episode 1: .*", capsys.readouterr().out)
    assert of_round == again == with_a_slash == twice != last


def test_a_reward_that_cannot_be_read_is_told(kept_run, monkeypatch, capsys):
    def missing(*_):
        raise ConfigError("its examples are gone.")

    monkeypatch.setattr(playing, "restore_from_run", missing)
    door.main([str(kept_run), "--episodes", "1"])
    said = capsys.readouterr().out
    assert "The learned return is not known: its examples are gone." in said
    assert not re.search(r"learned return -?\d", said)


def test_a_video_that_cannot_be_written(kept_run, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        door.main([str(kept_run), "--episodes", "1", "--video", f"{tmp_path}/file/a.mp4"])
    assert stopped.value.code == 2 and "a.mp4 cannot be written: " in capsys.readouterr().err


def test_help_imports_no_jax():
    code = "import sys; from rl_rewards import play; assert 'jax' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
