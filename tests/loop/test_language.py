"""Tests of the stages of RLHF in the loop: fine-tuning, a reward model, RL against it, and DPO on its comparisons."""

import json
import shutil
from functools import partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.data.demonstrations.load import save_demonstrations
from rl_rewards.envs.text.assistant.env import Assistant
from rl_rewards.loop import build
from rl_rewards.loop.collect import reset_jax
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.reward_gate import _check_accuracy
from rl_rewards.loop.same_start import sample_same_start
from rl_rewards.loop.sources import restore_from_run
from rl_rewards.reporting.page import write_report
from rl_rewards.run import resume_run
from tests.finished import cut_back, finished_run
from tests.probes import make_rollout, make_spec
from tests.runs import composed, digest_of, rows, run_here, unexplained
from tests.unevaluated import evaluations

TEXT = "env=text"
SMALL = "algorithm.model.layers=1"
STEPS = "total_env_steps=80"


@pytest.fixture(scope="module")
def stages(tmp_path_factory):
    """Return the folder of a fine-tuned policy in sft/, and of a reward model in reward_model/."""
    folder = tmp_path_factory.mktemp("stages")
    env = Assistant(split="train", evaluated_split="held_out", response_tokens=40)
    corpus = env.demonstrate(np.random.default_rng(0), 200, "mixed")
    judged = jax.jit(env.judge)(corpus.obs, corpus.action)
    ones = np.ones(200, bool)
    after = np.concatenate([corpus.obs[:, : env.sizes.prompt], corpus.action], axis=1)
    arrays = {
        "obs": corpus.obs, "action": corpus.action, "next_obs": after, "env_reward": np.asarray(judged.reward),
        "terminated": ones, "truncated": ~ones, "episode_start": np.arange(200),
        "episode_return": np.asarray(judged.reward),
    }  # fmt: skip
    save_demonstrations(folder / "texts.npz", env.spec, arrays)
    finished_run(
        folder / "sft",
        TEXT,
        "algorithm=lm",
        SMALL,
        "reward=environment",
        f"data={folder / 'texts.npz'}",
        evaluated=False,
    )
    reward = ["reward=text_preferences", "labeler=oracle", "algorithm=sampler", f"pretrain.run={folder / 'sft'}"]
    reward += [SMALL, "reward.reward_model.model.layers=1"]
    finished_run(folder / "reward_model", TEXT, *reward, STEPS, evaluated=False)
    return folder


def after(folder, *overrides: str) -> list[str]:
    """Return the overrides of a run that begins with the policy and uses the reward of the two stages."""
    frozen = ["reward=frozen", f"reward.run={folder / 'reward_model'}", "reward.unsure=allow"]
    return [TEXT, *frozen, f"pretrain.run={folder / 'sft'}", STEPS, SMALL, *overrides]


def test_fine_tuning_measures_held_out_texts(stages):
    found = rows(stages / "sft")
    assert found[-1]["agent/validation_loss"] < found[0]["agent/validation_loss"] < np.log(256)
    assert found[-1]["gradient_steps"] == 20


def test_the_reward_model_begins_with_the_policy_and_compares_responses_to_one_prompt(stages):
    restored = restore_from_run(stages / "reward_model")
    state, prompt = restored.state, restored.spec.text.prompt_tokens
    assert rows(stages / "reward_model")[-1]["reward/labels"] == 24
    asked = np.asarray(state.inputs)[:, :, 0]
    np.testing.assert_array_equal(asked[:, 0, :prompt], asked[:, 1, :prompt])
    assert np.any(asked[:, 0, prompt:] != asked[:, 1, prompt:])
    policy = restore_policy(stages / "sft").state.params["model"]["params"]["embedding"]
    trunk = state.model.variables["params"]["language"]["embedding"][0]
    moved, size = float(np.abs(trunk - policy).max()), float(np.abs(policy).max())
    assert 0 < moved < 0.2 * size, "a few updates after a common start"


@pytest.fixture(scope="module")
def later(stages):
    """Return the folder of a finished run of ``rloo``, with evaluations, and of one of ``dpo``; change only copies."""
    for algorithm in ("rloo", "dpo"):
        finished_run(stages / algorithm, *after(stages, f"algorithm={algorithm}"), evaluated=algorithm == "rloo")
    return stages


@pytest.mark.parametrize(
    "algorithm", ["rloo", *(pytest.param(name, marks=pytest.mark.long) for name in ("ppo_lm", "best_of_n"))]
)
def test_rl_goes_on_from_the_policy_under_the_learned_reward(later, tmp_path, algorithm):
    if algorithm == "rloo":
        run = later / algorithm
    else:
        run_here(run := tmp_path, *after(later, f"algorithm={algorithm}"), evaluated=False)
    first, last = rows(run)[0], rows(run)[-1]
    assert last["env_steps"] == 80
    assert last["agent/reward_mean"] != 0.0
    if algorithm != "best_of_n":
        assert first["agent/reference_kl"] == pytest.approx(0.0, abs=1e-4)
        assert last["agent/reference_kl_k3"] > 0
    if algorithm == "rloo":
        assert 0 <= last["train/same_start_accuracy"] <= 1
        parts = sum(last[f"eval/gold_{part}"] for part in ("style", "helpful", "harmless"))
        assert parts < 0 and last["eval/gold_bad_sentences"] > 0 and not unexplained(run), "it was hardly trained"


