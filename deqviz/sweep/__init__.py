"""Batches: many images, noises and methods, each cell measured once, whoever asks and wherever it runs."""
