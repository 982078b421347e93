"""Held-out accuracy of vgg-dilated on patches against chance, three seeds.

python benchmarks/accuracy.py [EPOCHS]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from rftools.models import build
from rftools.models.data import load_data
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options


def main() -> None:
    epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    train_set, test_set = load_data("patches", "train"), load_data("patches", "test")
    classes = len(train_set.classes)
    recipe = Recipe(
        {"name": "vgg-dilated", "arguments": {"classes": classes, "channels": 3}},
        lambda: build("vgg-dilated", classes=classes, channels=3),
    )
    print(f"vgg-dilated on patches, {epochs} epochs of {len(train_set)} crops, {len(test_set)} held out")
    last, best = [], []
    for seed in range(3):
        with tempfile.TemporaryDirectory() as folder:
            options = Options(epochs=epochs, seed=seed, channels_last=False)  # which changes the last digits
            history = train(recipe, train_set, test_set, Path(folder) / "run", options)
        last.append(history[-1].val_accuracy)
        best.append(max(epoch.val_accuracy for epoch in history))
        print(f"seed {seed}: held-out accuracy {last[-1]:.1%} after the last epoch, {best[-1]:.1%} at best", flush=True)
    print(f"mean of the last epochs {sum(last) / 3:.1%}, chance {1 / classes:.1%}")


if __name__ == "__main__":
    main()
