"""The experiments that reproduce the lecture, by chapter; each is one file and one YAML."""
