"""Judges of what dpc writes. Each module reads templates and prints findings as JSON; `main` runs them side by side."""
