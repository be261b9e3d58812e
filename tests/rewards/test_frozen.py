"""A reward learned in one run and used in another: what is copied, what is refused, and use without the original."""

import shutil
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rl_rewards.core.errors import ConfigError
from rl_rewards.loop import build, compatibility
from rl_rewards.loop.sources import COPY, restore_from_run
from rl_rewards.loop.state import init_state
from rl_rewards.rewards.frozen import Frozen
from rl_rewards.rewards.hand_designed import HandDesigned
from rl_rewards.rewards.mixture import Mixture
from tests.finished import finished_run, resumed_run, untrained
from tests.probes import experience_of, make, make_rollout, make_spec
from tests.rewards.examples import same, tiny_source
from tests.runs import composed, digest_of, rows


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Return a finished run that learned a reward on point."""
    return finished_run(
        tmp_path_factory.mktemp("learned") / "run", "env=point", "reward.pretrain_steps=50", evaluated=False
    )


def frozen(run, *overrides):
    return build.build(composed("debug=smoke", "env=point", "reward=frozen", f"reward.run={run}", *overrides)).parts


def test_says_what_the_learned_reward_says(learned):
    """The state is equal bit for bit, and so are the rewards; an untrained reward differs."""
    parts = frozen(learned)
    restored = restore_from_run(learned)
    state = init_state(parts, 7).reward
    assert same(state, restored.state)
    assert int(jnp.sum(state.visited.round >= 0)) == 5 * 300, "what five rounds added to the negatives"
    rollout = make_rollout(parts.env.spec, 4, 3)
    rewards = np.asarray(parts.source.reward(state, rollout))
    np.testing.assert_array_equal(rewards, restored.source.reward(restored.state, rollout))
    assert not np.allclose(rewards, restored.source.reward(restored.source.init(jax.random.key(1)), rollout))


def test_learns_nothing_more(learned):
    source = frozen(learned).source
    state = source.init(jax.random.key(0))
    rollout = make_rollout(source.spec, 4, 3)
    after, metrics = source.update(state, {}, experience_of(rollout), jnp.int32(0), jax.random.key(1))
    assert same(state, after)
    assert metrics == {}
    assert source.inspect(state, {}, rollout) == {}, "without examples there is nothing to inspect"


def test_reads_and_judges_as_the_original():
    """The requirements that the replay ring and the check of examples read are those of the source."""
    spec = make_spec(info={"height": ()})
    source = HandDesigned(spec=spec, terms={"high": {"weight": 1.0, "of": "info.height", "map": "identity"}})
    wired = {
        "source": source,
        "learned": {},
        "learned_spec": spec,
        "per_seed": False,
        "run": "RUN",
        "seed": None,
        "early_end": "refuse",
    }
    assert Frozen(spec=spec, **wired).requirements.info_keys == ("height",)
    with pytest.raises(ConfigError, match="reads 'height' from info, which test does not have"):
        Frozen(spec=make_spec(), **wired)


def still(source, **changes) -> Frozen:
    """Return ``source`` as the frozen reward of a run whose state does not matter here."""
    wired = {"learned": {}, "learned_spec": source.spec, "per_seed": False, "run": "RUN", "seed": None}
    return Frozen(spec=source.spec, source=source, early_end="allow", **wired)


def test_a_frozen_sqil_is_refused_where_it_would_pay_nothing():
    """It pays only demonstrated steps, and PPO's batches contain none: every step would silently earn 0."""
    cfg = composed("debug=smoke", "env=point")
    parts, settings = build.build(cfg)
    sqil = make("reward", "sqil", parts.env.spec, demos="any.npz")
    with pytest.raises(
        ConfigError, match=r"pays for demonstrated steps, but the algorithm's batches have none; choose"
    ):
        compatibility.check(parts._replace(source=still(sqil)), settings)
    assert still(sqil).requirements.demos is None, "it no longer learns from demonstrations"


