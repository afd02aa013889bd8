"""The portfolio file: which books there are, and how each is kept."""

from pipeline.messages.policy import version_of
from streams.portfolio.policies import load_portfolio, names_in, policies, publishing

__all__ = ["load_portfolio", "names_in", "policies", "publishing", "version_of"]
