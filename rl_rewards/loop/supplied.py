"""Loads the data that users supply to a run: recorded steps, demonstrations, examples of states, and comparisons."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError, warn
from rl_rewards.core.queries import GivenComparisons
from rl_rewards.core.types import Examples, Transition, make_record
from rl_rewards.data import examples
from rl_rewards.data.demonstrations.choose import LastStates, as_dataset, choose, last_states
from rl_rewards.data.demonstrations.fit import Demonstrations, one_episode_warning
from rl_rewards.data.demonstrations.load import load_demonstrations, read_recorded
from rl_rewards.data.demonstrations.records import require_rewards
from rl_rewards.envs.text.base import ResponsePairs, TextEnv
from rl_rewards.loop.ram import check_data, free_bytes
from rl_rewards.loop.settings import ExampleSettings, Settings
from rl_rewards.loop.state import Parts
from rl_rewards.loop.texts_as_episodes import episodes_of

OWN = "env:"
"""The beginning of the name of data that are the environment's own texts."""
COMPARED = 2_000
"""Recorded steps whose rewards are compared with those of the environment."""


def build_data(parts: Parts, settings: Settings) -> Examples:
    """Return the examples, demonstrations and comparisons that the reward or the algorithm needs, on the device.

    With several seeds every array of examples has a leading seed axis, because each seed records or holds out its own.
    The data set of demonstrations exists once, with the indices of the rows that each seed has drawn, and the
    comparisons exist once for all.

    Raises:
        ConfigError: when a file is not valid, or demonstrations are needed but not given, or do not fit into memory.
    """
    seeds, wanted, last_steps = settings.seeds, settings.demonstrations, settings.examples.last_steps
    named = _demonstrations(parts, settings)
    found: Examples = {}
    ends: list[LastStates | None] = [None for _ in seeds]
    if named is not None:
        name, demos = named
        chosen = [choose(name, demos, wanted.episodes, wanted.every, seed) for seed in seeds]
        dataset = as_dataset(demos, [one.rows for one in chosen])
        advice = "choose fewer episodes with demonstrations.episodes, or fewer steps with demonstrations.every"
        check_data(parts, name, dataset, advice)
        returns = [demos["episode_return"][one.episodes].mean() for one in chosen]
        found = {"demos": dataset, "demo_return": parts.seeds.stack([np.float32(one) for one in returns])}
        if parts.source.requirements.needs_examples and last_steps is not None:
            _warn_of_one_episode(len(chosen[0].episodes))
            ends = [last_states(demos, one.episodes, last_steps) for one in chosen]
    if parts.source.requirements.needs_examples:
        examples_of = [_examples(parts, settings.examples, *each) for each in zip(seeds, ends, strict=True)]
        _check_equally_many([len(one["goal_obs"]) for one in examples_of], last_steps)
        found |= parts.seeds.stack(examples_of)
    return jax.tree.map(jnp.asarray, found | _recorded(parts, seeds) | _compared(parts))


def _compared(parts: Parts) -> Examples:
    """Return the comparisons of the environment's file, if the reward or the algorithm learns from them."""
    needs, offers = parts.source.requirements, parts.algorithm.requirements
    if not needs.takes_comparisons and (needs.keeps_comparisons or not offers.needs_comparisons):
        return {}
    assert isinstance(parts.env, TextEnv), "compatibility.check ensures that there are comparisons"
    return {"compared": as_compared(parts.env.comparisons())}


def as_compared(pairs: ResponsePairs) -> GivenComparisons:
    """Return pairs of responses as segments of one step, the preferred one first, with the scores 1 and 0."""
    action = np.stack([pairs.chosen, pairs.rejected], axis=1)[:, :, None]  # [D, 2, 1, L]
    obs = np.broadcast_to(pairs.obs[:, None, None], (*action.shape[:3], pairs.obs.shape[-1]))
    prompt = obs[..., : obs.shape[-1] - action.shape[-1]]
    yes, no = np.ones(action.shape[:3], bool), np.zeros(action.shape[:3], bool)
    segments = make_record(
        Transition,
        obs=obs,
        action=action,
        next_obs=np.concatenate([prompt, action], axis=-1),
        env_reward=np.zeros(action.shape[:3], np.float32),
        terminated=yes,
        truncated=no,
        valid=yes,
        is_demo=no,
        behaviour={},
        info={},
    )
    scores = np.tile(np.array([1.0, 0.0], np.float32), (len(action), 1))
    return make_record(GivenComparisons, segments=segments, scores=scores)


def _recorded(parts: Parts, seeds: Sequence[int]) -> Examples:
    """Return the recorded steps that the algorithm learns from, and their mean return; empty if it names none."""
    names = parts.algorithm.requirements.data
    if not names:
        return {}
    told, needs = ", ".join(names), parts.source.requirements
    if any(name.startswith(OWN) for name in names):
        recorded, rows = _own_texts(parts, names), [None for _ in seeds]
    else:
        recorded, rows = read_recorded(names, parts.env.spec, seeds, free_bytes())
    if "env_reward" in _read_by(parts):
        require_rewards(told, recorded, "This reward, or its labeler,")
    info = [*needs.info_keys, *([] if parts.labeling is None else parts.labeling.requirements.info_keys)]
    wanted = [*parts.algorithm.requirements.optional_reads, *_optional_reads(parts)]
    info += [key for key in wanted if f"info_{key}" in recorded]
    dataset = as_dataset(recorded, rows, info=sorted(set(info)), is_demo=False, name=told)
    check_data(parts, told, dataset, "name fewer or smaller files")
    for doubt in filter(None, (one_episode_warning(told, recorded), _other_rewards(told, parts, recorded))):
        warn(doubt)
    starts, returns = recorded["episode_start"], recorded["episode_return"]
    means = [np.float32(returns[slice(None) if one is None else np.isin(starts, one)].mean()) for one in rows]
    return {"recorded": dataset, "recorded_return": parts.seeds.stack(means)}


