"""Services and notarial acts as data: ``services.toml`` and ``acts.toml``, read and checked as a whole.

Everything wrong in a file is named at once, each with its line.
"""

from switchboard.clinic.catalogue.model import Act, Catalogue, Need, Paper, Question, Service, Words
from switchboard.clinic.catalogue.read import load_catalogue, read_catalogue

__all__ = [
    "Act",
    "Catalogue",
    "Need",
    "Paper",
    "Question",
    "Service",
    "Words",
    "load_catalogue",
    "read_catalogue",
]
