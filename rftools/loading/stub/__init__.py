"""Pickles read as data: names become inert stand-ins, nothing is imported and nothing is run."""

from rftools.loading.stub.archive import Found, read_stub

__all__ = ["Found", "read_stub"]
