"""Interventions on texts: pairs of responses to the same prompt that differ in one property."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from rl_rewards.auditing.effects import Intervention
from rl_rewards.core.types import Transition
from rl_rewards.envs.text.base import TextEnv
from rl_rewards.labelers.nuisance import measure, nuisances_of


@dataclass(frozen=True)
class EditedTexts:
    """Prompts [N, P + L] with responses [N, L], which are edited; all that compiles does so once for this N."""

    env: TextEnv
    obs: np.ndarray
    action: np.ndarray
    word: str | None  # a word whose effect is looked for

    @cached_property
    def _judge(self) -> Callable[[Any, Any], Any]:
        return jax.jit(lambda obs, action: self.env.judge(obs, action).reward)

    def segments(self, action: np.ndarray) -> Transition:
        """Return the prompts with other responses [N, L] as segments, leaves [N, 1, ...], with their true reward."""
        action = np.asarray(self.env.cleaned(action))
        flag = np.zeros((len(action), 1), bool)
        return Transition(
            obs=self.obs[:, None],
            action=action[:, None],
            next_obs=np.concatenate([self.obs[:, : self.env.sizes.prompt], action], axis=1)[:, None],
            env_reward=np.asarray(self._judge(self.obs, action))[:, None],
            terminated=~flag,
            truncated=flag,
            valid=~flag,
            is_demo=flag,
            behaviour={},
            info={},
        )

    def features(self, segments: Transition) -> dict[str, Float[np.ndarray, " N"]]:
        """Return the features of responses [N, 1, ...]: those of any texts, the environment's manners, and how often
        they have the word."""
        obs, action = np.asarray(segments.obs), np.asarray(segments.action)
        found = {name: measure(one, obs, action) for name, one in nuisances_of(self.env.spec).items()}
        found |= {name: np.asarray(values, np.float64) for name, values in self.env.manners(obs, action).items()}
        if self.word is not None:
            texts = [self.env.decode(one).lower().split() for one in action[:, 0]]
            counts = [sum(one.strip(".,;:!?\"'()") == self.word.lower() for one in text) for text in texts]
            found[f"word {self.word}"] = np.array(counts, np.float64)
        return found

    def interventions(self, returns: Callable[[Transition], Float[np.ndarray, " N"]], seed: int) -> list[Intervention]:
        """Return all edits of the responses and what they change.

        Args:
            returns: the reward that is audited, of segments [N, 1, ...].

        Raises:
            ConfigError: if the word cannot be used.
        """
        found = []
        for edit in self.env.edits(np.random.default_rng([seed, 0xED17]), self.action, self.word):
            sides = []
            for tokens in (edit.before, edit.after):
                action = self.action.copy()
                action[edit.rows] = tokens
                sides.append(self.segments(action))
            reward, true = ([of(one)[edit.rows] for one in sides] for of in (returns, true_returns))
            features = [self.features(one) for one in sides]
            moved = {name: (features[1][name] - features[0][name])[edit.rows] for name in features[0]}
            known = true[1] - true[0] if self.env.has_true_reward else None
            found.append(Intervention(edit.name, edit.what, edit.rows, reward[1] - reward[0], moved, known))
        return found


def true_returns(segments: Transition) -> Float[np.ndarray, " N"]:
    """Return the sum of the true reward over the steps of segments [N, L, ...]."""
    return np.asarray(segments.env_reward, np.float64).sum(axis=-1)
