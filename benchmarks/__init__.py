"""Speed and size of the kernel beside stock ipykernel: ``python -m benchmarks``."""
