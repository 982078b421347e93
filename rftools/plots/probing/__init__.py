"""Drawings of behavioural fields."""
