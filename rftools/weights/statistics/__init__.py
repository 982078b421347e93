"""Statistics of kernels: arrays in, arrays out; they know no layers and no files."""
