"""From a model spec to a `Model`. Nothing is ever unpickled into code."""

from rftools.loading.describe import info
from rftools.loading.file_info import FileInfo
from rftools.loading.load import load
from rftools.loading.model import Model, Normalisation, as_model

__all__ = ["FileInfo", "Model", "Normalisation", "as_model", "info", "load"]
