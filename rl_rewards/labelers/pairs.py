"""The pairs of a label store with their current answers, as arrays, for the calibration of labelers."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from rl_rewards.core.checks import require
from rl_rewards.core.errors import ConfigError
from rl_rewards.core.types import EnvSpec, Transition
from rl_rewards.labelers.clips import unpack_array
from rl_rewards.labelers.exchange import STANDING
from rl_rewards.labelers.nuisance import measure, nuisances_of
from rl_rewards.labelers.records import PROMPT, RESPONSE, unpacked
from rl_rewards.labelers.store import LabelStore


@dataclass(frozen=True)
class Pairs:
    """N pairs of segments, in the order in which they were asked."""

    obs: np.ndarray  # [N, 2, L, ...]
    action: np.ndarray  # [N, 2, L, ...]
    details: Mapping[str, np.ndarray]  # [N, 2, ...] last next_obs, env_reward, info.KEY, where all clips have them
    scores: Float[np.ndarray, "N 2"]
    labelers: tuple[str, ...]  # the raters who gave these answers
    seeds: np.ndarray  # [N] the seed that asked each pair

    @property
    def returns(self) -> Float[np.ndarray, "N 2"] | None:
        """The true returns; None if the store does not have the true rewards."""
        rewards = self.details.get("env_reward")
        return None if rewards is None else rewards.astype(np.float64).sum(axis=-1)

    @property
    def reads(self) -> set[str]:
        """The data that a labeler can read from these pairs, by the names of ``Requirements.reads``."""
        return {"obs", "action", *self.details}

    def features(self, spec: EnvSpec) -> dict[str, Float[np.ndarray, "N 2"]]:
        """Return the nuisance features of each segment."""
        return {name: measure(one, self.obs, self.action) for name, one in nuisances_of(spec).items()}

    def of_seed(self, seed: int) -> "Pairs":
        """Return the pairs that one seed asked."""
        own = self.seeds == seed
        return Pairs(
            self.obs[own],
            self.action[own],
            {name: values[own] for name, values in self.details.items()},
            self.scores[own],
            self.labelers,
            self.seeds[own],
        )

    def segments(self, swapped: bool) -> Transition:
        """Return the segments, leaves [N, 2, L, ...]; ``swapped`` puts the second clip of each pair first.

        Data that the store does not have is 0.
        """
        turn = slice(None, None, -1 if swapped else 1)
        obs, action = self.obs[:, turn], self.action[:, turn]
        details = {name: values[:, turn] for name, values in self.details.items()}
        last = details.get("next_obs", np.zeros_like(obs[:, :, -1]))
        flag = np.zeros(obs.shape[:3], bool)
        return Transition(
            obs=obs,
            action=action,
            next_obs=np.concatenate([obs[:, :, 1:], last[:, :, None]], axis=2),
            env_reward=details.get("env_reward", np.zeros(obs.shape[:3], np.float32)),
            terminated=flag,
            truncated=flag,
            valid=~flag,
            is_demo=flag,
            behaviour={},
            info={name[5:]: values for name, values in details.items() if name.startswith("info.")},
        )


def read_pairs(store: LabelStore, env: str) -> Pairs:
    """Return all answered pairs of the environment ``env``; ties are included, refusals and repeats are not.

    Raises:
        ConfigError: when there is no pair, when a pair is of another environment, or when segments differ in shape.
    """
    with store.database.reading() as connection:
        rows = connection.execute(STANDING + "AND q.kind = 'pair' ORDER BY q.number").fetchall()
        require(len(rows) > 0, f"{store.path} has no answered pair; name a label store that has some.")
        others = sorted({row["env"] for row in rows} - {env})
        require(not others, f"{store.path} holds answers about {', '.join(others)}, but its run uses {env}.")
        names = [unpacked(row["clips"]) or () for row in rows]
        clips = {row["hash"]: row for row in connection.execute("SELECT hash, obs, action FROM clips")}
        found: dict[str, dict[str, bytes]] = {}
        not_texts = "SELECT hash, name, value FROM details WHERE name NOT IN (?, ?)"  # these have any length
        for row in connection.execute(not_texts, (PROMPT, RESPONSE)):
            found.setdefault(row["name"], {})[row["hash"]] = row["value"]

    def stacked(packed: Mapping[str, bytes]) -> np.ndarray:
        return np.stack([np.stack([unpack_array(packed[name]) for name in pair]) for pair in names])

    asked = {name for pair in names for name in pair}
    try:
        return Pairs(
            obs=stacked({name: row["obs"] for name, row in clips.items()}),
            action=stacked({name: row["action"] for name, row in clips.items()}),
            details={name: stacked(values) for name, values in found.items() if asked <= values.keys()},
            scores=np.array([unpacked(row["scores"]) for row in rows], np.float64),
            labelers=tuple(sorted({row["labeler"] for row in rows})),
            seeds=np.array([row["seed"] for row in rows]),
        )
    except ValueError as error:
        raise ConfigError(f"{store.path}: the pairs' segments differ in shape; use the pairs of one run.") from error
