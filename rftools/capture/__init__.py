"""From a module to the graph of its operators, named by module path."""

from rftools.capture.export import capture
from rftools.capture.graph import Graph, Layer, module_path, op_name, qualified_name
from rftools.capture.inputs import Example, Inputs, example_of

__all__ = [
    "Example",
    "Graph",
    "Inputs",
    "Layer",
    "capture",
    "example_of",
    "module_path",
    "op_name",
    "qualified_name",
]
