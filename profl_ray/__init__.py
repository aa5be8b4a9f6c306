"""profl-ray: memory-constrained federated learning on Ray, with ProFL first (arXiv 2404.13349)."""

__version__ = "0.1.0"
