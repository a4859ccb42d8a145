"""DEQViz: watch provable iterative methods reconstruct pictures, with every theorem as a live inequality."""

__version__ = "0.2.0"
