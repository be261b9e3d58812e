"""Prompts of a file that are used only for evaluation."""

import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.core.text_measures import held_out_prompts
from rl_rewards.loop import build
from tests.loop.test_given_comparisons import PAIRS, reward_model, with_file, write_pairs
from tests.probes import make
from tests.runs import composed

pytest.importorskip("tokenizers")


def of_file(folder, pairs: int = PAIRS, **changes):
    path = write_pairs(folder / "pairs.jsonl", pairs).partition("=")[2]
    return make("env", "text_prompts", path=path, vocabulary=280, **changes)


def prompts_of(env, obs) -> set[str]:
    return {env.decode(row[: env.sizes.prompt]) for row in obs}


def test_evaluations_use_the_prompts_that_nobody_learns_from(tmp_path):
    whole, env = of_file(tmp_path), of_file(tmp_path, heldout_every=5)
    evaluated = env.episodes.evaluated
    every, learned, kept = (prompts_of(whole, one.prompts[0]) for one in (whole, env, evaluated))
    assert learned | kept == every and not learned & kept and len(every) == PAIRS + 1
    rule = held_out_prompts(jnp.asarray(whole.prompts[0], jnp.int32), 5)
    assert kept == prompts_of(whole, whole.prompts[0][np.asarray(rule)]), "the same prompts as reward.heldout_every=5"
    for one in (env, evaluated):
        np.testing.assert_allclose(np.sum(one.prompts[1]), 1.0)
        assert one.spec == whole.spec
    assert evaluated.codec is env.codec and env.episodes.evaluated is evaluated, "the tokenizer is learned once"
    assert whole.episodes.evaluated is whole
    assert env.requirements.notes[-1] == f"Of {PAIRS + 1} prompts, {len(kept)} are used only for evaluation " + (
        "(env.heldout_every)."
    )


def test_fine_tuning_data_leave_them_out_and_comparisons_do_not(tmp_path):
    env = of_file(tmp_path, heldout_every=5)
    learned = prompts_of(env, env.prompts[0])
    for corpus in (env.texts("chosen"), env.demonstrate(np.random.default_rng(0), 200, "rejected")):
        assert prompts_of(env, corpus.obs) <= learned
    assert len(env.comparisons().obs) == PAIRS == env.spec.text.comparisons
    kept = env.episodes.evaluated
    assert prompts_of(env, kept.texts("chosen").obs) == prompts_of(env, kept.prompts[0]) - {"Anything else?"}


def test_both_sides_need_prompts(tmp_path):
    with pytest.raises(ConfigError, match=r"env\.heldout_every=500 holds out 0 of the 4 prompts, but some are needed"):
        _ = of_file(tmp_path, 3, heldout_every=500).requirements
    (tmp_path / "one.jsonl").write_text('{"prompt": "a", "response": "b"}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"env\.heldout_every=2 holds out [01] of the 1 prompts, but some are needed"):
        _ = make("env", "text_prompts", path=str(tmp_path / "one.jsonl"), heldout_every=2).requirements
    with pytest.raises(ConfigError, match=r"env\.heldout_every=1 must be at least 2, or null\."):
        of_file(tmp_path, heldout_every=1)
    with pytest.raises(ConfigError, match=r"env\.split=held_out chooses the prompts .* set env\.heldout_every=N too\."):
        of_file(tmp_path, split="held_out")


def test_whoever_learns_from_the_comparisons_must_hold_the_same_prompts_out(tmp_path):
    path = write_pairs(tmp_path / "pairs.jsonl")

    def built(*overrides: str):
        return build.build(composed("debug=smoke", *overrides))

    dpo = with_file(path, "algorithm=dpo", "reward=environment")
    for owner, overrides in (("reward", reward_model(path)), ("algorithm", dpo)):
        told = rf"env\.heldout_every=5 keeps prompts .* {owner}\.heldout_every=7 .* choose {owner}\.heldout_every=5\."
        with pytest.raises(ConfigError, match=told):
            built(*overrides, "env.heldout_every=5")
        built(*overrides, "env.heldout_every=14")
    asking = with_file(path, "algorithm=sampler", "reward=text_preferences", "reward.reward_model.begins_with=nothing")
    with pytest.raises(ConfigError, match=r"reward\.heldout_every=7 holds out no prompt that this run learns on"):
        built(*asking, "env.heldout_every=7")
    built(*asking, "env.heldout_every=5")
