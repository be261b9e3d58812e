"""A stand-in for a model that accepts pictures, with planted faults, for tests and studies; it is no vision model."""
