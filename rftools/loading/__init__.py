"""From a model spec to a `Model`. Nothing is ever unpickled into code."""

from rftools.loading.load import load
from rftools.loading.model import Model, Normalisation, as_model

__all__ = ["Model", "Normalisation", "as_model", "load"]
