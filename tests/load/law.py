"""How long a question to the collection of law takes: ``python -m tests.load.law [--articles 20000]``.

Invented articles of about 150 characters, built from the words of the sample collection, so that every pair of
characters is about as frequent as in real law. Prints, per database: time of the import, size, and quantiles.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from switchboard.law import Article, Library, read_articles
from switchboard.law.files import SAMPLE
from switchboard.law.model import in_chinese
from switchboard.records import Records
from tests.support.postgres import private_cluster

QUESTIONS = 600
ARTICLES_OF_A_LAW = 200


def invented(count: int) -> list[Article]:
    """Articles of clauses drawn at random from the sample."""
    draw = random.Random(12348)
    clauses = [
        one for article in read_articles(SAMPLE) for one in re.split("[，。；、：]", article.text) if one
    ]
    made = []
    for number in range(count):
        law, place = divmod(number, ARTICLES_OF_A_LAW)
        text = "，".join(draw.choices(clauses, k=10)) + "。"
        made.append(
            Article(
                f"第{in_chinese(law + 1)}号示范法", f"第{in_chinese(place + 1)}条", text, number=place + 1
            )
        )
    return made


def questions() -> list[str]:
    """As people ask: a word, two words, a sentence, a law and a number."""
    draw = random.Random(1)
    words = [
        "工资",
        "合同",
        "赔偿",
        "离婚",
        "抚养费",
        "承包地",
        "仲裁",
        "交通事故",
        "拖欠工资",
        "诉讼时效",
        "用人单位",
    ]
    made = []
    for _ in range(QUESTIONS):
        kind = draw.randrange(4)
        if kind == 0:
            made.append(draw.choice(words))
        elif kind == 1:
            made.append(" ".join(draw.sample(words, 2)))
        elif kind == 2:
            made.append("".join(draw.sample(words, 2)) + "怎么办")
        else:
            made.append(f"第{in_chinese(draw.randrange(1, 100))}号示范法 {draw.randrange(1, 200)}")
    return made


@asynccontextmanager
async def databases() -> AsyncIterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="law-") as folder, private_cluster() as cluster:
        yield {"SQLite": f"sqlite:///{Path(folder) / 'law.db'}", "PostgreSQL": cluster.create("law")}


async def measure(name: str, url: str, count: int) -> None:
    records = await Records.open(url)
    library = Library(records.database)
    begun = time.monotonic()
    await library.put(invented(count))
    print(f"{name}: {count} articles imported in {time.monotonic() - begun:.1f} s")
    took, busy = [], time.process_time()
    for question in questions():
        begun = time.monotonic()
        answer = await library.search(question)
        took.append((time.monotonic() - begun) * 1000)
        assert answer.articles == count
    busy = (time.process_time() - busy) * 1000 / len(took)
    cuts = statistics.quantiles(took, n=100)
    print(f"  {len(took)} questions: median {cuts[49]:.1f} ms, p95 {cuts[94]:.1f} ms, p99 {cuts[98]:.1f} ms")
    print(f"  {busy:.1f} ms of this process's own time for each")
    await records.close()


async def main(count: int) -> None:
    async with databases() as urls:
        for name, url in urls.items():
            await measure(name, url, count)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--articles", type=int, default=20_000)
    asyncio.run(main(parser.parse_args().articles))
