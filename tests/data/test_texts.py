"""Texts as recorded data: tokens stay integers, and data of another tokenizer or with other tokens is refused."""

import json

import numpy as np
import pytest

from rl_rewards.command_line.texts import reference_of_texts, written_texts
from rl_rewards.core.errors import ConfigError
from rl_rewards.data.__main__ import main
from rl_rewards.data.demonstrations.load import load_demonstrations, save_demonstrations
from rl_rewards.envs.text.base import Corpus
from rl_rewards.loop.texts_as_episodes import CHUNK, episodes_of
from tests.envs.text import reference
from tests.probes import make

ENV = make("env", "text")
N = 300


@pytest.fixture(scope="module")
def written():
    return written_texts(ENV, "mixed", N, seed=0, number=0)


@pytest.fixture
def path(written, tmp_path):
    save_demonstrations(tmp_path / "texts.npz", ENV.spec, written)
    return tmp_path / "texts.npz"


def changed(path, **arrays):
    with np.load(path) as file:
        found = dict(file)
    np.savez(path, **found | arrays)
    return str(path)


def test_texts_are_episodes_of_one_step(written, path):
    found = load_demonstrations(str(path), ENV.spec, key="data")
    for key in ("obs", "action", "next_obs"):
        assert found[key].dtype == np.int32
        np.testing.assert_array_equal(found[key], written[key])
    assert found["terminated"].all() and not found["truncated"].any()
    np.testing.assert_array_equal(found["episode_start"], np.arange(N))
    np.testing.assert_array_equal(found["next_obs"][:, 10:], found["action"])
    np.testing.assert_array_equal(found["episode_return"], found["env_reward"])
    names = ["<pad>", "<end>", *ENV.codec.words]
    for row in range(10):
        expected = reference.gold(ENV.decode(found["obs"][row]), [names[token] for token in found["action"][row]])
        assert found["env_reward"][row] == pytest.approx(expected, abs=1e-4)
    assert found["info_success"].dtype == bool and {f"info_{key}" for key in ENV.spec.info} <= set(found)


def test_more_texts_than_are_judged_at_once_are_all_there(written):
    corpus = ENV.demonstrate(np.random.default_rng(1), CHUNK + 3, "plain")
    found = episodes_of(ENV, corpus)
    assert len(found["obs"]) == CHUNK + 3
    np.testing.assert_array_equal(found["action"], corpus.action)
    few = episodes_of(ENV, Corpus(corpus.obs[-3:], corpus.action[-3:]))
    np.testing.assert_allclose(few["env_reward"], found["env_reward"][-3:], atol=1e-6)


def test_the_references_of_scores_are_random_tokens_and_the_best_texts():
    found = reference_of_texts(ENV, "good", 50, seed=0, number=3)
    assert found.random < -2.0 and found.expert > 2.4


def test_wrong_texts_are_refused_in_one_sentence(written, path):
    spec = ENV.spec
    told = written["action"].copy()
    told[4, 2] = 999
    for arrays, sentence in (
        ({"action": told}, r"action in row 4 has 999 at place 2; text has 0 to 193 there\."),
        ({"action": written["action"].astype(np.float32)}, r"action has the type float32; this environment has whole"),
        ({"obs": written["obs"] - 1}, r"obs in row 0 has -1 at place"),
        ({"obs": written["obs"].astype(np.int64) + 2**40}, r"obs has a value too large for int32\."),
        ({"env": np.array("text@000000000000")}, r"was written with another tokenizer than that of this run's text"),
        ({"env": np.array("point")}, r"was recorded on the environment 'point', but this run uses 'text'\."),
        (
            {"action": written["action"][:, :30]},
            r"action has the shape \(300, 30\); this environment needs",
        ),
    ):
        with np.load(path) as file:
            kept = dict(file)
        with pytest.raises(ConfigError, match=sentence):
            load_demonstrations(changed(path, **arrays), spec)
        np.savez(path, **kept)
    found = load_demonstrations(changed(path, env=np.array("text")), spec)
    assert len(found["obs"]) == N, "a person's own file need not name the tokenizer"


def test_only_texts_are_written_as_texts():
    with pytest.raises(ConfigError, match=r"point is not an environment of text, so that it writes no texts\."):
        written_texts(make("env", "point"), "mixed", 3, seed=0, number=0)


def test_the_command_makes_and_describes_texts(tmp_path, capsys):
    main(["make", "assistant/good", "--steps", "40", "--folder", str(tmp_path)])
    path = tmp_path / "assistant" / "good_0.npz"
    made = capsys.readouterr().out
    assert "40 episodes of 1 steps" in made and "no faults were found" in made and "different prompts and" in made
    main(["info", str(path), "env=text"])
    told = capsys.readouterr().out
    assert "0 have no end" in told and "success          40 of 40 episodes (100%)" in told and "no faults" in told
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert about["normalized_score"] == pytest.approx(100.0, abs=5.0) and about["runs"] == {}
    with pytest.raises(SystemExit):
        main(["make", "assistant/medium", "--folder", str(tmp_path)])
    assert "make assistant/QUALITY, one of plain, mixed and good." in capsys.readouterr().err
