"""From a composed config to live objects, and the refusal of what cannot work. No config object goes beyond here."""

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from rl_rewards.core.checks import require
from rl_rewards.core.errors import warn
from rl_rewards.core.requirements import Requirements, info_keys
from rl_rewards.core.types import Examples
from rl_rewards.data import examples
from rl_rewards.data.demonstrations import load as demonstrations
from rl_rewards.envs.base import Environment, HasEngines, HasNotes
from rl_rewards.games.env import TwoPlayer
from rl_rewards.games.players import as_game, build_algorithm
from rl_rewards.games.reward import SelfPlay
from rl_rewards.labelers.base import Labeling
from rl_rewards.loop.best import best_choice
from rl_rewards.loop.memory import check_memory
from rl_rewards.loop.own_parts import check_env, check_labeling
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.sources import build_source, instantiate_part, place_of
from rl_rewards.loop.train import Parts
from rl_rewards.loop.trust import trusted_packages
from rl_rewards.rewards.base import asks


def build(cfg: DictConfig, run_dir: Path | None = None) -> Parts:
    """Environment, reward source and algorithm of ``cfg``.

    Args:
        run_dir: the run's folder, where a resumed run finds its copy of a frozen reward.

    Raises:
        ConfigError: for a value or a combination that cannot work.
    """
    env = build_env(cfg)
    for key in ("num_seeds", "total_env_steps"):
        _check_whole(cfg, key)
    seeds = range(cfg.seed, cfg.seed + cfg.num_seeds)
    source = build_source(cfg.reward, env.spec, run_dir, seeds, trusted_packages(cfg.get("trust")))
    if isinstance(source, SelfPlay):
        env = as_game(env, source.rules)
    algorithm = build_algorithm(cfg.algorithm, env.spec, source, cfg.total_env_steps)
    labeling = build_labeling(cfg.labeler) if asks(source) else None
    parts = Parts(env, source, algorithm, Seeds(cfg.num_seeds), labeling)
    check(parts, cfg)
    return parts


def build_env(cfg: DictConfig) -> Environment:
    """The environment of ``cfg``, in the engine that it asks for."""
    env = instantiate_part(cfg.env)
    check_env(env, place_of(cfg.env))
    return env.in_engine() if isinstance(env, HasEngines) else env


def build_labeling(node: DictConfig) -> Labeling:
    """Who answers, as a config node describes it."""
    labeling = instantiate_part(node)
    check_labeling(labeling, place_of(node))
    return labeling


def check(parts: Parts, cfg: DictConfig) -> None:
    """Refuse what no single part can know to be impossible."""
    source, algorithm = parts.source, parts.algorithm
    needs, offers = source.requirements, algorithm.requirements
    if parts.offline:
        require(
            not needs.needs_rollouts,
            "This reward learns from what the policy does, and this algorithm does nothing in the environment while it "
            "learns; choose reward=environment, which only shows how well it does.",
        )
    else:
        require(
            cfg.total_env_steps >= parts.steps_per_round,
            f"total_env_steps={cfg.total_env_steps} is less than one round of {algorithm.num_envs} environments times "
            f"{algorithm.rollout_length} steps = {parts.steps_per_round}.",
        )
    require(
        needs.scope == "transition" or algorithm.data != "replay",
        "This reward judges whole trajectories, which an algorithm that learns from replayed transitions cannot use; "
        "choose algorithm=ppo.",
    )
    require(
        offers.discount is None or offers.discount < 1.0 or not needs.pays_after_the_end,
        "algorithm.discount=1 makes what this reward pays after an episode's end infinite; choose a smaller discount, "
        "or reward.early_end=allow.",
    )
    _check_game(parts)
    _check_demos(needs, offers)
    _check_labeling(parts)
    for key in ("evaluation.every", "evaluation.episodes", "checkpoint.every", "checkpoint.keep"):
        _check_whole(cfg, key)
    copies = max(0 if parts.offline else algorithm.num_envs, cfg.evaluation.episodes) * parts.seeds.count
    most = getattr(parts.env, "most_copies", None) or copies
    require(
        copies <= most,
        f"This environment can step at most {most} copies together on this device, but the larger of "
        f"algorithm.num_envs and evaluation.episodes, times num_seeds, is {copies}.",
    )
    best_choice(cfg.checkpoint.get("best", "auto"), parts.env, source)
    check_memory(parts)


def _check_demos(needs: Requirements, offers: Requirements) -> None:
    """Demonstrations in an algorithm's batches, and the reward that judges them there."""
    share, read = offers.demo_fraction, needs.info_keys
    require(
        share > 0 or not needs.needs_demos_in_batches,
        "This reward pays demonstrated steps, and the algorithm's batches hold none; choose algorithm=sac "
        "algorithm.demo_fraction=0.5.",
    )
    require(
        share == 0 or not read,
        f"algorithm.demo_fraction={share} puts demonstrations into batches, and this reward reads {', '.join(read)} "
        "from info, which they do not have.",
    )


def _check_game(parts: Parts) -> None:
    """A rollout must hold what begins in it."""
    if not isinstance(parts.env, TwoPlayer):
        return
    rules, length = parts.env.rules, parts.algorithm.rollout_length
    require(
        rules.target_fraction == 1.0 or length > rules.horizon,
        f"algorithm.rollout_length={length} holds no whole game of reward.horizon={rules.horizon} moves and one step "
        f"more; make it at least {rules.horizon + 1}, or the horizon shorter.",
    )
    task = parts.env.inner.spec.max_episode_steps
    require(
        rules.target_fraction == 0.0 or length >= task,
        f"algorithm.rollout_length={length} holds no whole episode of the task, which lasts up to {task} steps; "
        "make it as long, or choose reward.target_fraction=0.",
    )


