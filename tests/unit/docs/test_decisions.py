from collections import Counter

from tests.support.repository import ROOT

FOLDER = ROOT / "docs/adr"
PAGES = sorted(FOLDER.glob("0*.md"))


class TestDecisions:
    def test_have_a_number_each(self):
        numbers = Counter(page.name[:4] for page in PAGES)

        assert [number for number, pages in numbers.items() if pages > 1] == []

    def test_stand_in_the_index_by_number_and_title(self):
        rows = [line for line in (FOLDER / "README.md").read_text().splitlines() if line.startswith("| [")]

        assert rows == [row_of(page.name, page.read_text().partition("\n")[0]) for page in PAGES]


def row_of(name: str, heading: str) -> str:
    number = name[:4]
    return f"| [{number}]({name}) | {heading.removeprefix(f'# {number} ')} |"
