#!/usr/bin/env bash
# Our client and our guard with authorization servers that were not written here. See README.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
program=${PROGRAM:-$here/../../../target/debug/keystile-foreign-servers}
python=${PYTHON:-python3}
keycloak=26.7.3
work=$(mktemp -d "${TMPDIR:-/tmp}/keystile-servers.XXXXXX")
server=

stop() {
    if [ -n "$server" ]; then
        # The server and all that it started: each has a process group of its own.
        kill -- "-$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        server=
    fi
}
clean_up() {
    stop
    rm -rf "$work"
}
trap clean_up EXIT

if [ ! -x "$program" ]; then
    echo "no program at $program: cargo build --package keystile-foreign-servers, or set PROGRAM" >&2
    exit 2
fi

# Nothing of the flow goes through a proxy.
export NO_PROXY="localhost,127.0.0.1${NO_PROXY:+,$NO_PROXY}"
export no_proxy=$NO_PROXY

read -r -a ports < <("$python" - <<'PYTHON'
import socket
sockets = [socket.socket() for _ in range(5)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PYTHON
)
base="http://127.0.0.1:${ports[0]}"
export API="http://127.0.0.1:${ports[1]}"
export PRINTER="http://localhost:${ports[2]}"
export ALBUM="http://localhost:${ports[3]}"
export VAULT="http://localhost:${ports[4]}"
# As in src/settings.rs.
export SECRET="a-secret-of-forty-characters-or-something"
export USERNAME="alice"
export PASSWORD="correct horse battery staple"

export VAULT_KEY="$work/vault.pem" VAULT_JWKS="$work/vault-jwks.json"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$VAULT_KEY" 2>/dev/null
"$program" jwks "$VAULT_KEY" >"$VAULT_JWKS"

answers() {
    "$python" - "$ISSUER/.well-known/openid-configuration" <<'PYTHON'
import sys, urllib.request
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    sys.exit(opener.open(sys.argv[1], timeout=15).status != 200)
except OSError:
    sys.exit(1)
PYTHON
}

# name, then the command that serves in the foreground
try_out() {
    local name=$1 status=0
    shift
    (cd "$work" && exec setsid "$@" >"$work/$name.log" 2>&1) &
    server=$!
    for attempt in $(seq 480); do
        if answers; then break; fi
        if ! kill -0 "$server" 2>/dev/null || [ "$attempt" -eq 480 ]; then
            echo "FAILED  $name does not answer" | tee -a "$work/results"
            cat "$work/$name.log" >&2
            stop
            return
        fi
        sleep 0.25
    done
    # 3 says that checks failed; anything else that it did not come to its end.
    "$program" "$name" >"$work/$name.results" 2>"$work/$name.errors" || status=$?
    if [ $status -ne 0 ] && [ $status -ne 3 ]; then
        echo "FAILED  $name: ended with status $status" >>"$work/$name.results"
    fi
    tee -a "$work/results" <"$work/$name.results"
    if grep -q '^FAILED ' "$work/$name.results"; then
        tail -n 40 "$work/$name.errors" "$work/$name.log" >&2
    fi
    stop
}

node_oidc_provider() {
    cp "$here"/node-oidc-provider/* "$work"
    (cd "$work" && npm ci --no-audit --no-fund --loglevel=error >npm.log 2>&1) ||
        { cat "$work/npm.log" >&2; exit 2; }
    export ISSUER=$base
    try_out node-oidc-provider node_modules/node/bin/node server.js
}

keycloak() {
    mvn --batch-mode --quiet dependency:copy -DoutputDirectory="$work" \
        -Dartifact="org.keycloak:keycloak-quarkus-dist:$keycloak:zip" >"$work/mvn.log" 2>&1 ||
        { cat "$work/mvn.log" >&2; exit 2; }
    (cd "$work" && unzip -q "keycloak-quarkus-dist-$keycloak.zip")
    mkdir -p "$work/keycloak-$keycloak/data/import"
    "$python" "$here/keycloak/realm.py" >"$work/keycloak-$keycloak/data/import/foreign-realm.json"
    export ISSUER="$base/realms/foreign"
    try_out keycloak "keycloak-$keycloak/bin/kc.sh" start-dev --db=dev-mem --import-realm --cache=local \
        --http-host=127.0.0.1 --http-port="${ports[0]}" --hostname="$base" --log-level=warn
}

touch "$work/results"
case ${1:-all} in
    all) node_oidc_provider; keycloak ;;
    node-oidc-provider) node_oidc_provider ;;
    keycloak) keycloak ;;
    *) echo "say node-oidc-provider, keycloak, or nothing for both" >&2; exit 2 ;;
esac

passed=$(grep -c '^ok ' "$work/results" || true)
failed=$(grep -c '^FAILED ' "$work/results" || true)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
