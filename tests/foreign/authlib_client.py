"""A server-side app with Authlib and Flask, and the browser of the person who uses it."""

import base64
import os
import sys
import time
import traceback
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

# The issuer of a development server is http on loopback.
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"

import requests
from authlib.integrations.base_client import MismatchingStateError, OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc9207
from authlib.oidc import discovery, rpinitiated
from flask import Flask, abort, jsonify, request
from joserfc import jws
from joserfc.errors import BadSignatureError, InvalidClaimError

from browser import Browser

ISSUER, PASSWORD, SECRET = (os.environ[name] for name in ("ISSUER", "PASSWORD", "SECRET"))
APP = "https://app.example"

CLIENTS = {
    "python-default": {"method": "client_secret_basic", "alg": "RS256"},
    "python-es256": {"method": "client_secret_post", "alg": "ES256"},
}

app = Flask(__name__)
app.config.update(TESTING=True, SECRET_KEY="of this test alone")
oauth = OAuth(app)
for client_id, client in CLIENTS.items():
    oauth.register(
        client_id,
        client_id=client_id,
        client_secret=SECRET,
        server_metadata_url=f"{ISSUER}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid profile email offline_access photos:read",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": client["method"],
        },
    )


@app.get("/login/<name>")
def login(name):
    more = request.args.to_dict()
    return oauth.create_client(name).authorize_redirect(f"{APP}/callback/{name}", **more)


@app.get("/callback/<name>")
def callback(name):
    client = oauth.create_client(name)
    # Authlib leaves this to the app (RFC 9207 section 2.4).
    if request.args.get("iss") != client.load_server_metadata()["issuer"]:
        abort(400)
    return jsonify(client.authorize_access_token())


@app.get("/logout/<name>")
def logout(name):
    client = oauth.create_client(name)
    return client.logout_redirect(f"{APP}/bye/{name}", id_token_hint=request.args["hint"])


@app.get("/bye/<name>")
def bye(name):
    return jsonify(oauth.create_client(name).validate_logout_response())


class Person:
    """Somebody with one browser: its cookies for the server, and those for the app."""

    def __init__(self, name):
        self.name = name
        self.browser = Browser(ISSUER)
        self.app = app.test_client()

    def visit(self, url):
        """Opens an address of the app."""
        return self.app.get(url, base_url=APP)

    def start(self, **more):
        """Follows the app's login link to what the server shows."""
        answer = self.visit(f"/login/{self.name}?{urlencode(more)}")
        assert answer.status_code == 302, answer.status_code
        return self.browser.open(answer.location)

    def sign_in(self, page):
        assert page.has("login-submit"), f"a login page: {page}"
        fill = {"username": "alice", "password": PASSWORD}
        return self.browser.press(page, "login-submit", fill)

    def allow(self, page):
        assert page.has("consent-allow"), f"a consent page: {page}"
        return self.browser.press(page, "consent-allow")

    def tokens(self, page):
        """Brings a callback to the app, which answers with what it got."""
        assert page.url.startswith(f"{APP}/callback/{self.name}?"), f"a callback: {page}"
        answer = self.visit(page.url)
        assert answer.status_code == 200, answer.status_code
        return answer.json


def query(url):
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def with_query(url, **changes):
    params = {**query(url), **changes}
    params = {name: value for name, value in params.items() if value is not None}
    return urlunsplit(urlsplit(url)._replace(query=urlencode(params)))


def refused(error, run, code=None):
    """The library's own error of that type, and with that code."""
    try:
        run()
    except error as e:
        assert code is None or e.error == code, f"{e.error} instead of {code}"
        return e
    raise AssertionError(f"{error.__name__} was expected")


def changed(token):
    """The token with another subject under the same signature."""
    head, _, signature = token.split(".")
    parsed = jws.extract_compact(token.encode())
    claims = parsed.payload.replace(b'"sub":"', b'"sub":"x')
    assert claims != parsed.payload
    return f"{head}.{base64.urlsafe_b64encode(claims).rstrip(b'=').decode()}.{signature}"


