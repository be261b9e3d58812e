"""Makes the data sets of offline experiments, by the recipes in ``configs/dataset/``.

A recipe names an environment and where behaviour of growing quality comes from: policies that are trained for two
budgets, the environment's scripted expert, or texts that it writes (``texts.py``), which have their own qualities.

- ``random``: uniformly random actions;
- ``medium``: the policy of the shorter training, sampled; or the scripted expert with random actions among its own;
- ``medium_replay``: every step of the shorter training;
- ``expert``: the policy of the longer training, sampled; or the scripted expert;
- ``mixed``: parts of random, medium and expert behaviour, one after another.

These are the kinds of data sets of D4RL (Fu et al. 2020, arXiv:2004.07219).

Several environments are recorded side by side for equally many steps, so that the last episode of each is usually
unfinished. It is kept, because short episodes would otherwise be too frequent: its last step is ``truncated`` (in
``medium_replay`` too), its return is that of its recorded steps, and the statistics in the side file leave it out.
Each part of ``mixed`` has such episodes of its own.
"""

import json
import shlex
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rl_rewards.command_line.compose import composed
from rl_rewards.command_line.recipes import PURE, QUALITIES, Recipe, read_recipe
from rl_rewards.command_line.texts import reference_of_texts, written_texts
from rl_rewards.command_line.trained_run import folder_name, trained_run
from rl_rewards.core.checks import require
from rl_rewards.core.files import read_json, write_whole
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.data.demonstrations.fit import Demonstrations, last_rows, steps_of
from rl_rewards.data.demonstrations.join import join
from rl_rewards.data.demonstrations.load import all_episodes, first_episodes, read_demonstrations, save_demonstrations
from rl_rewards.data.demonstrations.of_runs import RUN
from rl_rewards.data.reference_returns import ReferenceReturns, normalized_score
from rl_rewards.envs.base import Environment
from rl_rewards.loop.behaviours import Behaviour, Recorder, of_policy, scripted, uniform
from rl_rewards.loop.build import build_env
from rl_rewards.loop.policies import restore_policy
from rl_rewards.loop.provenance import code, digests
from rl_rewards.loop.recordings import recording_seed

FOLDER = Path("outputs") / "datasets"
COPIES = 50
"""Environments that are recorded together, if each of them then has at least the steps of a whole episode."""
REFERENCE_EPISODES = 100
"""Episodes of random actions, and of the expert, whose mean returns are the references of scores."""


def make_dataset(
    name: str, steps: int | None = None, seed: int = 0, folder: Path = FOLDER, overrides: Sequence[str] = ()
) -> Path:
    """Make the data set ``name``, ENV/QUALITY, and return its file; a side file ``.json`` says what it contains.

    Args:
        steps: env steps, rounded up to a multiple of the environments that are recorded together; None: the recipe's.
        seed: of the recording. The run whose policy is recorded has the seed of its experiment plus this one, so that
            another seed gives another demonstrator.
        folder: the folder of all data sets, and of the runs that they need.
        overrides: further ones of the environment and of the runs.

    Raises:
        ConfigError: when there is no such recipe or quality.
    """
    env_name, _, quality = name.partition("/")
    recipe = read_recipe(env_name)
    known = f"{', '.join(recipe.qualities[:-1])} and {recipe.qualities[-1]}"
    told = f"{name}: '{quality}' is not a quality; make {env_name}/QUALITY, one of {known}."
    require(quality in recipe.qualities, told)
    require(steps is None or steps > 0, f"--steps {steps} must be at least 1.")
    require(seed >= 0, f"--seed {seed} must be at least 0.")
    options = [] if steps is None else ["--steps", str(steps)]
    options += ["--seed", str(seed), "--folder", str(folder)]
    command = f"python -m rl_rewards.data make {shlex.join([name, *overrides, *options])}"
    return DatasetMaker(recipe, seed, folder, overrides).make(quality, steps, command)


