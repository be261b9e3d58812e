"""Loads what a person supplies to a run, for every seed: demonstrations, and examples of goals and of other states."""

from collections.abc import Sequence
from pathlib import Path

from rl_rewards.core.checks import require
from rl_rewards.core.errors import warn
from rl_rewards.core.types import Examples
from rl_rewards.data import examples
from rl_rewards.data.demonstrations import load as demonstrations
from rl_rewards.loop.settings import ExampleSettings, Settings
from rl_rewards.loop.train import Parts


def build_data(parts: Parts, settings: Settings) -> Examples:
    """The examples and demonstrations that ``settings`` name, those of them that reward or algorithm need.

    With several seeds every array has a leading seed axis: each seed records, holds out, or chooses its own.

    Raises:
        ConfigError: for a file that is wrong, or demonstrations that are needed and not named.
    """
    seeds, wanted = settings.seeds, settings.demonstrations
    found: list[Examples] = [{} for _ in seeds]
    chosen: Sequence[demonstrations.Chosen | None] = [None for _ in seeds]
    named = _demonstrations(parts, settings)
    if named is not None:
        name, recorded = named
        given = [demonstrations.choose(name, recorded, wanted.episodes, wanted.every, seed) for seed in seeds]
        found, chosen = demonstrations.as_data([one.steps for one in given]), given
    if parts.source.requirements.needs_examples:
        if settings.examples.last_steps is not None:
            _warn_of_one_episode(chosen[0])
        examples_of = [_examples(parts, settings.examples, *each) for each in zip(seeds, chosen, strict=True)]
        _check_equally_many([len(one["goal_obs"]) for one in examples_of], settings.examples.last_steps)
        found = [one | more for one, more in zip(found, examples_of, strict=True)]
    return parts.seeds.stack(found)


def _demonstrations(parts: Parts, settings: Settings) -> tuple[str, demonstrations.Demonstrations] | None:
    """Name and arrays of the set that the reward, the algorithm or the examples come from; None where none does."""
    needs, offers = parts.source.requirements, parts.algorithm.requirements
    names = {name for name in (needs.demos, offers.demos) if name is not None}
    steps = settings.examples.last_steps
    if needs.needs_examples and steps is not None:
        told = f"examples.last_steps={steps} takes goals from demonstrations; name some: demos=NAME."
        require(settings.demos is not None, told)
        names.add(settings.demos)
    require(len(names) < 2, "The reward and the algorithm name different demonstrations; name one set with demos=NAME.")
    if not names:
        return None
    (name,) = names
    demos = demonstrations.load_demonstrations(name, parts.env.spec)
    paid = offers.demo_fraction > 0 and "env_reward" in needs.reads
    require(
        not paid or "env_reward" in demos,
        f"{name} lacks env_reward, which this reward reads of the demonstrations in a batch; record it, or choose "
        "algorithm.demo_fraction=0.",
    )
    return name, demos


def _examples(parts: Parts, settings: ExampleSettings, seed: int, demos: demonstrations.Chosen | None) -> Examples:
    """Of one seed; the ends of the episodes that it is given may be where its goals come from."""
    if settings.path is not None:
        needs_action = parts.source.requirements.needs_example_actions
        arrays = examples.load_examples(Path(settings.path), parts.env.spec, needs_action)
    else:
        arrays = examples.collect_examples(parts.env, settings.goals, settings.non_goals, seed)
    episode_of = None
    if demos is not None and settings.last_steps is not None:
        ends = demonstrations.last_states(demos.episodes, settings.last_steps)
        arrays["goal_obs"], arrays["goal_action"], episode_of = ends
    return examples.hold_out(arrays, settings.heldout_share, seed, episode_of)


def _warn_of_one_episode(demos: demonstrations.Chosen | None) -> None:
    """Tell that its steps are learned from and held out."""
    if demos is not None and len(demos.episodes["episode_start"]) == 1:
        warn(
            "examples.last_steps takes all goals from one demonstration, so that those held out are steps of the same "
            "episode as those learned from, and how well they are recognised says little; give more demonstrations."
        )


def _check_equally_many(goals: list[int], last_steps: int | None) -> None:
    """Seeds in one program have arrays of one length."""
    require(
        len(set(goals)) == 1,
        f"examples.last_steps={last_steps} gives the seeds from {min(goals)} to {max(goals)} goals to "
        "learn from, since the episodes drawn for some are shorter; choose num_seeds=1, or fewer last steps.",
    )
