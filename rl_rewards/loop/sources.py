"""Makes reward sources from a configuration, or restores them, with what they learned, from a run folder.

A run with a frozen reward keeps a copy of it in ``RUN_DIR/reward_run``, in the layout of a run folder, so that the run
can be resumed, and its reward loaded, when the original folder is gone. The copies of a mixture's frozen parts are in
``RUN_DIR/reward_parts/NAME/reward_run``. The files of a written reward are copied to ``RUN_DIR/written_reward``.
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.files import parse_json, read_text, write_whole
from rl_rewards.core.objectives import without_weights
from rl_rewards.core.types import EnvSpec
from rl_rewards.loop.checkpoint.one_item import restore_item, save_reward
from rl_rewards.loop.instantiate import instantiate_part, place_of
from rl_rewards.loop.own_parts import check_reward
from rl_rewards.loop.run_folder import CONFIG, config_text, parse_config, read_config, reading
from rl_rewards.loop.saved_state import CHECKPOINTS, SavedState, saved_state
from rl_rewards.loop.seeds import Seeds
from rl_rewards.rewards.base import RewardSource, first_state
from rl_rewards.rewards.frozen import Frozen
from rl_rewards.rewards.mixture import Mixture
from rl_rewards.rewards.preferences.preferences import Preferences
from rl_rewards.rewards.written.written import WrittenReward

COPY = "reward_run"
PARTS = "reward_parts"  # for a mixture: a folder with a copy for each frozen part
WRITTEN = "written_reward"  # a folder with the text of each file of a written reward
SEEDS_FILE = "seeds.json"  # in a copy: the first seed, and the number of separate rewards
EACH = "each"


class RestoredReward(NamedTuple):
    """The reward of a run, as its checkpoint has it."""

    source: RewardSource
    state: Any  # the source's state
    spec: EnvSpec  # of the environment that it was learned on


def build_source(
    node: Mapping[str, Any], spec: EnvSpec, run_dir: Path | None, seeds: Sequence[int], trust: Sequence[str] = ()
) -> RewardSource:
    """Return the reward source that the plain values ``node`` describe, for environments of ``spec``.

    Args:
        run_dir: the folder of the run to build; its copy of a frozen reward is preferred to the original.
        seeds: the seeds of that run; a frozen reward with ``seed=each`` gives each of them its own reward.
        trust: other packages whose classes the run of a frozen reward may name.

    Raises:
        ConfigError: when the source cannot be made.
    """
    if _describes(node, Mixture):
        return _build_mixture(node, spec, run_dir, seeds, trust)
    if _describes(node, WrittenReward):
        return instantiate_part("reward", _with_own_files(node, run_dir), spec=spec, num_seeds=len(seeds))
    if not _describes(node, Frozen):
        source = instantiate_part("reward", node, spec=spec)
        check_reward(source, spec, place_of("reward", node))
        return source
    require(
        node["run"] is not None, "reward=frozen needs reward.run=RUN_DIR, the folder of the run whose reward to use."
    )
    origin = node["run"] if run_dir is None or not (run_dir / COPY).is_dir() else run_dir
    wanted = seeds if node["seed"] == EACH else [node["seed"]]
    restored = [restore_from_run(origin, seed, trust) for seed in wanted]
    return instantiate_part(
        "reward",
        node,
        spec=spec,
        source=_paying_by(restored[0].source, node.get("recombine"), node["run"]),
        learned=Seeds(len(restored)).stack([one.state for one in restored]),
        learned_spec=restored[0].spec,
        per_seed=len(restored) > 1,
    )


def _with_own_files(node: Mapping[str, Any], run_dir: Path | None) -> Mapping[str, Any]:
    """Return the ``node`` of a written reward with the run's copies of its files, if there are any."""
    file = node.get("file")
    copies = [] if file is None or run_dir is None else sorted((run_dir / WRITTEN).glob("*.txt"))
    if not copies:
        return node
    return {**node, "file": [*map(str, copies)] if isinstance(file, list) else str(copies[0])}


