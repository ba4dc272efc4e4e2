#!/usr/bin/env bash
# Two clients that were not written here, against `keystile serve`. See README.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=${KEYSTILE:-$here/../../target/debug/keystile}
python=${PYTHON:-python3}
work=$(mktemp -d "${TMPDIR:-/tmp}/keystile-foreign.XXXXXX")
server=

clean_up() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

if [ ! -x "$program" ]; then
    echo "no program at $program: cargo build --package keystile, or set KEYSTILE" >&2
    exit 2
fi

# Nothing of the flow goes through a proxy.
export NO_PROXY="localhost,127.0.0.1${NO_PROXY:+,$NO_PROXY}"
export no_proxy=$NO_PROXY

echo "installing openid-client and Authlib in $work"
cp "$here"/package.json "$here"/package-lock.json "$here"/*.mjs "$work"
cp "$here"/requirements.txt "$here"/*.py "$work"
(cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >npm.log 2>&1) ||
    { cat "$work/npm.log" >&2; exit 2; }
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r "$work/requirements.txt"

port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
export ISSUER="http://localhost:$port"
export PASSWORD="correct horse battery staple"
export SECRET="a-secret-of-letters-alone-as-the-program-makes-them"
# Everything that RFC 6749 section 2.3.1 wants form encoded inside of HTTP Basic.
export ODD_SECRET='50%25 + 1 = "odd" & even: a/b?c~d, forty characters'

cat >"$work/keystile.toml" <<CONFIG
issuer = "$ISSUER"
listen = "127.0.0.1:$port"

[store]
url = "sqlite://data.db"

[password_hash]
memory_kib = 256
iterations = 1

[[apis]]
audience = "https://photos.example"
scopes = ["photos:read"]

[[scopes]]
name = "photos:read"
title = "see your photos"

[[users]]
username = "alice"
password = "$PASSWORD"
name = "Alice Example"
email = "alice@example.com"
email_verified = true
CONFIG

# client ID, method, secret, and, where it says something, the ID token's algorithm
client() {
    {
        printf '\n[[clients]]\nclient_id = "%s"\nclient_name = "Foreign %s"\n' "$1" "$1"
        printf 'token_endpoint_auth_method = "%s"\n' "$2"
        if [ -n "$3" ]; then printf "client_secret = '%s'\n" "$3"; fi
        if [ -n "${4:-}" ]; then printf 'id_token_signed_response_alg = "%s"\n' "$4"; fi
        printf 'redirect_uris = ["https://app.example/callback/%s"]\n' "$1"
        printf 'post_logout_redirect_uris = ["https://app.example/bye/%s"]\n' "$1"
        printf 'grant_types = ["authorization_code", "refresh_token"]\n'
        printf 'scope = "openid profile email offline_access photos:read"\n'
    } >>"$work/keystile.toml"
}
client node-es256 client_secret_basic "$ODD_SECRET" ES256
client node-default client_secret_post "$SECRET"
client node-ps256 client_secret_basic "$SECRET" PS256
client node-eddsa none "" EdDSA
client python-default client_secret_basic "$SECRET"
client python-es256 client_secret_post "$SECRET" ES256

"$program" serve --config "$work/keystile.toml" >"$work/server.log" 2>&1 &
server=$!

answers() {
    "$python" - "$ISSUER$1" <<'PYTHON'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    sys.exit(opener.open(sys.argv[1], timeout=15).status != 200)
except OSError:
    sys.exit(1)
PYTHON
}
for path in /readyz /jwks; do
    for attempt in $(seq 120); do
        if answers "$path"; then continue 2; fi
        if ! kill -0 "$server" 2>/dev/null; then break; fi
        sleep 0.25
    done
    echo "the server does not answer $path" >&2
    cat "$work/server.log" >&2
    exit 2
done

cd "$work"
for script in "node openid-client.mjs" "venv/bin/python authlib_client.py"; do
    # 3 says that checks failed; anything else that the script did not come to its end.
    status=0
    $script >>results 2>>errors || status=$?
    if [ $status -ne 0 ] && [ $status -ne 3 ]; then
        echo "FAILED  $script ended with status $status" >>results
    fi
done
cat results
if ! kill -0 "$server" 2>/dev/null; then echo "FAILED  the server ended" | tee -a results; fi
if grep -q panic server.log; then echo "FAILED  the server panicked" | tee -a results; fi

passed=$(grep -c '^ok ' results || true)
failed=$(grep -c '^FAILED ' results || true)
if [ "$failed" -gt 0 ]; then
    cat errors >&2
    tail -n 40 server.log >&2
fi
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
