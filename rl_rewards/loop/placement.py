"""The devices of a run: its seeds are divided among as many as can have equally many of them."""

import jax

from rl_rewards.core.checks import require
from rl_rewards.core.keys import lower_for_several_devices
from rl_rewards.loop.settings import PlacementSettings


def devices_for(settings: PlacementSettings, num_seeds: int) -> int:
    """Return how many devices train ``num_seeds`` seeds.

    Raises:
        ConfigError: when there are fewer devices than were asked for, or the seeds cannot be divided among them.
    """
    devices = _devices_for(settings.devices, num_seeds)
    if devices > 1:
        lower_for_several_devices()
    return devices


def _devices_for(wanted: int | str, num_seeds: int) -> int:
    found = jax.local_device_count()
    if wanted == "auto":
        return max(n for n in range(1, min(found, num_seeds) + 1) if num_seeds % n == 0)
    assert isinstance(wanted, int), "the settings are checked"
    platform = jax.default_backend()
    several = f", or set XLA_FLAGS=--xla_force_host_platform_device_count={wanted}, which divides the CPU"
    require(
        wanted <= found,
        f"placement.devices={wanted}, but JAX finds {found} {platform} {'device' if found == 1 else 'devices'} here; "
        f"choose placement.devices=auto{several if platform == 'cpu' else ''}.",
    )
    require(
        num_seeds % wanted == 0,
        f"placement.devices={wanted} cannot have equally many of num_seeds={num_seeds} seeds; choose a divisor of it, "
        "or placement.devices=auto.",
    )
    return wanted
