"""Drawings of what pruning left."""