class Checks:
    def __init__(self, name):
        self.name, self.failed = name, 0

    def __call__(self, what):
        """Runs a function as a check, and prints its line."""

        def run(function):
            line = f"Authlib {self.name}: {what}"
            try:
                function()
                print(f"ok      {line}", flush=True)
            except Exception as e:
                self.failed += 1
                said = (str(e).splitlines() or [""])[0]
                print(f"FAILED  {line}: {type(e).__name__}: {said}", flush=True)
                traceback.print_exc()

        return run


def run(name, method, alg):
    check = Checks(name)
    person = Person(name)
    client = oauth.create_client(name)
    got = {}

    @check("discovers the server, and the library finds its metadata valid")
    def _():
        metadata = client.load_server_metadata()
        assert metadata["issuer"] == ISSUER
        document = {key: value for key, value in metadata.items() if key != "_loaded_at"}
        discovery.OpenIDProviderMetadata(document).validate(
            [rfc9207.AuthorizationServerMetadata, rpinitiated.OpenIDProviderMetadata]
        )

    @check("prompt=none before anybody signed in is login_required")
    def _():
        page = person.start(prompt="none")
        refused(OAuthError, lambda: person.tokens(page), "login_required")

    @check("login and consent lead to the callback, with state and iss")
    def _():
        page = person.allow(person.sign_in(person.start()))
        assert page.url.startswith(f"{APP}/callback/{name}?"), f"a callback: {page}"
        answer = query(page.url)
        assert answer["iss"] == ISSUER and answer["state"] and answer["code"]
        got["callback"] = page

    @check("the app refuses another iss; the library another state, and another browser")
    def _():
        url = got["callback"].url
        assert person.visit(with_query(url, iss="https://other.example")).status_code == 400
        assert person.visit(with_query(url, iss=None)).status_code == 400
        refused(MismatchingStateError, lambda: person.visit(with_query(url, state="another")))
        refused(MismatchingStateError, lambda: Person(name).visit(url))

    @check(f"the code becomes tokens; the library accepts the ID token, {alg}")
    def _():
        got["tokens"] = tokens = person.tokens(got["callback"])
        assert jws.extract_compact(tokens["id_token"].encode()).headers()["alg"] == alg
        assert tokens["token_type"].lower() == "bearer" and tokens["refresh_token"]
        # Only there when signature, iss, aud, exp, nonce and at_hash were right.
        assert tokens["userinfo"]["nonce"]
        got["sub"] = tokens["userinfo"]["sub"]

    @check("the library refuses the ID token with another nonce or access token, or changed")
    def _():
        tokens = got["tokens"]
        nonce = tokens["userinfo"]["nonce"]
        client.parse_id_token(tokens, nonce=nonce)
        refused(InvalidClaimError, lambda: client.parse_id_token(tokens, nonce="another"))
        forged = {**tokens, "id_token": changed(tokens["id_token"])}
        refused(BadSignatureError, lambda: client.parse_id_token(forged, nonce=nonce))
        other = {**tokens, "access_token": "another"}
        refused(InvalidClaimError, lambda: client.parse_id_token(other, nonce=nonce))

    @check("userinfo is of the same subject")
    def _():
        info = client.userinfo(token=got["tokens"])
        assert info["sub"] == got["sub"], info
        assert (info["name"], info["email"]) == ("Alice Example", "alice@example.com"), info
        assert info["email_verified"] is True, info

    metadata = client.load_server_metadata()
    updates = []
    session = OAuth2Session(
        name,
        SECRET,
        token_endpoint_auth_method=method,
        revocation_endpoint_auth_method=method,
        token_endpoint=metadata["token_endpoint"],
        token=dict(got.get("tokens", {})) or None,
        update_token=lambda token, **_: updates.append(token),
    )

    @check("an access token that has expired is refreshed by the library on the way")
    def _():
        before = session.token["access_token"]
        session.token["expires_at"] = int(time.time()) - 1
        answer = session.get(metadata["userinfo_endpoint"])
        assert answer.status_code == 200 and answer.json()["sub"] == got["sub"]
        assert len(updates) == 1 and session.token["access_token"] != before

    @check("refresh gives tokens of the same subject, with an ID token that the library accepts")
    def _():
        before = session.token["access_token"]
        token = session.refresh_token()
        assert token["access_token"] != before
        assert client.userinfo(token=token)["sub"] == got["sub"]
        assert client.parse_id_token(token, nonce=None)["sub"] == got["sub"]

    def introspect(token):
        answer = session.introspect_token(metadata["introspection_endpoint"], token=token)
        assert answer.status_code == 200, answer.text
        return answer.json()

    @check("introspection says that both tokens are active")
    def _():
        for kind in ("access_token", "refresh_token"):
            answer = introspect(session.token[kind])
            assert answer["active"] is True, answer
            assert (answer["sub"], answer["client_id"]) == (got["sub"], name), answer

    @check("prompt=none signs in silently, as the same subject")
    def _():
        assert person.tokens(person.start(prompt="none"))["userinfo"]["sub"] == got["sub"]

    @check("denied consent is access_denied, as the library has it")
    def _():
        page = person.start(prompt="consent")
        assert page.has("consent-deny"), f"a consent page: {page}"
        denied = person.browser.press(page, "consent-deny")
        refused(OAuthError, lambda: person.tokens(denied), "access_denied")

    @check("a code used twice is invalid_grant")
    def _():
        answer = person.visit(f"/login/{name}")
        asked = query(answer.location)
        with person.app.session_transaction(base_url=APP) as kept:
            verifier = kept[f"_state_{name}_{asked['state']}"]["data"]["code_verifier"]
        page = person.browser.open(answer.location)
        assert person.tokens(page)["access_token"]
        again = {"code": query(page.url)["code"], "code_verifier": verifier}
        fetch = lambda: client.fetch_access_token(asked["redirect_uri"], **again)
        refused(OAuthError, fetch, "invalid_grant")

    @check("a wrong secret is invalid_client")
    def _():
        stranger = OAuth2Session(
            name, "not the secret of this client at all", token_endpoint_auth_method=method
        )
        token = session.token["refresh_token"]
        fetch = lambda: stranger.refresh_token(metadata["token_endpoint"], refresh_token=token)
        refused(OAuthError, fetch, "invalid_client")

    @check("revocation ends the access token")
    def _():
        token = dict(session.token)
        revoke = lambda kind: session.revoke_token(
            metadata["revocation_endpoint"], token=token[kind], token_type_hint=kind
        )
        assert revoke("access_token").status_code == 200
        assert introspect(token["access_token"]) == {"active": False}
        error = refused(requests.HTTPError, lambda: client.userinfo(token=token))
        assert error.response.status_code == 401
        assert 'error="invalid_token"' in error.response.headers["WWW-Authenticate"]

    @check("revocation ends the refresh token")
    def _():
        token = session.token["refresh_token"]
        revoked = session.revoke_token(metadata["revocation_endpoint"], token=token)
        assert revoked.status_code == 200
        assert introspect(token) == {"active": False}
        refused(OAuthError, lambda: session.refresh_token(refresh_token=token), "invalid_grant")

    @check("logout with the ID token leads to the post-logout redirect URI")
    def _():
        tokens = person.tokens(person.start())
        answer = person.visit(f"/logout/{name}?hint={tokens['id_token']}")
        page = person.browser.open(answer.location)
        assert page.url.startswith(f"{APP}/bye/{name}?"), str(page)
        data = person.visit(page.url).json
        assert data["post_logout_redirect_uri"] == f"{APP}/bye/{name}", data
        assert query(person.start(prompt="none").url)["error"] == "login_required"

    return check.failed


failed = sum(run(name, **client) for name, client in CLIENTS.items())
sys.exit(3 if failed else 0)
