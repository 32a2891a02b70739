"""Measurements, side by side in one run: `./quartet bench`. None of them is a test."""
