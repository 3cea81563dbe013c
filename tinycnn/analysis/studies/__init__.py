"""Experiments: what the literature says of light networks, measured on this machine."""
