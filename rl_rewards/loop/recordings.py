"""Writes the steps that a run collected, and episodes of its final policy, to its folder, as data for later runs.

``rl_rewards.data.demonstrations.of_runs`` has the names of the files and reads them.
"""

import zlib
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.data.demonstrations.load import all_episodes, first_episodes, save_demonstrations
from rl_rewards.data.demonstrations.of_runs import EPISODES, REPLAY, recording_file
from rl_rewards.envs.base import Environment
from rl_rewards.loop.behaviours import Recorder, corrected, of_policy
from rl_rewards.loop.checkpoint.one_item import stored_config
from rl_rewards.loop.run_folder import parse_config
from rl_rewards.loop.settings import Settings
from rl_rewards.loop.state import Parts, TrainState


def check_recordings(parts: Parts, settings: Settings) -> None:
    """Check that the run has the steps that it is asked to record.

    Raises:
        ConfigError: if it collects none, or plays games, or if no expert can correct its policy.
    """
    require(
        not (settings.keep_replay and parts.offline),
        "keep_replay=true writes the steps that a run collects, but this algorithm learns from recorded data and "
        "collects none; choose record_episodes=N to record its final policy.",
    )
    is_game = parts.episodes.begin_with_rollout and parts.env.spec.text is None  # each text is a whole episode
    require(
        not ((settings.keep_replay or settings.record_episodes) and is_game),
        "keep_replay and record_episodes record one policy in its own environment, but this reward turns the "
        "environment into a game; leave them out.",
    )
    after, spec = settings.record_corrections_after, parts.env.spec
    if after is None:
        return
    require(
        type(parts.env).expert is not Environment.expert,
        f"record_corrections_after={after} lets a scripted expert correct the policy, but {spec.name} has none; add a "
        "method expert to its class, or leave the key out.",
    )
    require(
        after < spec.max_episode_steps,
        f"record_corrections_after={after} corrects nothing, because episodes of {spec.name} have at most "
        f"{spec.max_episode_steps} steps; choose fewer.",
    )


def check_length(settings: Settings, run_dir: Path) -> None:
    """Check that a run which keeps its steps goes on with the number of env steps that it was started with.

    Raises:
        ConfigError: if its newest checkpoint has room for another number of steps.
    """
    stored = stored_config(run_dir)
    was = None if stored is None else parse_config(stored, f"The configuration in {run_dir}").get("total_env_steps")
    require(
        was in (None, settings.total_env_steps),
        f"total_env_steps={settings.total_env_steps} is not the length with which the run in {run_dir} was started, "
        f"and with keep_replay=true it has room for those {was} steps only; resume it with total_env_steps={was}, or "
        "start a run of another length in a new folder.",
    )


def write_recordings(parts: Parts, settings: Settings, state: TrainState, run_dir: Path) -> None:
    """Write the recordings that ``settings`` ask for, a file for each seed, from the final ``state``."""
    spec, several = parts.env.spec, settings.num_seeds > 1
    if state.recording is not None:
        for seed, ring in zip(settings.seeds, parts.seeds.each(state.recording), strict=True):
            path = recording_file(run_dir, REPLAY, seed if several else None)
            save_demonstrations(path, spec, all_episodes(ring.stored(), spec))
    if settings.record_episodes:
        # Runs on other data record other episodes, so that the stages of a pipeline do not repeat each other.
        stage = zlib.crc32(" ".join(parts.algorithm.requirements.data).encode())
        behaviour = of_policy(parts.algorithm, spec, explore=True)
        if settings.record_corrections_after is not None:
            behaviour = corrected(behaviour, parts.env, settings.record_corrections_after)
        recorder = Recorder(parts.env, behaviour, settings.record_episodes)
        for seed, agent in zip(settings.seeds, parts.seeds.each(state.agent), strict=True):
            path = recording_file(run_dir, EPISODES, seed if several else None)
            taken = recorder(agent, recording_seed(seed, stage))
            taken = taken.replace(info=taken.info | taken.behaviour)  # which steps were corrected, or revised
            save_demonstrations(path, spec, first_episodes(taken, spec))


def recording_seed(seed: int, part: int = 0) -> int:
    """Return the seed of a recording's own random stream, which a run with ``seed`` uses for nothing else.

    Args:
        part: a number of the recording; recordings with other numbers have other random streams.
    """
    return int(np.random.default_rng([seed, part, 0x4EC0]).integers(2**31 - 1))
