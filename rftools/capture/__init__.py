"""From a module to the graph of its operators, named by module path."""

from rftools.capture.export import capture, evaluating, example_input
from rftools.capture.graph import Graph, Layer, module_path, op_name, qualified_name

__all__ = ["Graph", "Layer", "capture", "evaluating", "example_input", "module_path", "op_name", "qualified_name"]
