"""Prints the realm of the check: clients, the API's scope and audience, and the user. Where everything
is comes in the environment; see ../run.sh."""
import json
import os

E = os.environ


def client(client_id, origin, **more):
    attributes = {
        "pkce.code.challenge.method": "S256",
        "post.logout.redirect.uris": f"{origin}/",
        "backchannel.logout.url": f"{origin}/backchannel-logout",
        "backchannel.logout.session.required": "true",
        **more.pop("attributes", {}),
    }
    return {
        "clientId": client_id,
        "secret": E["SECRET"],
        "enabled": True,
        "protocol": "openid-connect",
        "publicClient": False,
        "standardFlowEnabled": True,
        "directAccessGrantsEnabled": False,
        "consentRequired": True,
        "redirectUris": [f"{origin}/callback"],
        "attributes": attributes,
        "defaultClientScopes": ["basic", "profile", "email"],
        "optionalClientScopes": ["photos:read"],
        **more,
    }


def mapper(name, kind, **config):
    return {"name": name, "protocol": "openid-connect", "protocolMapper": kind, "config": config}


def scope(name, *mappers):
    return {
        "name": name,
        "protocol": "openid-connect",
        "attributes": {"include.in.token.scope": "true", "display.on.consent.screen": "true"},
        "protocolMappers": list(mappers),
    }


IN_ACCESS_TOKENS = {"access.token.claim": "true", "introspection.token.claim": "true"}
ABOUT_THE_USER = {"id.token.claim": "true", "userinfo.token.claim": "true"}

# An imported realm has the scopes that it names, and no others: the first three are what a new realm
# has, as far as they matter here. The API's puts the API into the audience.
scopes = [
    scope("basic", mapper("sub", "oidc-sub-mapper", **IN_ACCESS_TOKENS)),
    scope("profile", mapper("full name", "oidc-full-name-mapper", **ABOUT_THE_USER)),
    scope(
        "email",
        mapper(
            "email",
            "oidc-usermodel-property-mapper",
            **{"user.attribute": "email", "claim.name": "email", "jsonType.label": "String"},
            **ABOUT_THE_USER,
        ),
    ),
    scope(
        "photos:read",
        mapper(
            "the API",
            "oidc-audience-mapper",
            **{"included.custom.audience": E["API"]},
            **IN_ACCESS_TOKENS,
        ),
        # Whoever asks about a token that does not name it is told that there is none.
        mapper(
            "who asks",
            "oidc-audience-mapper",
            **{"included.client.audience": "api"},
            **IN_ACCESS_TOKENS,
        ),
    ),
]

vault = {
    "clientAuthenticatorType": "client-jwt",
    "attributes": {
        "use.jwks.string": "true",
        "jwks.string": open(E["VAULT_JWKS"]).read(),
        "token.endpoint.auth.signing.alg": "ES256",
        "id.token.signed.response.alg": "ES256",
        "access.token.signed.response.alg": "ES256",
        "require.pushed.authorization.requests": "true",
        "dpop.bound.access.tokens": "true",
    },
}

# The API itself, which asks about tokens.
api = {
    "clientId": "api",
    "secret": E["SECRET"],
    "enabled": True,
    "protocol": "openid-connect",
    "publicClient": False,
    "standardFlowEnabled": False,
    "directAccessGrantsEnabled": False,
}

user = {
    "username": E["USERNAME"],
    "email": "alice@example.com",
    "emailVerified": True,
    "firstName": "Alice",
    "lastName": "Example",
    "enabled": True,
    "credentials": [{"type": "password", "value": E["PASSWORD"]}],
}

print(
    json.dumps(
        {
            "realm": "foreign",
            "enabled": True,
            "sslRequired": "none",
            "revokeRefreshToken": True,
            "refreshTokenMaxReuse": 0,
            "clients": [
                client("printer", E["PRINTER"]),
                client("album", E["ALBUM"]),
                client("vault", E["VAULT"], **vault),
                api,
            ],
            "clientScopes": scopes,
            "users": [user],
        },
        indent=1,
    )
)
