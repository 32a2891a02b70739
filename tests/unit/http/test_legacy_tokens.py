from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import ValidationError

from common.errors import QuartetError
from common.http.legacy import SEEN, LegacyTokens, legacy_tokens
from common.http.tokens import AccessTokens
from common.settings import LegacySettings
from tests.support.tokens import ISSUER, KEY, LEGACY_SECRET, NOW, Keys, hs256, older_claims, token

SUNSET = NOW + timedelta(days=30)
ADA = uuid4()


async def by_email(email: str) -> UUID | None:
    return {"ada@example.org": ADA}.get(email)


class Moment:
    now = NOW

    def __call__(self) -> Any:
        return self.now


@pytest.fixture
def moment() -> Moment:
    return Moment()


@pytest.fixture
def tokens(moment: Moment) -> AccessTokens:
    legacy = LegacyTokens(LEGACY_SECRET, sunset=SUNSET, scopes=frozenset({"read"}), user_by_email=by_email)
    return AccessTokens(
        issuer=ISSUER, audience="quartet", keys=Keys(KEY), revoked=set(), legacy=legacy, clock=moment
    )


async def code_of(tokens: AccessTokens, presented: str) -> str:
    with pytest.raises(QuartetError) as refusal:
        await tokens.principal(presented)
    return refusal.value.code


def seen(outcome: str) -> float:
    return SEEN.labels(outcome)._value.get()


class TestAnOlderToken:
    async def test_is_the_same_kind_of_principal(self, tokens: AccessTokens):
        said = older_claims()

        principal = await tokens.principal(hs256(said))

        assert str(principal.user_id) == said["sub"]
        assert principal.session_id is None

    async def test_may_name_its_user_by_e_mail(self, tokens: AccessTokens):
        principal = await tokens.principal(hs256(older_claims(sub="ada@example.org")))

        assert principal.user_id == ADA

    @pytest.mark.parametrize("typ", ["JWT", None])
    async def test_may_name_no_type(self, tokens: AccessTokens, typ: str | None):
        assert await tokens.principal(hs256(older_claims(), header={"typ": typ}))

    async def test_may_do_what_is_set_and_nothing_that_it_says(self, tokens: AccessTokens):
        said = older_claims(role="admin", roles=["admin"], scope="read write delete", is_superuser=True)

        principal = await tokens.principal(hs256(said))

        assert principal.scopes == {"read"}
        assert principal.roles == frozenset()

    async def test_ends_with_the_sunset_at_the_latest(self, tokens: AccessTokens):
        forever = older_claims(exp=int((NOW + timedelta(days=3650)).timestamp()))

        assert (await tokens.principal(hs256(forever))).expires_at == SUNSET

    async def test_is_refused_after_the_sunset(self, tokens: AccessTokens, moment: Moment):
        presented = hs256(older_claims(exp=int((SUNSET + timedelta(days=1)).timestamp())))
        assert await tokens.principal(presented)

        moment.now = SUNSET
        remembered, unknown = await code_of(tokens, presented), await code_of(tokens, hs256(older_claims()))

        assert (remembered, unknown) == ("token.legacy_ended", "token.legacy_ended")

    async def test_is_refused_unless_it_is_configured(self):
        tokens = AccessTokens(
            issuer=ISSUER, audience="quartet", keys=Keys(KEY), revoked=set(), clock=lambda: NOW
        )

        assert await code_of(tokens, hs256(older_claims())) == "token.wrong_algorithm"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"exp": int(NOW.timestamp())}, "token.expired"),
            ({"exp": None}, "token.malformed"),
            ({"exp": "never"}, "token.malformed"),
            ({"iat": int(NOW.timestamp()) + 60}, "token.not_yet_valid"),
            ({"nbf": int(NOW.timestamp()) + 60}, "token.not_yet_valid"),
            ({"sub": None}, "token.malformed"),
            ({"sub": 7}, "token.malformed"),
            ({"sub": "admin"}, "token.malformed"),
            ({"sub": "grace@example.org"}, "token.legacy_subject"),
        ],
    )
    async def test_with_other_claims_is_refused(
        self, tokens: AccessTokens, changes: dict[str, Any], code: str
    ):
        assert await code_of(tokens, hs256(older_claims(**changes))) == code

    async def test_of_another_secret_is_refused(self, tokens: AccessTokens):
        assert await code_of(tokens, hs256(older_claims(), "another secret")) == "token.bad_signature"

    async def test_is_counted_whenever_it_comes(self, tokens: AccessTokens):
        accepted, forged = seen("accepted"), seen("bad_signature")
        presented = hs256(older_claims())

        await tokens.principal(presented)
        await tokens.principal(presented)
        await code_of(tokens, hs256(older_claims(), "another secret"))
        await tokens.principal(token())

        assert (seen("accepted"), seen("bad_signature")) == (accepted + 2, forged + 1)


class TestTheBranch:
    async def test_of_an_older_token_asks_for_no_published_key(self):
        keys = Keys(KEY)
        tokens = AccessTokens(
            issuer=ISSUER,
            audience="quartet",
            keys=keys,
            revoked=set(),
            legacy=LegacyTokens(LEGACY_SECRET, sunset=SUNSET),
            clock=lambda: NOW,
        )

        await code_of(tokens, hs256(older_claims(), "another secret"))

        assert keys.asked == 0

    async def test_of_a_newer_token_is_not_tried_with_the_older_secret(self, tokens: AccessTokens):
        forged = hs256(older_claims(), header={"alg": "ES256", "typ": "at+jwt", "kid": "first"})

        assert await code_of(tokens, forged) == "token.bad_signature"


class TestTheSettings:
    def test_are_off_by_default(self):
        assert legacy_tokens(LegacySettings()) is None

    def test_need_a_sunset(self):
        with pytest.raises(ValidationError, match="LEGACY_SUNSET"):
            LegacySettings.model_validate({"secret": LEGACY_SECRET})

    def test_turn_it_on(self):
        assert legacy_tokens(LegacySettings.model_validate({"secret": LEGACY_SECRET, "sunset": SUNSET}))

    @pytest.mark.parametrize("secret", ["hunter2", "", KEY.as_pem(private=False).decode()])
    def test_refuse_what_is_no_secret_without_showing_it(self, secret: str):
        with pytest.raises(ValidationError, match="LEGACY_SECRET") as refusal:
            LegacySettings.model_validate({"secret": secret, "sunset": SUNSET})

        assert all(not secret or secret not in fault["msg"] for fault in refusal.value.errors())
