from datetime import UTC, datetime
from email.parser import BytesParser
from email.policy import SMTP
from html.parser import HTMLParser
from uuid import UUID

import pytest

from auth_service.domain.links import LIFETIMES, Purpose
from auth_service.domain.mail import Sender
from auth_service.usecases.request_mail import Mail
from auth_service.usecases.write_mail import LANGUAGES, Letter, Letters, compose

LINK = "https://app.example.org/verify-email?token=ql1_abc"
VALUES = {
    "sender": "Quartet",
    "link": LINK,
    "new_address": "grace@example.org",
    "verify_hours": "24",
    "reset_minutes": "30",
    "confirm_hours": "2",
}
WITH_LINK = {Mail.VERIFY_EMAIL, Mail.RESET_PASSWORD, Mail.CONFIRM_EMAIL}
SENDER = Sender("Quartet", "no-reply@quartet.example")
MAIL_ID = UUID("0197a8c0-0000-7000-8000-000000000001")
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def letters() -> Letters:
    return Letters()


class Page(HTMLParser):
    """What a reader of the HTML sees, and where its links go."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.tags, self.links = "", set(), []
        self.language = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name == "href"]
        self.language = dict(attrs).get("lang", self.language)

    def handle_data(self, data):
        self.words += data


def same_words(text: str) -> list[str]:
    return text.split()


class TestLetter:
    @pytest.mark.parametrize("language", LANGUAGES)
    @pytest.mark.parametrize("mail", Mail)
    def test_says_the_same_as_text_and_as_html(self, letters, mail, language):
        letter = letters.written(mail, language, VALUES)
        page = Page(letter.html)

        assert letter.subject.strip()
        assert same_words(page.words) == same_words(letter.text)
        assert page.language == language
        assert page.links == ([LINK] if mail in WITH_LINK else [])
        assert (LINK in letter.text) == (mail in WITH_LINK)

    @pytest.mark.parametrize("mail", Mail)
    def test_is_another_one_in_each_language(self, letters, mail):
        assert len({letters.written(mail, language, VALUES).subject for language in LANGUAGES}) == 2

    @pytest.mark.parametrize(
        ("asked", "spoken"), [("de", "de"), ("de-AT", "de"), ("en-GB", "en"), ("fr", "en"), ("pt-BR", "en")]
    )
    def test_is_in_the_user_s_language_or_in_english(self, letters, asked, spoken):
        assert letters.written(Mail.VERIFY_EMAIL, asked, VALUES) == letters.written(
            Mail.VERIFY_EMAIL, spoken, VALUES
        )

    def test_tells_how_long_each_link_works(self, letters):
        assert "24 hours" in letters.written(Mail.VERIFY_EMAIL, "en", VALUES).text
        assert "30 minutes" in letters.written(Mail.RESET_PASSWORD, "en", VALUES).text
        assert "2 hours" in letters.written(Mail.CONFIRM_EMAIL, "en", VALUES).text
        assert set(LIFETIMES) == set(Purpose)

    def test_shows_what_it_is_told_and_runs_none_of_it(self, letters):
        told = '<script>alert("$link")</script> & ${link}'
        letter = letters.written(Mail.VERIFY_EMAIL, "en", VALUES | {"sender": told})
        page = Page(letter.html)

        assert "script" not in page.tags
        assert told in letter.text
        assert same_words(page.words) == same_words(letter.text)

    def test_without_a_value_is_none(self, letters):
        with pytest.raises(KeyError):
            letters.written(Mail.VERIFY_EMAIL, "en", {})


class TestMessage:
    def test_can_be_read_by_whatever_reads_mails(self):
        letter = Letter("Bestätigen", "Größe\n", "<p>Größe</p>")
        composed = compose(letter, SENDER, "ada@example.org", mail_id=MAIL_ID, now=NOW)

        read = BytesParser(policy=SMTP).parsebytes(composed.as_bytes())

        assert str(read["From"]) == "Quartet <no-reply@quartet.example>"
        assert str(read["To"]) == "ada@example.org"
        assert str(read["Subject"]) == "Bestätigen"
        assert read["Message-ID"] == f"<{MAIL_ID}@quartet.example>"
        assert read["Auto-Submitted"] == "auto-generated"
        assert read["Date"].datetime == NOW
        assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
        assert [part.get_content().strip() for part in read.iter_parts()] == ["Größe", "<p>Größe</p>"]

    @pytest.mark.parametrize(
        ("sender", "recipient"),
        [
            (SENDER, "ada@example.org\r\nBcc: eve@example.org"),
            (SENDER, "ada\nBcc: eve@example.org"),
            (Sender("Quartet\r\nBcc: eve@example.org", SENDER.address), "ada@example.org"),
            (Sender("Quartet", "a@example.org\nBcc: eve@example.org"), "ada@example.org"),
        ],
    )
    def test_takes_no_other_header_from_a_name_or_an_address(self, sender, recipient):
        with pytest.raises(ValueError, match=r"(?i)invalid|cr|newline|linefeed|domain"):
            compose(Letter("s", "t", "h"), sender, recipient, mail_id=MAIL_ID, now=NOW)

    def test_takes_no_other_header_from_a_subject(self):
        with pytest.raises(ValueError, match="linefeed"):
            compose(
                Letter("s\r\nBcc: eve@example.org", "t", "h"),
                SENDER,
                "ada@example.org",
                mail_id=MAIL_ID,
                now=NOW,
            )

    @pytest.mark.parametrize("name", ["Größe, Söhne & Co.", 'The "best"', "日本語", "a" * 200])
    def test_says_who_sends_it_whatever_they_are_called(self, name):
        sender = Sender(name, SENDER.address)
        composed = compose(Letter("s", "t", "h"), sender, "a@example.org", mail_id=MAIL_ID, now=NOW)

        (address,) = BytesParser(policy=SMTP).parsebytes(composed.as_bytes())["From"].addresses

        assert (address.display_name, address.addr_spec) == (name, SENDER.address)