def _own_texts(parts: Parts, names: Sequence[str]) -> Demonstrations:
    """Return the texts of the environment that the only one of ``names``, ``env:KIND``, asks for."""
    require(len(names) == 1, f"data=[{', '.join(names)}]: {OWN}KIND cannot be joined with other data; name it alone.")
    env = parts.env
    if not isinstance(env, TextEnv):
        raise ConfigError(f"data={names[0]} names texts of the environment, and {env.spec.name} has none.")
    return episodes_of(env, env.texts(names[0].removeprefix(OWN)))


def _other_rewards(name: str, parts: Parts, recorded: Demonstrations) -> str | None:
    """Return a warning if the recorded rewards are not those of the run's environment, as with other settings."""
    if "env_reward" not in recorded or "env_reward" not in _read_by(parts):
        return None
    rows = np.linspace(0, len(recorded["obs"]) - 1, min(len(recorded["obs"]), COMPARED)).astype(int)
    steps = [jnp.asarray(recorded[key][rows]) for key in ("obs", "action", "next_obs")]
    own = parts.env.reward_of(*steps)
    if own is None:
        return None
    different = ~np.isclose(np.asarray(own), recorded["env_reward"][rows], rtol=1e-3, atol=1e-3)
    if different.mean() <= 0.01:
        return None
    row = rows[np.argmax(different)]
    return (
        f"{name}: in {different.mean():.0%} of the steps the recorded reward is not that of this run's "
        f"{parts.env.spec.name}, first in row {row}: {recorded['env_reward'][row]:.6g}, and here it is "
        f"{float(own[np.argmax(different)]):.6g}; record the data with the settings of this run."
    )


def _read_by(parts: Parts) -> set[str]:
    """Return the fields of a transition that the reward or its labeler reads."""
    labeler = () if parts.labeling is None else parts.labeling.requirements.reads
    return {*parts.source.requirements.reads, *labeler}


def _optional_reads(parts: Parts) -> tuple[str, ...]:
    return () if parts.labeling is None else parts.labeling.requirements.optional_reads


def _demonstrations(parts: Parts, settings: Settings) -> tuple[str, Demonstrations] | None:
    """Return the name and arrays of the demonstrations that the reward, algorithm or examples need, or None."""
    needs, offers = parts.source.requirements, parts.algorithm.requirements
    names = {name for name in (needs.demos, offers.demos) if name is not None}
    steps = settings.examples.last_steps
    if needs.needs_examples and steps is not None:
        message = f"examples.last_steps={steps} takes goals from demonstrations; name some with demos=NAME."
        require(settings.demos is not None, message)
        names.add(settings.demos)
    require(len(names) < 2, "The reward and the algorithm name different demonstrations; name one set with demos=NAME.")
    if not names:
        return None
    (name,) = names
    demos = load_demonstrations(name, parts.env.spec, free_bytes())
    paid = offers.demo_fraction > 0 and "env_reward" in needs.reads
    require(
        not paid or "env_reward" in demos,
        f"{name} lacks env_reward, which this reward reads from the demonstrations in a batch; record it, or choose "
        "algorithm.demo_fraction=0.",
    )
    return name, demos


def _examples(parts: Parts, settings: ExampleSettings, seed: int, ends: LastStates | None) -> Examples:
    """Return the examples of one seed; its goals are ``ends``, the last states of its demonstrations, if given."""
    if settings.path is not None:
        needs_action = parts.source.requirements.needs_example_actions
        arrays = examples.load_examples(Path(settings.path), parts.env.spec, needs_action)
    else:
        arrays = examples.collect_examples(parts.env, settings.goals, settings.non_goals, seed)
    episode_of = None
    if ends is not None:
        arrays["goal_obs"], arrays["goal_action"], episode_of = ends
    held_out = examples.hold_out(arrays, settings.heldout_share, seed, episode_of)
    return examples.mistake(held_out, settings.mistaken_share, seed)


def _warn_of_one_episode(episodes: int) -> None:
    """Warn if training goals and held-out goals come from one episode."""
    if episodes == 1:
        warn(
            "examples.last_steps takes all goals from one demonstration, so that held-out and training goals come from "
            "one episode, and the accuracy on held-out goals says little; give more demonstrations."
        )


def _check_equally_many(goals: list[int], last_steps: int | None) -> None:
    """Check that all seeds have equally many goals, because one program needs arrays of one length."""
    require(
        len(set(goals)) == 1,
        f"examples.last_steps={last_steps} gives each seed between {min(goals)} and {max(goals)} training "
        "goals, because some episodes are shorter, but all seeds need the same number; choose num_seeds=1, or fewer "
        "last steps.",
    )
