"""ONNX files as modules (the package onnx reads them; torch computes)."""

from rftools.loading.formats.onnx.read import read_onnx

__all__ = ["read_onnx"]
