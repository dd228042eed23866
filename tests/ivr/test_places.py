"""Where numbers are at home: the table says what the library says, and nothing of it is loaded at a start."""

import random
import subprocess
import sys
from pathlib import Path

import phonenumbers
import pytest

from ivr.places import Places, make


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Places:
    made = Places(tmp_path_factory.mktemp("cache"))
    make(made.file)
    return made


async def test_the_table_is_made_when_it_is_not_there(tmp_path: Path) -> None:
    places = Places(tmp_path / "cache")
    assert places.of("01085281700", "zh") is None
    await places.prepare()
    assert places.of("01085281700", "zh") == "北京市"


def test_a_number_says_where_it_is_at_home(places: Places) -> None:
    assert places.of("01085281700", "zh") == "北京市"
    assert places.of("01085281700", "en") == "Beijing"
    assert "中国移动" in (places.of("13812345678", "zh") or "")
    assert places.of("+33142685300", "zh") == "法国"
    assert places.of("+33142685300", "en") == "France"
    assert places.of("8008101234", "zh") == "中国"  # at home everywhere
    for nowhere in ("12345", "", None, "not a number", "1" * 40):
        assert places.of(nowhere, "zh") is None


def test_the_table_says_what_the_library_says(places: Places) -> None:
    from phonenumbers import carrier, geocoder

    chance = random.Random(12348)
    starts = ("13", "15", "18", "17", "010", "021", "0571", "0898")
    for number in (chance.choice(starts) + str(chance.randrange(10**8, 10**9))[:9] for _ in range(3_000)):
        known = phonenumbers.parse(number, "CN")
        if not phonenumbers.is_valid_number(known):
            continue
        for language in ("zh", "en"):
            said = geocoder.description_for_number(known, language), carrier.name_for_number(known, language)
            assert places.of(number, language) == " ".join(word for word in said if word)


async def test_a_folder_that_cannot_be_written_costs_the_places_only(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    places = Places(tmp_path / "cache")
    await places.prepare()
    assert places.of("01085281700", "zh") is None


def test_the_switchboard_starts_without_the_tables_of_the_world() -> None:
    seen = (
        "import sys, switchboard.app; print([m for m in sys.modules if 'geodata' in m or 'carrierdata' in m])"
    )
    child = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"
