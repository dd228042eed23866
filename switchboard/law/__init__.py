"""Law at the volunteer's elbow: a local collection of articles, imported from files, searched by words and numbers.

``files`` reads what somebody wrote, ``words`` cuts text and questions into pairs of characters, ``library`` keeps
articles and their index in SQL and answers. It knows nothing of calls, volunteers or pages.
"""

from switchboard.law.files import read_articles
from switchboard.law.library import Answer, Found, LawSummary, Library
from switchboard.law.model import Article

__all__ = ["Answer", "Article", "Found", "LawSummary", "Library", "read_articles"]
