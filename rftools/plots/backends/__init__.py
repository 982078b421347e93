"""Drawing a scene with one of two libraries."""