def test_a_frozen_reward_that_pays_to_linger_is_warned_of():
    early = build.build(composed("debug=smoke", "env=point", "env.terminate_on_success=true", "reward=zero")).parts
    classifier = tiny_source("goal_classifier", early.env.spec, early_end="allow", reward_map="prob")
    for source in (classifier, still(classifier), Mixture(parts={"a": still(classifier)}, weights={"a": 0.5})):
        (sentence,) = compatibility.warnings(early._replace(source=source))
        assert "staying near the goal pays more than finishing" in sentence


def test_a_frozen_reward_forgets_what_only_learning_reads():
    source = tiny_source(spec=make_spec(obs=2, action=1), keep_visited=8, visited_per_round=4)
    state = source.init(jax.random.key(0))
    seen = state.visited.add(jnp.ones((4, 2)), jnp.ones((4, 1)), jnp.ones(4, bool), jnp.asarray(3))
    forgotten = still(source).without_memory(state.replace(visited=seen))
    assert int(seen.count(jnp.zeros(()))) == 4 and int(forgotten.visited.count(jnp.zeros(()))) == 0


def test_a_run_lives_on_without_the_original(tmp_path, learned):
    """A run on a frozen reward, resumed after the original was deleted, ends bit for bit as one without a stop."""
    original = tmp_path / "original"
    shutil.copytree(learned, original)
    arguments = ("env=point", "reward=frozen", f"reward.run={original}")
    whole = finished_run(tmp_path / "whole", *arguments, "total_env_steps=960")
    stopped = finished_run(tmp_path / "stopped", *arguments, "total_env_steps=320", evaluated=False)
    before = jax.tree.map(np.array, restore_from_run(stopped).state)
    shutil.rmtree(original)

    with pytest.raises(ConfigError, match="original does not exist"):
        frozen(original)
    resumed_run(stopped, 960)
    assert digest_of(stopped) == digest_of(whole)
    assert rows(stopped)[1:] == rows(whole)[1:]
    assert same(before, restore_from_run(learned).state), "and the reward is still the original's"
    again = finished_run(stopped, *arguments, "total_env_steps=1280", evaluated=False)
    assert rows(again)[-1]["env_steps"] == 1280, "the same command in the same folder also continues the run"
    last = rows(whole)[-1]
    for name in ("success", "true_return", "learned_return", "prob_heldout_goals", "reward_heldout_goals"):
        assert np.isfinite(last[f"eval/{name}"]), "the learned reward is reported with the true outcome"
    assert not any(name.startswith("reward/") for name in last)


def test_another_way_to_combine_an_ensemble_stays_with_the_copy(tmp_path):
    """It holds in the new run, in its own copy, and in a run that freezes the reward of that run, which is deleted."""
    answers = ("env=point", "reward=preferences", "labeler=oracle", "reward.reward_model.ensemble=3")
    run = (*answers, "reward.segment_steps=5", "reward.budget=8", "reward.sessions=1", "reward.candidates=1")
    original = untrained(tmp_path / "original", *run)
    here = ("env=point", "reward=frozen", "total_env_steps=320")
    low = finished_run(tmp_path / "low", *here, f"reward.run={original}", "reward.recombine=min", evaluated=False)
    again = untrained(tmp_path / "again", *here, f"reward.run={low}")
    mean, lowest = restore_from_run(original), restore_from_run(low)
    steps = make_rollout(mean.spec, 4, 3)
    single = [replace(mean.source, combine=how).reward(mean.state, steps) for how in ("mean", "min")]
    np.testing.assert_array_equal(mean.source.reward(mean.state, steps), single[0])
    assert np.all(single[1] <= single[0]) and np.any(single[1] < single[0])
    assert (low / COPY / "config.yaml").read_text() != (original / "config.yaml").read_text()
    shutil.rmtree(low)
    for one in (lowest, restore_from_run(again)):
        np.testing.assert_array_equal(one.source.reward(one.state, steps), single[1])


def test_only_an_ensemble_of_preferences_can_be_recombined(learned):
    with pytest.raises(ConfigError, match="recombine=min needs an ensemble that has learned from preferences"):
        frozen(learned, "reward.recombine=min")