def _paying_by(source: RewardSource, combine: Any, run: str) -> RewardSource:
    """Return ``source``, paying by ``combine`` over the members of its ensemble; with None as it is."""
    if combine is None:
        return source
    require(
        isinstance(source, Preferences) and source.reward_model.ensemble > 1,
        f"reward.recombine={combine} needs an ensemble that has learned from preferences, which reward.run={run} has "
        "not; choose reward.recombine=null, or train that reward with reward.reward_model.ensemble=3 or more.",
    )
    return replace(source, combine=combine)


def _build_mixture(
    node: Mapping[str, Any], spec: EnvSpec, run_dir: Path | None, seeds: Sequence[int], trust: Sequence[str]
) -> Any:
    """Return a mixture whose parts are built like single rewards, each with its own folder in ``run_dir``."""
    parts = {}
    for name, part in (node.get("parts") or {}).items():
        found = isinstance(part, Mapping) and "_target_" in part
        require(found, f"reward.parts.{name} is not a reward; choose one with +reward@reward.parts.{name}=REWARD.")
        try:
            own = None if run_dir is None else run_dir / PARTS / name
            parts[name] = build_source(part, without_weights(spec), own, seeds, trust)
        except ConfigError as error:  # complete the keys in the part's message
            raise ConfigError(re.sub(r"\breward\.(?=[a-z_])", f"reward.parts.{name}.", str(error))) from None
    weights = node.get("weights")
    if not isinstance(weights, dict):
        raise ConfigError(f"reward.weights={weights} must be a mapping of each part's name to a number.")
    return Mixture(parts=parts, weights=weights, spec=spec)


def _describes(node: Mapping[str, Any], kind: type) -> bool:
    return node.get("_target_") == f"{kind.__module__}.{kind.__qualname__}"


def restore_from_run(run: str | PathLike, seed: int | None = None, trust: Sequence[str] = ()) -> RestoredReward:
    """Return the reward of a run from its newest checkpoint; nothing in the folder changes.

    Args:
        run: RUN_DIR or RUN_DIR@last; RUN_DIR@best for the reward of its best evaluation, RUN_DIR@12 for that after 12
            rounds. A frozen reward has one state.
        seed: the seed of the reward, if the run trained several seeds in one program.
        trust: other packages whose classes its configuration may name; their code is executed.

    Raises:
        ConfigError: when the folder does not exist or is not a run folder, it has no checkpoint that fits, a file is
            damaged, a class is not trusted, or ``seed`` is missing or not one of the run's seeds.
    """
    saved = saved_state(run)
    run_dir = saved.run_dir
    require(run_dir.is_dir(), f"{run_dir} does not exist; name the run folder of the reward.")
    folder = run_dir / COPY if (run_dir / COPY).is_dir() else run_dir
    config = read_config(folder, ["reward"], trust)
    require((folder / "spec.json").is_file(), f"{run_dir} has no checkpoint yet; let its run reach the first one.")
    with reading(folder):
        if folder != run_dir:
            return _of_copy(folder, config, seed, trust)
        index = seed_index(run_dir, config, seed)
        spec = EnvSpec.load(folder / "spec.json")
        seeds = Seeds(config.get("num_seeds", 1))
        first = config.get("seed", 0)
        source = build_source(config["reward"], spec, folder, range(first, first + seeds.count), trust)
        template = _first_states(source, seeds)
        state = restore_item(saved, "reward", template)
        return RestoredReward(source, seeds.each(state)[index], spec)


