"""Drawings of the orientation of kernels."""
