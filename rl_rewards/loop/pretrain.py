"""Starts a run with the networks and observation statistics of another run, and with a fresh optimiser.

Instead of another run, a file of pretrained weights can be named, for a policy that is a language model. Either is read
only when a run starts, because a resumed run has everything in its own checkpoints.
"""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.envs.text.subwords import tokenizer_digest
from rl_rewards.loop.policies import RestoredPolicy, restore_policy
from rl_rewards.loop.run_folder import read_config
from rl_rewards.loop.saved_state import saved_state
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.settings import Settings
from rl_rewards.loop.state import Parts, TrainState
from rl_rewards.models.transformer import pretrained


def load_pretrained(settings: Settings, parts: Parts) -> list[RestoredPolicy] | None:
    """Return the policy that each seed begins with; None if ``pretrain.run`` is null.

    Raises:
        ConfigError: when the run does not exist, its classes are not trusted, or its policy does not fit this run; or
            when a file of weights cannot be read, has another tokenizer, or other sizes.
    """
    run, part, whose = settings.pretrain.run, settings.pretrain.part, settings.pretrain.seed
    if run is None:
        return None
    if pretrained.is_pretrained(run):
        told = f"pretrain={run} is a file of weights, without players and seeds; leave pretrain.part and .seed out."
        require(part is None and whose is None, told)
        return [_of_file(run, parts)] * parts.seeds.count
    policies = [restore_policy(run, _whose(run, whose, seed), settings.trust) for seed in settings.seeds]
    _check(policies[0], parts, run, part)
    return policies


def adopt(part: str | None, parts: Parts, state: TrainState, policies: list[RestoredPolicy]) -> TrainState:
    """Return the fresh ``state`` with the networks and statistics of ``policies``, one per seed.

    Args:
        part: the learner whose policy is adopted, if there are several; None adopts all.
    """
    learned = parts.seeds.stack([policy.state for policy in policies])

    begin = partial(_adopt, parts.algorithm, part)
    agent = jax.jit(parts.seeds.map(begin, (0, 0)))(state.agent, learned)
    reward = state.reward
    if part is None and parts.algorithm.trunk(agent) is not None:
        trunk = parts.seeds.map(parts.algorithm.trunk, 0)(agent)
        reward = jax.jit(parts.seeds.map(parts.source.begin_with, (0, 0)))(reward, trunk)
    copied = jax.tree.map(lambda x: x.copy(), (agent, reward))  # copies: a round donates its buffers
    return state.replace(agent=copied[0], reward=copied[1])


def _of_file(run: str, parts: Parts) -> RestoredPolicy:
    """Return a policy with the weights of a file, after checks that the algorithm and the tokenizer fit them."""
    spec, algorithm = parts.env.spec, parts.algorithm
    fresh = jax.eval_shape(lambda: algorithm.init(Seeds().keys(0)))
    algorithm.state_with({})  # a policy of another kind refuses, before the file is read
    assert spec.text is not None, "a language model was made for it"
    found = tokenizer_digest(Path(run), spec.text.pad, spec.text.end)
    require(
        found in (None, spec.text.tokenizer),
        f"pretrain={run} was trained on another tokenizer than that of this run's {spec.name}; choose "
        f"env=text_prompts env.tokenizer={run}.",
    )
    _, weights = pretrained.load_pretrained(run, spec.text.pad)
    state = algorithm.state_with(weights)
    mine, its = (_shapes_of(algorithm, None, fresh, one) for one in (fresh, state))
    require(
        mine == its,
        f"pretrain={run} has other sizes than algorithm.model; they must be those of the file, as a run from the "
        "command line has them.",
    )
    return RestoredPolicy(algorithm, state, spec, {})


def _whose(run: str, named: int | None, seed: int) -> int | None:
    """Return the seed whose policy is taken from ``run``: the named one, or else the same seed."""
    run_dir = saved_state(run).run_dir
    if named is not None or not (run_dir / "config.yaml").is_file():  # restore_policy raises the error
        return named
    return None if read_config(run_dir, (), ()).get("num_seeds", 1) == 1 else seed


def _check(policy: RestoredPolicy, parts: Parts, run: str, part: str | None) -> None:
    """Refuse a policy that does not fit this run, before anything is compiled."""
    ours, theirs = (tuple(algorithm.learners) for algorithm in (parts.algorithm, policy.algorithm))
    text, learned = parts.env.spec.text, policy.spec.text
    of_texts = text is not None and learned is not None  # a language model fits texts of any length in its tokens
    require(
        of_texts or policy.spec.name == parts.env.spec.name,
        f"pretrain={run} learned on {policy.spec.name}, but this run's environment is {parts.env.spec.name}; name "
        "a run on the same environment.",
    )
    require(
        ours == theirs,
        f"pretrain={run} has {_listed(theirs)}, but this run has {_listed(ours)}; choose that run's reward here too, "
        "and name the learner with pretrain.part (for Bob alone: reward=self_play reward.target_fraction=1 "
        "pretrain.part=bob).",
    )
    require(
        part is None or part in ours,
        f"pretrain.part={part} is not a learner of this run, which has {_listed(ours)}; choose one, or null.",
    )
    for kind, name in (("observations", "obs"), ("actions", "action")):
        here, there = getattr(parts.env.spec, name), getattr(policy.spec, name)
        require(of_texts or here == there, f"pretrain={run} learned with {kind} {there}; they must be {here}.")
    require(
        text is None or learned is None or text.same_tokens(learned),
        f"pretrain={run} learned with other tokens: {learned}; they must be those of {text}.",
    )
    for name in ours or (None,):
        own, other = (one if name is None else one.learners[name] for one in (parts.algorithm, policy.algorithm))
        require(
            own.can_adopt(other),
            f"pretrain={run} learned with {type(other).__name__}, but this run uses {type(own).__name__}; choose "
            "the same algorithm.",
        )
    one = Seeds()
    fresh = jax.eval_shape(lambda: parts.algorithm.init(one.keys(0)))
    mine, its = (_shapes_of(parts.algorithm, part, fresh, state) for state in (fresh, policy.state))
    require(
        mine == its,
        f"pretrain={run} has networks of other shapes; choose the same algorithm.model.hidden and related keys (see "
        "its config.yaml).",
    )


def _listed(learners: tuple[str, ...]) -> str:
    return f"the learners {' and '.join(learners)}" if learners else "one learner"


def _adopt(algorithm: Any, part: str | None, fresh: Any, learned: Any) -> Any:
    """Return ``fresh`` with the networks of ``learned``, or only those of one learner."""
    return algorithm.adopt(fresh, learned) if part is None else algorithm.adopt(fresh, learned, part)


def _shapes_of(algorithm: Any, part: str | None, fresh: Any, learned: Any) -> list[tuple]:
    """Return the names and shapes of a state after adopting ``learned``."""
    shapes = jax.tree.map(lambda x: jax.ShapeDtypeStruct(np.shape(x), x.dtype), learned)
    state = _adopt(algorithm, part, fresh, shapes)
    return [(jax.tree_util.keystr(path), leaf.shape) for path, leaf in jax.tree_util.tree_leaves_with_path(state)]
