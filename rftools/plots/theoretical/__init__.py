"""Drawings of theoretical fields."""
