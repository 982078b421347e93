"""Drawings of effective fields."""
