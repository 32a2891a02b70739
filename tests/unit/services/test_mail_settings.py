import pytest
from pydantic import ValidationError

from auth_service.mail_settings import MailSettings

FITTING = {
    "host": "smtp.example.org",
    "sender": "Quartet <no-reply@quartet.example>",
    "console_url": "https://app.example.org",
}


def settings(**changed) -> MailSettings:
    return MailSettings.model_validate(FITTING | changed)


class TestMailSettings:
    @pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("implicit", 465), ("none", 25)])
    def test_know_the_port_of_each_kind_of_tls(self, tls, port):
        assert settings(tls=tls).server.port == port
        assert settings(tls=tls, port=2525).server.port == 2525

    @pytest.mark.parametrize(
        ("sender", "name", "address"),
        [
            ("Quartet <no-reply@quartet.example>", "Quartet", "no-reply@quartet.example"),
            ('"Größe, Söhne" <mail@größe.example>', "Größe, Söhne", "mail@xn--gre-6ka8i.example"),
            ("no-reply@quartet.example", "quartet.example", "no-reply@quartet.example"),
        ],
    )
    def test_know_in_whose_name_mails_speak(self, sender, name, address):
        found = settings(sender=sender)

        assert (found.from_whom.name, found.from_whom.address) == (name, address)
        assert found.server.greeting == address.partition("@")[2]

    @pytest.mark.parametrize(
        ("changed", "variable"),
        [
            ({"host": "smtp.example.org:587 "}, "MAIL_HOST"),
            ({"host": "smtps://smtp.example.org"}, "MAIL_HOST"),
            ({"host": ""}, "MAIL_HOST"),
            ({"sender": "Quartet"}, "MAIL_SENDER"),
            ({"sender": "Quartet <no-reply@quartet.example>\r\nBcc: eve@example.org"}, "MAIL_SENDER"),
            ({"sender": "ädä@example.org"}, "MAIL_SENDER"),
            ({"console_url": "app.example.org"}, "MAIL_CONSOLE_URL"),
            ({"console_url": "https://app.example.org/?a=b"}, "MAIL_CONSOLE_URL"),
            ({"console_url": "https://app.example.org#x"}, "MAIL_CONSOLE_URL"),
            ({"console_url": "https://user@app.example.org"}, "MAIL_CONSOLE_URL"),
            ({"console_url": "javascript://app.example.org"}, "MAIL_CONSOLE_URL"),
            ({"console_url": "https://app.example.org:99999"}, "MAIL_CONSOLE_URL"),
            ({"user": "quartet"}, "MAIL_PASSWORD"),
            ({"password": "s3cret"}, "MAIL_USER"),
            ({"user": "quartet", "password": "s3cret", "tls": "none"}, "MAIL_TLS"),
        ],
    )
    def test_that_do_not_fit_are_named(self, changed, variable):
        with pytest.raises(ValidationError, match=variable) as refused:
            settings(**changed)

        assert "s3cret" not in str(refused.value.errors(include_input=False, include_context=False))

    @pytest.mark.parametrize(
        ("changed", "variable"),
        [({"tls": "none"}, "MAIL_TLS"), ({"console_url": "http://app.example.org"}, "MAIL_CONSOLE_URL")],
    )
    def test_for_development_are_refused_in_production(self, changed, variable):
        with pytest.raises(ValueError, match=variable):
            settings(**changed).refuse_what_is_for_development()

    def test_take_a_server_on_the_same_machine_as_it_is(self):
        settings(tls="none", host="127.0.0.1").refuse_what_is_for_development()
