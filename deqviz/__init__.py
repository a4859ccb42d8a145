"""DEQViz: watch provable iterative methods reconstruct pictures, with every theorem as a live inequality."""

import os

# When they are imported, torch and scikit-image ask every installed package for another device or another
# implementation. Nothing here uses either, numbers should not depend on it, and one package whose
# entry_points.txt is damaged would end both.
os.environ.setdefault("TORCH_DEVICE_BACKEND_AUTOLOAD", "0")
os.environ.setdefault("SKIMAGE_NO_DISPATCHING", "1")

__version__ = "0.2.0"
