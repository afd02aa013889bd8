"""The portfolio file: which books there are and how each is to be kept."""

from pipeline.messages.policy import version_of
from streams.portfolio.policies import load_portfolio, policies, publishing

__all__ = ["load_portfolio", "policies", "publishing", "version_of"]
