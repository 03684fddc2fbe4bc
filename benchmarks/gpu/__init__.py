"""python3 -m benchmarks gpu: correctness and speed of the GPU backend, in one command. See benchmarks/README.md."""
