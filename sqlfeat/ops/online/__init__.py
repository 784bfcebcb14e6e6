"""The online side of a project: what is published, and how it is read."""
