"""Items that joined after training: a new bundle with the same weights and a longer table."""

from reco_core.adding.add import add_items

__all__ = ["add_items"]
