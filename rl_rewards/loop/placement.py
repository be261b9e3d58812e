"""The devices of a run: its seeds are divided among as many as can have equally many of them."""

import contextlib

import jax

from rl_rewards.core.checks import require
from rl_rewards.core.keys import lower_for_several_devices
from rl_rewards.loop.settings import PlacementSettings

PLATFORM, CPU_DEVICES = "jax_platforms", "jax_num_cpu_devices"
"""JAX's settings of what it starts with, which have no effect later in the process."""


def devices_for(settings: PlacementSettings, num_seeds: int) -> int:
    """Return how many devices train ``num_seeds`` seeds. JAX starts here, with the platform that is asked for.

    Raises:
        ConfigError: when the platform is not there, has fewer devices than were asked for, or the seeds cannot be
            divided among them.
    """
    _start(settings)
    devices = _divisor(settings, num_seeds)
    if devices > 1:
        lower_for_several_devices()
    return devices


def _start(settings: PlacementSettings) -> None:
    """Let JAX find its devices, which it does once in a process."""
    wanted = settings.platform
    if wanted == "cpu":
        jax.config.update(PLATFORM, wanted)
        if isinstance(settings.devices, int) and settings.devices > 1:
            with contextlib.suppress(RuntimeError):  # JAX has started; the devices that it has are counted below
                jax.config.update(CPU_DEVICES, settings.devices)
    found = jax.default_backend()
    require(
        wanted in ("auto", found),
        f"placement.platform={wanted}, but JAX uses {found} in this process; "
        + ("start a new process." if wanted == "cpu" else f"install JAX for {wanted}, or choose placement=auto."),
    )


def _divisor(settings: PlacementSettings, num_seeds: int) -> int:
    """Return the number of devices, a divisor of ``num_seeds``."""
    wanted, found = settings.devices, jax.local_device_count()
    if not isinstance(wanted, int):
        return max(n for n in range(1, min(found, num_seeds) + 1) if num_seeds % n == 0)
    platform = jax.default_backend()
    more = "start a new process" if settings.platform == "cpu" else "placement=cpu, which can make more of the CPU"
    require(
        wanted <= found,
        f"placement.devices={wanted}, but JAX has {found} {platform} {'device' if found == 1 else 'devices'} in this "
        f"process; choose placement.devices=auto{f', or {more}' if platform == 'cpu' else ''}.",
    )
    require(
        num_seeds % wanted == 0,
        f"placement.devices={wanted} cannot have equally many of num_seeds={num_seeds} seeds; choose a divisor of it, "
        "or placement.devices=auto.",
    )
    return wanted
