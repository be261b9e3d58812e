"""The recordings that a run leaves in its folder, as recorded data: ``run:RUN_DIR``.

A run with ``keep_replay=true`` writes ``replay.npz``, every step that it collected. One with ``record_episodes=N``
writes ``episodes.npz``, N episodes of its final policy, which an expert corrects if ``record_corrections_after`` is
set. A run of several seeds writes ``replay_SEED.npz`` and ``episodes_SEED.npz`` for each seed, and is named as
``run:RUN_DIR@SEED``.
"""

from collections import Counter
from pathlib import Path

import numpy as np

from rl_rewards.core.checks import require
from rl_rewards.data.arrays import array_sizes, check_size, read_arrays
from rl_rewards.data.demonstrations.join import join

RUN = "run:"
REPLAY, EPISODES = "replay", "episodes"
"""The two kinds of recordings, and the beginnings of their files' names."""
OF_A_RUN = "config.yaml"
"""The file that makes a folder a run folder."""
KEYS = "keep_replay=true or record_episodes=N"


def recording_file(run_dir: Path, kind: str, seed: int | None) -> Path:
    """Return the file of a recording of a run, of the kind ``REPLAY`` or ``EPISODES``.

    Args:
        seed: the seed, if the run has several.
    """
    return run_dir / (f"{kind}.npz" if seed is None else f"{kind}_{seed}.npz")


def files_of(name: str) -> list[Path]:
    """Return the files that exist of the recording ``run:RUN_DIR`` or ``run:RUN_DIR@SEED``."""
    run_dir, seed = _named(name)
    return [file for kind in (REPLAY, EPISODES) if (file := recording_file(run_dir, kind, seed)).is_file()]


def files_of_all_seeds(name: str) -> list[Path]:
    """Return the files of the run ``run:RUN_DIR`` that exist for single seeds."""
    run_dir, _ = _named(name)
    return sorted(path for kind in (REPLAY, EPISODES) for path in run_dir.glob(f"{kind}_*.npz"))


def of_seed(name: str, seed: int) -> str:
    """Return the recording of ``seed`` if ``name`` is a run that recorded it separately, and otherwise ``name``."""
    if not name.startswith(RUN) or _named(name)[1] is not None or files_of(name):
        return name
    return f"{name}@{seed}" if files_of(f"{name}@{seed}") else name


def read_run(name: str, free: int | None = None) -> dict[str, np.ndarray]:
    """Return the arrays of all that a run recorded, unchecked: its replay, then its episodes.

    Args:
        name: ``run:RUN_DIR`` or ``run:RUN_DIR@SEED``.
        free: the bytes of memory that the arrays may take; None if they are unknown.

    Raises:
        ConfigError: if the folder is no run folder, has no recording of that seed, its files cannot be read, or their
            arrays are too large. Those of two files count twice, because they exist until they are joined.
    """
    run_dir, seed = _named(name)
    require(run_dir.is_dir(), f"{name}: the folder {run_dir} does not exist; name the folder of a run.")
    require((run_dir / OF_A_RUN).is_file(), f"{name}: {run_dir} is not a run folder; it has no {OF_A_RUN}.")
    files = files_of(name)
    require(len(files) > 0, f"{name}: {_lacking(run_dir, seed)}")
    sizes: Counter[str] = Counter()
    for file in files:
        sizes.update({key: len(files) * size for key, size in array_sizes(file, "data", KEYS).items()})
    check_size(name, sizes, free)
    found = [(str(file), read_arrays(file, "data", KEYS)) for file in files]
    if len(found) == 1:
        return found[0][1]
    envs = [str(arrays.get("env")) for _, arrays in found]
    require(envs[0] == envs[1], f"{name}: its files were recorded on two environments, {envs[0]} and {envs[1]}.")
    kept = [(file, {key: array for key, array in arrays.items() if key != "env"}) for file, arrays in found]
    return join(kept) | ({"env": found[0][1]["env"]} if "env" in found[0][1] else {})


def _named(name: str) -> tuple[Path, int | None]:
    """Return the folder and the seed that ``name`` gives; if a folder's own name ends in @NUMBER, it is that folder."""
    text = name.removeprefix(RUN)
    folder, at, seed = text.rpartition("@")
    if at and seed.isdecimal() and not Path(text).exists():
        return Path(folder).expanduser(), int(seed)
    return Path(text).expanduser(), None


def _lacking(run_dir: Path, seed: int | None) -> str:
    """Return the end of the sentence about a run folder that lacks the recording of ``seed``."""
    paths = [path for kind in (REPLAY, EPISODES) for path in run_dir.glob(f"{kind}_*.npz")]
    seeds = sorted({int(tail) for path in paths if (tail := path.stem.partition("_")[2]).isdecimal()})
    if seeds:
        lacks = "its seeds are recorded separately" if seed is None else f"it has no recording of seed {seed}"
        return f"{lacks}; name one of them, from {RUN}{run_dir}@{seeds[0]} to {RUN}{run_dir}@{seeds[-1]}."
    if seed is not None and any(recording_file(run_dir, kind, None).is_file() for kind in (REPLAY, EPISODES)):
        return f"the run has only one seed; name it without @{seed}."
    return (
        f"the folder has neither {REPLAY}.npz nor {EPISODES}.npz, which a run writes at its end; start the run with "
        f"{KEYS}."
    )
