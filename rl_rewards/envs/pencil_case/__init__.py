"""A pusher that moves a pencil case behind a notebook, in MuJoCo or MJX, observed by a tracker or a camera."""
