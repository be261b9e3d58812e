"""Adds the data of self-play and curiosity to the files of a fake run."""

import json
from pathlib import Path

import numpy as np

GAMES = 64
SIDE = 11


def add_games(path: Path, *, places: int = 2, seeds: int = 0, collapsed: bool = False) -> Path:
    """Make the run in ``path`` a run of self-play, and return ``path``.

    Args:
        places: 2 if goals lie on the environment's plane; 1 if they lie on a line in it; 0 if there is no plane and
            goals have one feature.
        seeds: the number of seeds, for which metrics are lists and arrays have a leading axis; 0 for neither.
        collapsed: True if Alice stops at once in every game.
    """
    config = (path / "config.yaml").read_text().replace("reward:\n", "reward:\n  form: time\n  target_fraction: 0.0\n")
    (path / "config.yaml").write_text(config)
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    for i, row in enumerate(rows):
        skill = (i + 1) / len(rows)
        row |= _game_row(i, skill)
        if "eval/true_return" in row:
            file = path / "evaluations" / f"{row['round']:06d}.npz"
            found = [_games(i + 1000 * seed, skill, places, collapsed) for seed in range(max(seeds, 1))]
            row |= {f"eval/game_{name}": float(found[0][f"game_{name}"].mean()) for name in ("reached", "t_alice")}
            row |= {"eval/alice_return": 0.4 * skill, "eval/bob_return": -skill}
            _add_arrays(file, found, seeds)
        if seeds:
            row |= {key: [value] * seeds for key, value in row.items() if key.startswith(("eval/", "reward/"))}
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def add_visits(path: Path, *, prefix: str = "", cells: int = SIDE**2, television: bool = True) -> Path:
    """Make the run in ``path`` a run of curiosity, as the mixture's part ``prefix`` if that is not empty."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    owner = f"reward/{prefix}/" if prefix else "reward/"
    for i, row in enumerate(rows):
        reach = (i + 1) / len(rows)
        visits = np.where(np.arange(cells) < reach * cells, 1 + 10 * (i + 1) * (cells - np.arange(cells)), 0)
        row[f"{owner}coverage"] = float(np.mean(visits > 0))
        if television:
            row |= {f"{owner}bonus_television": 1.0 if i else None, f"{owner}bonus_elsewhere": 0.8**i}
        if "eval/true_return" in row:
            file = path / "evaluations" / f"{row['round']:06d}.npz"
            _add_arrays(file, [{f"{prefix}_visits" if prefix else "visits": visits}], 0)
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _game_row(i: int, skill: float) -> dict:
    return {
        "reward/games": 100.0 * (i + 1),
        "reward/task_episodes": 0.0,
        "reward/bob_success": 1.0 - 0.5 * skill,
        "reward/t_alice": 5.0 + 10.0 * skill,
        "reward/t_bob": 5.0 + 20.0 * skill,
        "reward/goal_distance": 0.2 + skill,
        "reward/task_success": None,
        "reward/touched": 0.1 * skill,
        "agent/alice_entropy": 1.0 - 0.5 * skill,
        "agent/bob_entropy": 1.0 - 0.7 * skill,
    }


def _games(seed: int, skill: float, places: int, collapsed: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    distance = rng.uniform(0.0, 2.0 * skill, GAMES)
    reached = rng.uniform(size=GAMES) < np.exp(-distance)
    goal = rng.normal(0.0, skill, (GAMES, 2))
    found = {
        "game_t_alice": np.zeros(GAMES) if collapsed else rng.integers(0, 20, GAMES).astype(float),
        "game_t_bob": np.where(distance < 0.1, 0.0, rng.integers(1, 40, GAMES)),
        "game_reached": (reached | (distance < 0.1)).astype(np.float32),
        "game_distance": distance,
        "game_goal": goal if places else goal[:, :1],
    }
    if places:
        on_a_line = np.stack([np.round(4 * goal[:, 0]), np.full(GAMES, 0.5)], axis=-1)
        found["game_place"] = goal if places == 2 else on_a_line
    return found


def _add_arrays(file: Path, found: list[dict[str, np.ndarray]], seeds: int) -> None:
    """Add arrays to ``file``; with several seeds, its other arrays get a leading axis."""
    with np.load(file) as stored:
        arrays = dict(stored)
    if seeds:
        alone = ("round", "env_steps", "plane_x", "plane_y", "plane_labels")
        arrays = {name: x if name in alone else np.stack([x] * seeds) for name, x in arrays.items()}
        found = [{name: np.stack([one[name] for one in found]) for name in found[0]}]
    np.savez_compressed(file, **arrays, **found[0])
