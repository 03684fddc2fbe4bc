"""Benchmarks of thinc_core beside the original library and PyTorch: see README.md in this folder."""
