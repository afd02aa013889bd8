"""Estimates from past prices: volatility and its uncertainty."""
