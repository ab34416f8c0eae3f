"""Models, one file per family under the names of its paper; no data, no training, no plotting."""
