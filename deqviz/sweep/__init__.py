"""Batches: many pictures, noises and methods, each cell measured once, whoever asks and wherever it runs."""