class DatasetMaker:
    """Makes the data sets of one recipe for one seed; see :func:`make_dataset`."""

    def __init__(self, recipe: Recipe, seed: int, folder: Path, overrides: Sequence[str] = ()) -> None:
        self.recipe, self.seed = recipe, seed
        self._overrides = [*recipe.overrides, *overrides]
        self._names = [recipe.name, *overrides]
        self._folder, self._runs = folder / folder_name(self._names), folder / "runs"
        config = composed(self._overrides)
        self.training_seed = config["seed"] + seed
        self.env = build_env(config)
        self._used: dict[str, Path] = {}  # the runs whose policies or steps are recorded

    def make(self, quality: str, steps: int | None, command: str) -> Path:
        """Write the file of a data set and its side file; ``command`` is recorded there."""
        path = self._folder / f"{quality}_{self.seed}.npz"
        arrays = self._arrays(quality, steps)
        save_demonstrations(path, self.env.spec, arrays)
        reference = self.reference_returns
        about: dict[str, Any] = {
            "env": self.env.spec.name,
            "quality": quality,
            "command": command,
            **code(),
            "seed": self.seed,
            "runs": {part: _about_run(run, self.training_seed) for part, run in self._used.items()},
            "steps": len(arrays["obs"]),
            "episodes": len(arrays["episode_start"]),
            "returns": _statistics(whole_returns(arrays, self.env.spec)),
            "reference_returns": reference._asdict(),
            "reference_episodes": REFERENCE_EPISODES,
            "sha256": digests([str(path)])[str(path)],
        }
        if about["returns"]["mean"] is not None and reference.random != reference.expert:
            about["normalized_score"] = normalized_score(about["returns"]["mean"], *reference)
        write_whole(path.with_suffix(".json"), json.dumps(about, indent=2) + "\n")
        return path

    def _arrays(self, quality: str, steps: int | None) -> Demonstrations:
        """Return the steps of a data set."""
        if self.recipe.texts is not None:
            number = self.recipe.texts.index(quality)
            return written_texts(self.env, quality, self.recipe.steps if steps is None else steps, self.seed, number)
        if quality == "medium_replay":
            require(
                self.recipe.trained is not None,
                f"The behaviour in {self.recipe.name} is scripted, and no run has a replay; make random, medium, "
                "expert or mixed.",
            )
            require(steps is None, f"--steps {steps} cannot be chosen: medium_replay is all that its run collected.")
            return {key: x for key, x in read_demonstrations(f"{RUN}{self._run('medium')}").items() if key != "env"}
        steps = self.recipe.steps if steps is None else steps
        if quality != "mixed":
            return self._recorded(quality, steps, QUALITIES.index(quality))
        assert self.recipe.mixed is not None
        shares = {part: round(share * steps) for part, share in self.recipe.mixed.items()}
        numbers = {part: len(QUALITIES) + PURE.index(part) for part in shares}
        return join([(part, self._recorded(part, n, numbers[part])) for part, n in shares.items() if n])

    def _recorded(self, part: str, steps: int, number: int) -> Demonstrations:
        """Return about ``steps`` steps of a behaviour, at least as many; ``number`` chooses the random stream."""
        env = self.env
        if part == "random" and self.recipe.random_overrides:
            env = build_env(composed([*self._overrides, *self.recipe.random_overrides]))
        behaviour, agent = self._behaviour(part, env)
        copies = min(COPIES, max(1, steps // env.spec.max_episode_steps))
        recorder = Recorder(env, behaviour, copies, -(-steps // copies))
        return all_episodes(_streams(recorder(agent, recording_seed(self.seed, number))), env.spec)

    @cached_property
    def reference_returns(self) -> ReferenceReturns:
        """The mean returns of random actions and of the expert, or of the best texts."""
        if (qualities := self.recipe.texts) is not None:
            return reference_of_texts(self.env, qualities[-1], REFERENCE_EPISODES, self.seed, len(qualities))
        return ReferenceReturns(self._mean_return("random"), self._mean_return("expert"))

    def _mean_return(self, part: str) -> float:
        """Return the mean return of whole episodes of a behaviour."""
        behaviour, agent = self._behaviour(part, self.env)
        number = len(QUALITIES) + len(PURE) + PURE.index(part)
        recording = Recorder(self.env, behaviour, REFERENCE_EPISODES)(agent, recording_seed(self.seed, number))
        return float(first_episodes(recording, self.env.spec)["episode_return"].mean())

    def _behaviour(self, part: str, env: Environment) -> tuple[Behaviour, Any]:
        """Return a behaviour in ``env``, and its agent."""
        if part == "random":
            return uniform(env.spec), None
        if (script := self.recipe.scripted) is not None:
            return scripted(env, script.speed, script.noise if part == "medium" else 0.0), None
        policy = restore_policy(self._run(part))
        return of_policy(policy.algorithm, policy.spec, explore=True), policy.state

    def _run(self, part: str) -> Path:
        """Return the folder of the finished run whose policy is ``part``."""
        assert self.recipe.trained is not None
        budget = self.recipe.trained.medium if part == "medium" else self.recipe.trained.expert
        changes = [f"total_env_steps={budget}", f"seed={self.training_seed}"]
        changes += ["keep_replay=true"] if part == "medium" else []
        run_dir = self._runs / folder_name([*self._names, part, str(budget), f"seed{self.training_seed}"])
        self._used[part] = trained_run(run_dir, [*self._overrides, *changes])
        return run_dir


def whole_returns(arrays: Demonstrations, spec: EnvSpec) -> np.ndarray:
    """Return the returns of the episodes that ended by themselves, not because the recording did."""
    last = last_rows(arrays)
    whole = arrays["terminated"][last] | (steps_of(arrays)[last] + 1 >= spec.max_episode_steps)
    return arrays["episode_return"][whole]


def _streams(recording: Transition) -> Transition:
    """Return a recording [T, B, ...] as streams [B, T, ...]."""
    return jax.tree.map(lambda x: np.swapaxes(x, 0, 1), recording)


def _statistics(returns: np.ndarray) -> dict[str, Any]:
    if not len(returns):
        return {"whole_episodes": 0, "mean": None}
    found = {"mean": returns.mean(), "sd": returns.std(), "min": returns.min(), "max": returns.max()}
    return {"whole_episodes": len(returns), **{key: float(value) for key, value in found.items()}}


def _about_run(run_dir: Path, seed: int) -> dict[str, Any]:
    record = read_json(run_dir / "run.json")
    return {"folder": str(run_dir), "seed": seed, "command": record.get("command"), "git_sha": record.get("git_sha")}
