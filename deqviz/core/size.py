"""The size that an image is brought down to; imports nothing, for processes that must start quickly."""


def fitted(height: int, width: int, side: int) -> tuple[int, int]:
    """Height and width with the longer one brought down to `side`; smaller ones stay as they are."""
    shrink = min(1.0, side / max(height, width))
    return max(1, round(height * shrink)), max(1, round(width * shrink))
