"""Drawings of orientation tuning."""
