"""Ensembles inside of other tools; each module is imported by name."""
