"""The back office: the base classes of its pages, and the pages of the firm's own data."""

from brokerage.admin import reference_data  # noqa: F401  (registers its pages)
