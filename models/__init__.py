"""The study's nets, the data they learn from, and the loop that trains them."""

from rftools.models.checkpoint import check_checkpoint, is_checkpoint, read_checkpoint, read_torch_file, save_checkpoint
from rftools.models.nets import NETS, Net, build, names

__all__ = [
    "NETS",
    "Net",
    "build",
    "check_checkpoint",
    "is_checkpoint",
    "names",
    "read_checkpoint",
    "read_torch_file",
    "save_checkpoint",
]
