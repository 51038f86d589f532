"""Measurements beside what users would otherwise pick: whole processes, round robin, medians, ratios of one run."""