def _of_copy(folder: Path, config: Mapping[str, Any], seed: int | None, trust: Sequence[str]) -> RestoredReward:
    """Return the frozen reward in a run's copy, which has one state for all seeds or one per seed."""
    spec = EnvSpec.load(folder / "spec.json")
    path = folder / SEEDS_FILE
    first, count = parse_json(read_text(path), str(path)) if path.is_file() else (0, 1)
    source = build_source(config["reward"], spec, folder, range(count), trust)
    seeds = Seeds(count)
    template = _first_states(source, seeds)
    state = restore_item(SavedState(folder, "last"), "reward", template)
    index = 0 if count == 1 else seed_index(folder, {"seed": first, "num_seeds": count}, seed)
    return RestoredReward(source, seeds.each(state)[index], spec)


def _first_states(source: RewardSource, seeds: Seeds) -> Any:
    """Return the shapes of all seeds' states."""
    prepared = source.prepared
    begin = seeds.map(partial(first_state, source), (0, None if prepared is None else 0))
    return jax.eval_shape(begin, seeds.keys(0), prepared)


def seed_index(run_dir: Path, config: Mapping[str, Any], seed: int | None) -> int:
    """Return the index of ``seed`` among the seeds that the run in ``run_dir`` trained.

    Raises:
        ConfigError: when it is not one of them, or there are several and ``seed`` is None.
    """
    first, count = config.get("seed", 0), config.get("num_seeds", 1)
    whole = all(isinstance(number, int) for number in (first, count)) and count >= 1
    require(whole, f"{run_dir}: seed={first} and num_seeds={count} in its configuration must be whole numbers.")
    require(
        count == 1 or seed is not None,
        f"{run_dir} trained the seeds {first} to {first + count - 1}, each with its own state; name one of "
        "them with seed=N (reward.seed=N for reward=frozen).",
    )
    index = 0 if seed is None else seed - first
    require(
        0 <= index < count,
        f"{run_dir} has no seed {seed}; it trained {first}" + (f" to {first + count - 1}." if count > 1 else "."),
    )
    return index


def keep_reward(source: RewardSource, run_dir: Path, seed: int, seeds: Seeds) -> None:
    """Copy a frozen reward, a written one's files, or those in a mixture, to ``run_dir``, if there is no copy yet.

    Other sources are ignored. The copy appears by a rename, so that a run that is killed meanwhile leaves a complete
    copy or none.
    """
    if isinstance(source, Mixture):
        for name, part in source.parts.items():
            keep_reward(part, run_dir / PARTS / name, seed, seeds)
        return
    if isinstance(source, WrittenReward) and source.file is not None and not (run_dir / WRITTEN).is_dir():
        partial = _empty_folder(run_dir / f"{WRITTEN}.partial")
        for place, program in enumerate(source.given):
            write_whole(partial / f"{place:04}.txt", program.text)
        partial.rename(run_dir / WRITTEN)
    if not isinstance(source, Frozen) or (run_dir / COPY).is_dir():
        return
    origin = saved_state(source.run).run_dir
    origin = origin / COPY if (origin / COPY).is_dir() else origin
    partial = _empty_folder(run_dir / f"{COPY}.partial")
    write_whole(partial / CONFIG, _config_of_copy(origin / CONFIG, source.recombine), private=True)
    for folder in (PARTS, WRITTEN):  # the parts of a mixture, and the files of a written reward
        if (origin / folder).is_dir():
            shutil.copytree(origin / folder, partial / folder)
    source.learned_spec.save(partial / "spec.json")
    write_whole(partial / SEEDS_FILE, json.dumps([seed, seeds.count if source.per_seed else 1]))
    save_reward(partial / CHECKPOINTS, source.learned)
    partial.rename(run_dir / COPY)


def _empty_folder(path: Path) -> Path:
    """Return ``path`` as an empty folder."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


def _config_of_copy(path: Path, combine: str | None) -> str:
    """Return the configuration in ``path`` as the copy has it: with what the new run changes about the reward."""
    text = read_text(path)
    if combine is None:
        return text
    config = parse_config(text, str(path))
    config["reward"]["combine"] = combine
    return config_text(config)
