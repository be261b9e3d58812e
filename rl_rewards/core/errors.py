"""What is raised for mistakes of the user's; light to import, so that they are told at once."""


class ConfigError(Exception):
    """Bad input from a user; its text is one plain sentence: what is wrong, where, and what would be right."""


class Stopped(Exception):
    """Asked to stop from outside, with everything saved; its text says how to go on."""


class TrainingFailed(Exception):
    """Training cannot go on; its text says why and where. FAILED.json holds the same."""


class CannotDraw(Exception):
    """A scene cannot be drawn on this machine; its text says why. A run goes on without its video."""