def _check_labeling(parts: Parts) -> None:
    """Whoever answers needs what the environment records, and people have time for one seed."""
    labeling, spec = parts.labeling, parts.env.spec
    if labeling is None:
        return
    for name in info_keys(labeling.reads):
        told = "records no scenes to draw clips from" if name == "scene" else f"has no info {name}"
        require(name in spec.info, f"{spec.name} {told}, which this labeler needs; choose labeler=oracle.")
    require(
        parts.seeds.count == 1 or not labeling.by_people,
        f"num_seeds={parts.seeds.count}: people can answer for one seed at a time; choose num_seeds=1.",
    )


def warnings(parts: Parts) -> list[str]:
    """Sentences about settings that can work but have been seen to fail."""
    found = []
    if parts.env.spec.ends_early and parts.source.requirements.pays_to_linger:
        found.append(
            f"Episodes of {parts.env.spec.name} can end early while this reward is positive at every step: hovering "
            "beside the goal pays more than finishing. reward.reward_map=log_prob, or an environment of fixed length, "
            "takes that away."
        )
    if not parts.offline and not parts.env.spec.restores:
        found.append(
            f"{parts.env.spec.name} cannot save its state: a run that is resumed starts fresh episodes there, so that "
            "it is not bit-identical to one that never stopped."
        )
    return [*found, *parts.source.requirements.warnings]


def notes(parts: Parts, cfg: DictConfig) -> list[str]:
    """Sentences about what was found out by trying the environment, and about a budget that is rounded down."""
    found = list(parts.env.notes) if isinstance(parts.env, HasNotes) else []
    if parts.offline or cfg.total_env_steps % parts.steps_per_round == 0:
        return found
    rounds = rounds_of(parts, cfg)
    return [
        *found,
        f"total_env_steps={cfg.total_env_steps:,} is rounded down to whole rounds of {parts.steps_per_round:,}: "
        f"{rounds:,} of them, {rounds * parts.steps_per_round:,} env steps.",
    ]


def _check_whole(cfg: DictConfig, key: str) -> None:
    value = OmegaConf.select(cfg, key)
    require(isinstance(value, int) and value > 0, f"{key}={value} must be a whole number of at least 1.")


def build_data(parts: Parts, cfg: DictConfig) -> Examples:
    """The examples and demonstrations of ``cfg``, those of them that its reward or its algorithm needs.

    With several seeds every array has a leading seed axis: each seed records, holds out, or chooses its own.

    Raises:
        ConfigError: for a file that is wrong, or demonstrations that are needed and not named.
    """
    seeds = range(cfg.seed, cfg.seed + parts.seeds.count)
    found: list[Examples] = [{} for _ in seeds]
    chosen: Sequence[demonstrations.Chosen | None] = [None for _ in seeds]
    named = _demonstrations(parts, cfg)
    if named is not None:
        name, recorded = named
        given = [demonstrations.choose(name, recorded, **cfg.demonstrations, seed=seed) for seed in seeds]
        found, chosen = demonstrations.as_data([one.steps for one in given]), given
    if parts.source.requirements.needs_examples:
        if cfg.examples.last_steps is not None:
            _warn_of_one_episode(chosen[0])
        examples_of = [_examples(parts, cfg.examples, *each) for each in zip(seeds, chosen, strict=True)]
        _check_equally_many([len(one["goal_obs"]) for one in examples_of], cfg.examples)
        found = [one | more for one, more in zip(found, examples_of, strict=True)]
    return parts.seeds.stack(found)


def _demonstrations(parts: Parts, cfg: DictConfig) -> tuple[str, demonstrations.Demonstrations] | None:
    """Name and arrays of the set that the reward, the algorithm or the examples come from; None where none does."""
    needs, offers = parts.source.requirements, parts.algorithm.requirements
    names = {name for name in (needs.demos, offers.demos) if name is not None}
    if needs.needs_examples and cfg.examples.last_steps is not None:
        steps = cfg.examples.last_steps
        told = f"examples.last_steps={steps} takes goals from demonstrations; name some: demos=NAME."
        require(cfg.demos is not None, told)
        require(steps >= 1, f"examples.last_steps={steps} must be at least 1.")
        names.add(cfg.demos)
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


def _examples(parts: Parts, settings: DictConfig, seed: int, demos: demonstrations.Chosen | None) -> Examples:
    """Of one seed; the ends of the episodes that it is given may be where its goals come from."""
    for key in ("goals", "non_goals"):
        require(settings[key] > 0, f"examples.{key}={settings[key]} must be at least 1.")
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


def _check_equally_many(goals: list[int], settings: DictConfig) -> None:
    """Seeds in one program have arrays of one length."""
    require(
        len(set(goals)) == 1,
        f"examples.last_steps={settings.last_steps} gives the seeds from {min(goals)} to {max(goals)} goals to "
        "learn from, since the episodes drawn for some are shorter; choose num_seeds=1, or fewer last steps.",
    )


def rounds_of(parts: Parts, cfg: DictConfig) -> int:
    """How many rounds make ``total_env_steps``, rounded down; offline, how many the algorithm wants."""
    return parts.algorithm.rounds if parts.offline else cfg.total_env_steps // parts.steps_per_round
