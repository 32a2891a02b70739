from joserfc import jwt
from joserfc.jwk import ECKey

from auth_service.domain.tokens import AccessClaims

TYPE = "at+jwt"
"""RFC 9068: an access token is never mistaken for another kind of token."""


def issue_access_token(key: ECKey, claims: AccessClaims) -> str:
    return jwt.encode(
        {"alg": "ES256", "typ": TYPE, "kid": key.kid}, claims.as_json(), key, algorithms=["ES256"]
    )
