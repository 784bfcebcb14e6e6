"""The lowest layer: time, names, files, YAML, child processes. It knows nothing of features."""
