"""The use of a game's episodes in a run: learning from whole games, evaluating Bob on the task, measuring games."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Array, Bool

from rl_rewards.core.types import Transition
from rl_rewards.envs.base import Episodes, Told
from rl_rewards.games.rules import ALICE, TASK, whole_games
from rl_rewards.reporting.video import NOBODY

SHOWN = 4
"""The number of games in each evaluation whose scenes are kept for a video."""
RETURN_OF = {"alice": lambda role: role == ALICE, "bob": lambda role: role != ALICE}


@dataclass(frozen=True, kw_only=True)
class GameEpisodes(Episodes):
    """The episodes of a game of at most ``horizon`` moves."""

    begin_with_rollout: bool = True
    horizon: int
    place: Callable[[np.ndarray], np.ndarray | None]  # see Game.place

    def select(self, rollout: Transition) -> tuple[Transition, Bool[Array, "T B"]]:
        """Return the rollout in which only whole games are valid, and a mask of the ends of task episodes.

        Only these ends count for success, because a game says nothing about success on the task.
        """
        rollout = whole_games(rollout, self.horizon)
        return rollout, rollout.done & rollout.valid & (rollout.info["role"] == TASK)

    def measure(self, rollout: Transition, paid: np.ndarray) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        """Return metrics and arrays of the first game in each copy, which ends within the horizon.

        The array ``scene_player`` [T, SHOWN] says whose move led to each scene; it is ``NOBODY`` if there is no scene.
        """
        info, columns = rollout.info, np.arange(rollout.valid.shape[1])
        valid = _first_games(rollout)
        end = valid.sum(axis=0) - 1
        handed = np.argmax((info["role"] == ALICE) & rollout.terminated, axis=0)  # Alice's last step
        arrays: dict[str, Any] = {
            "game_t_alice": info["t_alice"][end, columns],
            "game_t_bob": info["t_bob"][end, columns],
            "game_reached": info["reached"][end, columns],
            "game_distance": info["distance"][end, columns],
        }
        if "touched" in info:
            arrays["game_touched"] = info["touched"][handed, columns]
        metrics = {f"eval/{name}": float(np.mean(values)) for name, values in arrays.items()}
        arrays["game_goal"] = info["goal"][end, columns]
        if "scene" in info:
            scene = np.asarray(info["scene"])
            has_moved = _has_moved(rollout)
            places = self.place(scene[handed, columns])
            if places is not None:
                arrays["game_place"] = np.where(has_moved[handed, columns][:, None], places, np.nan)
            arrays["scene_games"] = scene[:, :SHOWN]
            arrays["scene_player"] = np.where(valid & has_moved, info["role"], NOBODY)[:, :SHOWN].astype(np.int8)
        for player, plays in RETURN_OF.items():
            metrics[f"eval/{player}_return"] = float(np.mean(np.sum(paid * valid * plays(info["role"]), axis=0)))
        return metrics, arrays

    def told(self, rollout: Transition, number: int) -> Told:
        """Return the first game in a copy: how many moves each player made, and whether Bob reached his goal."""
        info = {name: np.asarray(values)[:, number] for name, values in rollout.info.items()}
        valid = _first_games(rollout)[:, number]
        end = int(valid.sum()) - 1
        alice, bob = (int(info[name][end]) for name in ("t_alice", "t_bob"))
        reached = "reached his goal" if info["reached"][end] > 0.0 else "did not reach his goal"
        shown = valid & _has_moved(rollout)[:, number]
        scenes = info["scene"][shown] if "scene" in info else None
        words = f"Alice made {_counted(alice)}, and Bob {reached} in {_counted(bob)}"
        return Told(words, scenes, info["role"][shown].astype(np.int8))


def _first_games(rollout: Transition) -> np.ndarray:
    """Return a mask [T, N] of the steps of the first game in each copy."""
    over = np.asarray(rollout.info["over"]) > 0.0
    return np.cumsum(over, axis=0) - over == 0


def _has_moved(rollout: Transition) -> np.ndarray:
    """Return a mask [T, N] of the steps after the first move; before it a game has no scene."""
    return np.asarray(rollout.info["t_alice"] + rollout.info["t_bob"]) > 0.0


def _counted(moves: int) -> str:
    return f"{moves} move{'s' * (moves != 1)}"
