"""The command line: what a person types, and what they read. It decides nothing that ``sqlfeat.api`` does not."""
