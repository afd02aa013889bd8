"""The portfolio file: which books there are and how each is to be kept."""

from streams.portfolio.policies import load_portfolio, policies, publishing, version_of

__all__ = ["load_portfolio", "policies", "publishing", "version_of"]
