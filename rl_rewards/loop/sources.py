"""Reward sources: from a config, or from the folder of a run with what that run has learned.

A run with a frozen reward keeps its own copy of it in ``RUN_DIR/reward_run``, in the layout of a run's folder, so that
it can be resumed, and its reward loaded, when the folder it came from is gone.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec
from rl_rewards.loop.checkpoint import restore_item, save_reward
from rl_rewards.loop.seeds import Seeds
from rl_rewards.rewards.base import RewardSource
from rl_rewards.rewards.frozen import Frozen

COPY = "reward_run"
SEEDS_FILE = "seeds.json"  # of a copy: the first seed, and how many have a reward of their own
EACH = "each"


class RestoredReward(NamedTuple):
    """A reward as a run left it."""

    source: RewardSource
    state: Any  # the source's state
    spec: EnvSpec  # of the environment it was learned on


def build_source(node: DictConfig, spec: EnvSpec, run_dir: Path | None, seeds: Sequence[int]) -> RewardSource:
    """The reward source of a config node, for environments of ``spec``.

    Args:
        run_dir: the folder of the run that is built, whose copy of a frozen reward goes before the original.
        seeds: of that run; ``seed=each`` of a frozen reward gives every one of them its own.

    Raises:
        ConfigError: when it cannot work.
    """
    if node.get("_target_") != f"{Frozen.__module__}.{Frozen.__qualname__}":
        return instantiate_part(node, spec=spec)
    require(node.run is not None, "reward=frozen needs reward.run=RUN_DIR, the folder of the run whose reward to use.")
    origin = Path(node.run) if run_dir is None or not (run_dir / COPY).is_dir() else run_dir
    wanted = seeds if node.seed == EACH else [node.seed]
    restored = [restore_from_run(origin, seed) for seed in wanted]
    return instantiate_part(
        node,
        spec=spec,
        source=restored[0].source,
        learned=Seeds(len(restored)).stack([one.state for one in restored]),
        learned_spec=restored[0].spec,
        per_seed=len(restored) > 1,
    )


def restore_from_run(run_dir: Path, seed: int | None = None) -> RestoredReward:
    """What the newest checkpoint of ``run_dir`` holds of its reward; nothing in the folder changes.

    Args:
        seed: whose reward, of a run that trained several seeds in one program.

    Raises:
        ConfigError: when there is no such folder, it is not a run's, it has no checkpoint that fits, or it has several
            seeds and none, or another, is named.
    """
    require(run_dir.is_dir(), f"{run_dir} does not exist; name the folder of a run whose reward is to be used.")
    folder = run_dir / COPY if (run_dir / COPY).is_dir() else run_dir
    require((folder / "config.yaml").is_file(), f"{run_dir} is not a run's folder; it has no config.yaml.")
    require((folder / "spec.json").is_file(), f"{run_dir} has no checkpoint; let its run reach the first one.")
    if folder != run_dir:
        return _of_copy(folder, seed)
    config = OmegaConf.load(folder / "config.yaml")
    index = seed_index(run_dir, config, seed)
    spec = EnvSpec.load(folder / "spec.json")
    source = instantiate_part(config.reward, spec=spec)
    seeds = Seeds(config.get("num_seeds", 1))
    template = jax.eval_shape(lambda: seeds.map(source.init, 0)(seeds.keys(0)))
    state = restore_item(folder / "checkpoints", "reward", template)
    return RestoredReward(source, seeds.each(state)[index], spec)


def _of_copy(folder: Path, seed: int | None) -> RestoredReward:
    """A frozen reward that a run has kept; unless every seed had its own, all have the same."""
    spec = EnvSpec.load(folder / "spec.json")
    source = instantiate_part(OmegaConf.load(folder / "config.yaml").reward, spec=spec)
    told = folder / SEEDS_FILE
    first, count = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else (0, 1)
    seeds = Seeds(count)
    template = jax.eval_shape(lambda: seeds.map(source.init, 0)(seeds.keys(0)))
    state = restore_item(folder / "checkpoints", "reward", template)
    index = 0 if count == 1 else seed_index(folder, OmegaConf.create({"seed": first, "num_seeds": count}), seed)
    return RestoredReward(source, seeds.each(state)[index], spec)


def seed_index(run_dir: Path, config: DictConfig, seed: int | None) -> int:
    """Which of the seeds that ``run_dir`` trained ``seed`` is.

    Raises:
        ConfigError: when it is none of them, or there are several and none is named.
    """
    first, count = config.get("seed", 0), config.get("num_seeds", 1)
    require(
        count == 1 or seed is not None,
        f"{run_dir} trained the seeds {first} to {first + count - 1}, each with a state of its own; name one of "
        "them with seed=N (reward.seed=N for reward=frozen).",
    )
    index = 0 if seed is None else seed - first
    require(
        0 <= index < count,
        f"{run_dir} has no seed {seed}; it trained {first}" + (f" to {first + count - 1}." if count > 1 else "."),
    )
    return index


def keep_reward(source: RewardSource, run_dir: Path, seed: int, seeds: Seeds) -> None:
    """Copy a frozen reward to ``run_dir``, unless it is there or ``source`` is of another kind.

    The copy appears by a rename: a run killed meanwhile finds all of it or nothing.
    """
    if not isinstance(source, Frozen) or (run_dir / COPY).is_dir():
        return
    origin = Path(source.run)
    origin = origin / COPY if (origin / COPY).is_dir() else origin
    partial = run_dir / f"{COPY}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copyfile(origin / "config.yaml", partial / "config.yaml")
    source.learned_spec.save(partial / "spec.json")
    (partial / SEEDS_FILE).write_text(json.dumps([seed, seeds.count if source.per_seed else 1]), encoding="utf-8")
    save_reward(partial / "checkpoints", source.learned)
    partial.rename(run_dir / COPY)


def instantiate_part(node: DictConfig, **wired: Any) -> Any:
    """The object that ``node`` describes; its constructor's refusals come out as they were raised."""
    plain = OmegaConf.to_container(node, resolve=True)
    assert isinstance(plain, dict)
    try:
        # Partial first: instantiate would take a spec among its arguments for more configuration.
        return instantiate({**plain, "_partial_": True}, _convert_="all")(**wired)
    except InstantiationException as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, ConfigError):
            cause = cause.__cause__
        raise (cause or error) from None
