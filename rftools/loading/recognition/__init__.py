"""Which net a state dict belongs to, by the names and shapes of its tensors; nothing is built to guess."""

from rftools.loading.recognition.find import Match, find

__all__ = ["Match", "find"]
