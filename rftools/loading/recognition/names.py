"""What builders call the number of classes, the number of input channels, and the image's side."""

from __future__ import annotations

WORDS: dict[str, tuple[str, str, str]] = {
    "rftools": ("classes", "channels", ""),
    "torchvision": ("num_classes", "in_chans", "image_size"),
    "timm": ("num_classes", "in_chans", "img_size"),
    "transformers": ("num_labels", "num_channels", "image_size"),
}
USUAL: dict[str, tuple[int, int]] = {  # classes and channels that builders take by themselves
    "rftools": (10, 3),
    "torchvision": (1000, 3),
    "timm": (1000, 3),
    "transformers": (2, 3),
}
