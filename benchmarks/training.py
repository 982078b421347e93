"""Our training loop against a plain PyTorch loop with torchvision's transforms and a DataLoader: images a second.

    python benchmarks/training.py [ROUNDS]

The same net, batch size, optimizer and augmentation (shifts of 10 %, flips); rounds alternate in one process. Printed
beside: both losses after the same number of steps, which agree up to the augmentation's draws.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from rftools.models import build
from rftools.models.data import load_data
from rftools.models.training.epochs import Recipe
from rftools.models.training.loop import train
from rftools.models.training.options import Options

BATCH = 32


class Pictures(Dataset[tuple[torch.Tensor, int]]):
    def __init__(self, images: torch.Tensor, labels: torch.Tensor) -> None:
        self.images, self.labels = images, labels
        self.change = v2.Compose(
            [
                v2.RandomHorizontalFlip(),
                v2.RandomAffine(degrees=0, translate=(0.1, 0.1)),
                v2.ToDtype(torch.float32, scale=True),
            ]
        )

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.change(self.images[index]), int(self.labels[index])


def plain(
    net: nn.Module, data: Pictures, steps: int, workers: int, device: torch.device | None = None
) -> tuple[float, float]:
    """Images a second and the mean loss of the plain loop, of a net on the device."""
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=workers)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7)
    net.train()
    seen, total = 0, 0.0
    begin = time.perf_counter()
    for step, (x, y) in enumerate(loader):
        if step == steps:
            break
        x, y = x.to(device), y.to(device)
        loss = nn.functional.cross_entropy(net(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += float(loss.detach()) * len(x)
        seen += len(x)
    return seen / (time.perf_counter() - begin), total / seen


def ours(name: str, classes: int, steps: int, seed: int) -> tuple[float, float]:
    train_set, test_set = load_data("patches", "train"), load_data("patches", "test")
    recipe = Recipe({"name": name, "arguments": {}}, lambda: build(name, classes=classes))
    with tempfile.TemporaryDirectory() as folder:
        (epoch,) = train(
            recipe, train_set, test_set, Path(folder) / "run", Options(epochs=1, steps_per_epoch=steps, seed=seed)
        )
    return epoch.images_per_second, epoch.loss


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    data = load_data("patches", "train")
    pictures = Pictures(data.images, data.labels)
    classes = len(data.classes)
    print(f"images a second on {torch.get_num_threads()} threads, medians of {rounds} rounds of 60 batches of {BATCH}")
    for name in ("vgg-strided", "vgg-dilated"):
        speeds: dict[str, list[float]] = {"ours": [], "plain": [], "plain, 1 worker": []}
        losses: dict[str, list[float]] = {key: [] for key in speeds}
        for seed in range(rounds):
            torch.manual_seed(seed)
            results = {
                "ours": ours(name, classes, 60, seed),
                "plain": plain(build(name, classes=classes), pictures, 60, 0),
                "plain, 1 worker": plain(build(name, classes=classes), pictures, 60, 1),
            }
            for key, (speed, loss) in results.items():
                speeds[key].append(speed)
                losses[key].append(loss)
        middle = {key: statistics.median(values) for key, values in speeds.items()}
        fastest = max(middle["plain"], middle["plain, 1 worker"])
        print(
            f"{name}: "
            + ", ".join(f"{key} {value:.0f} (loss {statistics.mean(losses[key]):.3f})" for key, value in middle.items())
            + f"; ours is {middle['ours'] / fastest:.2f} times the faster plain loop"
        )


if __name__ == "__main__":
    main()
