"""The CUDA kernels of thinc_core/backends/cuda on the CPU."""
