"""A Jupyter kernel whose cells may be Python or plain language."""

__version__ = "0.1.0"
