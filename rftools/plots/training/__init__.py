"""Drawings of a training run."""