@pytest.mark.long
def test_works_on_a_host_environment(tmp_path):
    """The environment's own reward, frozen, has no state and does not change."""
    original = finished_run(
        tmp_path / "original", "env=pencil_case", "reward=environment", "total_env_steps=320", evaluated=False
    )
    arguments = ("env=pencil_case", "reward=frozen", f"reward.run={original}", "total_env_steps=320")
    last = rows(finished_run(tmp_path / "run", *arguments))[-1]
    assert last["eval/learned_return"] == pytest.approx(last["eval/true_return"])


def test_a_copy_cut_short_is_made_anew(tmp_path, learned):
    """A leftover of a copy that was killed is neither an obstacle nor mistaken for the copy."""
    partial = tmp_path / f"{COPY}.partial" / "checkpoints"
    partial.mkdir(parents=True)
    (partial / "rubbish").write_text("half", encoding="utf-8")
    untrained(tmp_path, "env=point", "reward=frozen", f"reward.run={learned}")
    assert not partial.exists()
    assert same(restore_from_run(tmp_path).state, restore_from_run(learned).state)


# What is refused, each in one sentence.


def test_another_environments_reward_is_refused(learned):
    with pytest.raises(ConfigError, match=r"is a run of another environment: .* point with obs \[2\] .* pencil_case "):
        frozen(learned, "env=pencil_case")


def test_episodes_that_can_end_early_are_refused_unless_allowed(learned):
    early = "env.terminate_on_success=true"
    with pytest.raises(ConfigError, match=r"accept it with reward\.early_end=allow"):
        frozen(learned, early)
    frozen(learned, early, "reward.early_end=allow")


def test_folders_without_a_reward_are_refused(tmp_path, learned):
    with pytest.raises(ConfigError, match=r"reward=frozen needs reward\.run=RUN_DIR"):
        frozen("null")
    with pytest.raises(ConfigError, match="nowhere does not exist"):
        frozen(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="is not a run folder; it has no config"):
        frozen(tmp_path)
    shutil.copyfile(learned / "config.yaml", tmp_path / "config.yaml")
    for name in ("spec.json", None):  # killed before the first checkpoint: before and after spec.json is written
        with pytest.raises(ConfigError, match="has no checkpoint"):
            frozen(tmp_path)
        if name:
            shutil.copyfile(learned / name, tmp_path / name)
    (tmp_path / "checkpoints").mkdir()
    with pytest.raises(ConfigError, match="has no checkpoint"):
        frozen(tmp_path)
    assert list((tmp_path / "checkpoints").iterdir()) == [], "reading writes nothing"


def test_a_checkpoint_of_another_shape_is_refused(tmp_path, learned):
    run = shutil.copytree(learned, tmp_path / "run")
    text = (run / "config.yaml").read_text(encoding="utf-8")
    (run / "config.yaml").write_text(text.replace("ensemble: 3", "ensemble: 2"), encoding="utf-8")
    with pytest.raises(ConfigError, match="does not fit its config"):
        frozen(run)


def test_every_seed_can_have_the_reward_of_its_own(tmp_path):
    """Each seed continues with its own reward, also when the original is deleted; the copy stores which is which."""
    with jax.debug_key_reuse(False):  # if one of the batched keys is used, the checker counts all as used
        _each_its_own(tmp_path)


def _each_its_own(tmp_path):
    original = untrained(tmp_path / "original", "num_seeds=2", "seed=4")
    states = [restore_from_run(original, seed).state for seed in (4, 5)]
    assert not same(*states)
    arguments = ("env=point", "reward=frozen", f"reward.run={original}", "reward.seed=each", "num_seeds=2", "seed=4")
    arguments += ("total_env_steps=320",)
    run = finished_run(tmp_path / "run", *arguments, evaluated=False)
    shutil.rmtree(original)
    for seed, state in zip((4, 5), states, strict=True):
        assert same(restore_from_run(run, seed).state, state)
    parts = build.build(composed("debug=smoke", *arguments), run).parts
    for i, state in enumerate(states):
        assert same(jax.tree.map(lambda x, i=i: x[i], init_state(parts, 4).reward), state)
    with pytest.raises(ConfigError, match=r"has no seed 6; it trained 4 to 5\."):
        build.build(composed("debug=smoke", *arguments, "seed=5"), run)