def test_dpo_learns_from_the_comparisons_of_the_reward_model(later):
    last = rows(later / "dpo")[-1]
    scores = np.asarray(restore_from_run(later / "reward_model").state.scores)
    assert last["agent/comparisons"] == np.sum(scores[:, 0] != scores[:, 1]) > 0, "ties teach nothing"
    assert last["agent/chosen_log_ratio"] > last["agent/rejected_log_ratio"]


def test_a_report_shows_the_same_prompts_over_training(later):
    run = later / "rloo"
    stored = sorted((run / "evaluations").glob("*.texts.json"))
    texts = [[one for one in json.loads(path.read_text())["seeds"][0] if one["why"] == "first"] for path in stored]
    assert len(texts) > 2
    assert [one["prompt"] for one in texts[0]] == [one["prompt"] for one in texts[-1]]
    page = write_report(run).read_text(encoding="utf-8")
    assert texts[0][0]["prompt"] in page and "Overrated" not in page
    assert "the learned reward is highest compared with the true one" in page


def test_a_reward_model_that_may_guess_is_refused(stages, tmp_path):
    overrides = [one for one in after(stages, "algorithm=rloo") if one != "reward.unsure=allow"]
    refused = r"may be no better than guessing: its accuracy on \d held-out answers is .* Give its run more answers"
    with pytest.raises(ConfigError, match=refused):
        run_here(tmp_path / "alone", *overrides)
    mixed = [one.replace("reward.run", "reward.parts.task.run") for one in overrides if one != "reward=frozen"]
    mixed += ["reward=mixture", "reward@reward.parts.task=frozen", "reward@reward.parts.bonus=constant"]
    with pytest.raises(ConfigError, match=refused):
        run_here(tmp_path / "mixed", *mixed)


def test_each_seed_of_a_reward_model_is_judged_alone():
    """Together 142 of 200 answers are predicted, but one of two seeds guesses."""
    right, known = jnp.array([52.0, 90.0]), jnp.array([100.0, 100.0])
    several = SimpleNamespace(
        heldout_agreement=lambda seed: (right[seed], known[seed]), learned=jnp.arange(2), per_seed=True, run="RUN"
    )
    with pytest.raises(ConfigError, match=r"for 1 of its 2 seeds: its accuracy on 100 held-out answers is 0\.52 \("):
        _check_accuracy(several)


@pytest.mark.parametrize(
    "stage", ["rloo", *(pytest.param(name, marks=pytest.mark.long) for name in ("sft", "reward_model", "dpo"))]
)
def test_a_stage_that_was_interrupted_ends_with_the_same_bits(later, tmp_path, stage):
    run = shutil.copytree(later / stage, tmp_path / stage)
    wanted = digest_of(run)
    cut_back(run)
    with jax.debug_key_reuse(False), evaluations(False):
        resume_run(run, [])
    assert digest_of(run) == wanted


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["algorithm=ppo", "reward=environment"], "texts, which only a language model can write; choose"),
        (["algorithm=dpo", "reward=environment"], "learns from comparisons of whole texts, and this reward has none"),
        (
            ["algorithm=reinforce_lm", "reward=text_preferences", "reward.reward_model.begins_with=nothing"],
            "compares 2 responses to the same prompt, but this algorithm samples 1; choose",
        ),
    ],
)  # fmt: skip
def test_combinations_that_cannot_work_are_refused(tmp_path, overrides, message):
    with pytest.raises(ConfigError, match=message):
        run_here(tmp_path, TEXT, "labeler=oracle", STEPS, *overrides)


def test_a_model_of_other_sizes_cannot_begin_with_the_policy(stages, tmp_path):
    with pytest.raises(ConfigError, match="networks of other shapes"):
        run_here(tmp_path, *after(stages, "algorithm=rloo", "algorithm.model.width=32"))


def test_environments_with_the_same_start_begin_alike_and_others_do_not():
    env = build.build(composed(TEXT, "reward=environment", "algorithm=rloo")).parts.env
    tokens = np.asarray(reset_jax(env, jax.random.key(0), 12, 4).tokens).reshape(3, 4, -1)
    assert np.all(tokens == tokens[:, :1])
    assert len(np.unique(tokens[:, 0], axis=0)) > 1


def test_compared_episodes_have_one_start_and_are_different():
    rollout = make_rollout(make_spec(), 1, 12)
    rollout = rollout.replace(env_reward=np.arange(12, dtype=np.float32)[None])
    sample = jax.jit(partial(sample_same_start, same_start=4, queries=3, clips=2))
    found = np.asarray(sample(rollout, key=jax.random.key(0)).env_reward)[..., 0]
    assert found.shape == (3, 2)
    assert np.all(found[:, 0] // 4 == found[:, 1] // 4) and np.all(found[:, 0] != found[:, 1])
    assert sorted(found[:, 0] // 4) == [0, 1, 2], "no start twice before all were drawn"
    with pytest.raises(ConfigError, match=r"reward.clips=5 responses are compared, but there are only"):
        sample_same_start(rollout, 4, jax.random.key(0), 3, 5)
