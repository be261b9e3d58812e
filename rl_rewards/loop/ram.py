"""Checks that a run fits into memory, from shapes alone, before anything is allocated or compiled.

need = 2 * (agent + reward + replay + recording) + 2 * rollout + 2 * the rollout's obs and next_obs in f32 + data set

of the seeds that share a memory: each GPU has its own, with its share of the seeds, and devices made of the CPU share
that of the machine.

The factor 2 is there because restoring a checkpoint copies the whole state, so that a run that could start but not
resume is refused, too. The observations in f32 are the measured size of the networks' inputs and first layers. A data
set exists once on every device, for all its seeds; its size is checked after its file has been read.
"""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from rl_rewards.core.checks import require
from rl_rewards.data.dataset import Dataset
from rl_rewards.loop.seeds import Seeds
from rl_rewards.loop.state import Parts, rollout_shape, state_shapes

MEMINFO = Path("/proc/meminfo")
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"),
)
"""The files with a container's memory limit and use, of cgroups version 2 and version 1."""


def check_ram(parts: Parts) -> None:
    """Check that a run fits into the free memory.

    Raises:
        ConfigError: when it does not; the message has the sizes and the keys to lower.
    """
    free = free_bytes(parts.seeds.devices)
    if free is None or parts.offline:  # offline runs keep only parameters
        return
    parts_of_state, work = needed_bytes(parts)
    need = 2 * sum(parts_of_state.values()) + work
    shares = ", ".join(f"{name} {_gigabytes(size)}" for name, size in parts_of_state.items())
    keys = [f"{key} (now {value})" for key, value in _keys_to_lower(parts, parts_of_state, work)]
    require(
        need <= free,
        f"This run needs about {_gigabytes(need)} of memory, but {_gigabytes(free)} are free on {_where(parts)}: "
        f"{shares}, all of it twice while a checkpoint is restored, and "
        f"{_gigabytes(work)} of working memory; lower {' or '.join(keys)}.",
    )


def check_data(parts: Parts, name: str, dataset: Dataset, advice: str) -> None:
    """Check that recorded steps fit into memory together with the run that reads them.

    Args:
        advice: the end of the message, which says how to use fewer steps.

    Raises:
        ConfigError: when they do not; the message has the sizes and the keys to lower.
    """
    free = free_bytes(parts.seeds.devices)
    if free is None:
        return
    kept, work = needed_bytes(parts)
    need, data = 2 * sum(kept.values()) + work, _size(dataset) * parts.seeds.devices // _memories(parts)
    require(
        need + data <= free,
        f"The recorded steps that this run takes from {name} need {_gigabytes(data)} of memory and the run itself "
        f"about {_gigabytes(need)}, but {_gigabytes(free)} are free on {_where(parts)}; {advice}.",
    )


def needed_bytes(parts: Parts) -> tuple[dict[str, int], int]:
    """Return the bytes kept during the whole run, by owner, and the working memory of a round, in one memory."""
    one = parts._replace(seeds=Seeds())
    state = state_shapes(one)
    owners = ("replay", "reward", "agent", *(("recording",) if parts.recorded_steps else ()))
    seeds = parts.seeds.count // _memories(parts)
    kept = {name: seeds * _size(getattr(state, name)) for name in owners}
    if parts.offline:
        return kept, 0
    rollout = rollout_shape(one, state.agent)
    observations = 4 * (rollout.obs.size + rollout.next_obs.size)
    return kept, seeds * (2 * _size(rollout) + 2 * observations)


def free_bytes(devices: int = 1) -> int | None:
    """Return the free bytes of the fullest of the first devices, or of the machine if that is the CPU.

    Returns None if they are unknown.
    """
    device = jax.local_devices()[0]
    found = [one.memory_stats() or {} for one in jax.local_devices()[:devices]]
    if all("bytes_limit" in stats for stats in found):
        return min(stats["bytes_limit"] - stats.get("bytes_in_use", 0) for stats in found)
    if device.platform != "cpu" or not MEMINFO.is_file():
        return None
    lines = dict(line.split(":") for line in MEMINFO.read_text(encoding="utf-8").splitlines())
    free = [1024 * int(lines["MemAvailable"].split()[0])] if "MemAvailable" in lines else []
    for limit, used in CGROUPS:
        limits = [_number(Path(path)) for path in (limit, used)]
        if limits[0] is not None and limits[1] is not None:
            free.append(limits[0] - limits[1])
    return min(free, default=None)


def _memories(parts: Parts) -> int:
    """Return the number of separate memories that the seeds are divided among."""
    return 1 if jax.default_backend() == "cpu" else parts.seeds.devices


def _where(parts: Parts) -> str:
    platform = jax.default_backend()
    return f"this {platform} device" if _memories(parts) == 1 else f"the fullest of {parts.seeds.devices} {platform}s"


def _keys_to_lower(parts: Parts, kept: dict[str, int], work: int) -> list[tuple[str, Any]]:
    """Return the keys and values that determine a tenth of the memory or more, the largest share first."""
    source, algorithm, seeds = parts.source, parts.algorithm, parts.seeds
    ring, visited = algorithm.requirements.size_key, source.requirements.size_key
    history = ("reward.history", source.requirements.history) if ring is None else (f"algorithm.{ring[0]}", ring[1])
    owners = [
        (2 * kept["replay"], *history),
        *([(2 * kept["reward"], f"reward.{visited[0]}", visited[1])] if visited is not None else []),
        (2 * kept.get("recording", 0), "total_env_steps with keep_replay=true", parts.recorded_steps),
        (work, "algorithm.num_envs", algorithm.num_envs),
        (work, "algorithm.rollout_length", algorithm.rollout_length),
    ]
    total = 2 * sum(kept.values()) + work
    found = [(key, value) for size, key, value in sorted(owners, reverse=True) if size >= total / 10]
    picture = parts.env.requirements.size_key
    found += [] if picture is None else [(f"env.{picture[0]}", picture[1])]
    return found + ([("num_seeds", seeds.count)] if seeds.count > 1 or not found else [])


def _size(tree: Any) -> int:
    """Return the bytes of arrays or of their shapes, without random keys."""
    leaves = jax.tree.leaves(tree)
    return sum(x.size * x.dtype.itemsize for x in leaves if not jnp.issubdtype(x.dtype, jax.dtypes.prng_key))


def _number(path: Path) -> int | None:
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
