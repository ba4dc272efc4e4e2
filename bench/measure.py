#!/usr/bin/env python3
"""Measures Keystile, and node-oidc-provider beside it, with a driver that is given by its folder.

    cargo build --release
    bench/measure.py --driver FOLDER [--peer FOLDER] [--store postgres://...]

The server runs on core 0 and the driver on core 1; each round measures both servers in turn, and the median of the
rounds is printed, as Markdown. README.md beside this file says what the figures are. Python 3.9, its standard library,
`taskset` and two cores are all that is needed; `npm` for the peer.
"""

import argparse
import http.client
import json
import os
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from base64 import b64encode
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRET = "bench-secret-bench-secret-bench-secret"
PASSWORD = "a password for measuring"
USERS = 50
# Seconds after the other scenario.
FLOOD_BEGINS = 4
OFFLINE = ["--scope", "openid offline_access"]
# Name, what the driver is told, what it is told of the peer besides.
SCENARIOS = [
    ("client-credentials", [], []),
    ("sso-code-flow", [], []),
    ("refresh", OFFLINE, ["--login-param", "prompt=consent"]),
    ("introspect", [], []),
    ("userinfo", [], []),
    ("full-login", [], []),
]


def say(words):
    print(words, file=sys.stderr, flush=True)


class Server:
    """A server process on core 0, in a folder of its own."""

    def __init__(self, command, folder, port, env=None):
        self.port, self.started = port, time.monotonic()
        self.log = open(folder / "server.log", "ab")
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", *command], cwd=folder, stdout=self.log, stderr=self.log, env={**os.environ, **(env or {})}
        )

    def first_token(self):
        """Milliseconds from the start to the first token."""
        basic = b64encode(f"bench:{SECRET}".encode()).decode()
        head = {"Authorization": f"Basic {basic}", "Content-Type": "application/x-www-form-urlencoded"}
        while self.process.poll() is None and time.monotonic() - self.started < 120:
            try:
                ask = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                ask.request("POST", "/token", "grant_type=client_credentials", head)
                if ask.getresponse().status == 200:
                    return 1000 * (time.monotonic() - self.started)
            except OSError:
                pass
            time.sleep(0.001)
        raise SystemExit(f"the server on port {self.port} does not start: see {self.log.name}")

    def written(self):
        """Bytes that the process has sent to the disk."""
        lines = Path(f"/proc/{self.process.pid}/io").read_text().splitlines()
        return int(dict(line.split(": ") for line in lines)["write_bytes"])

    def resident(self):
        """MiB: all, and what is not mapped from files."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        values = dict(line.split(":", 1) for line in lines)
        return [int(values[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon")]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.log.close()


class Keystile:
    """Ours. Each measurement begins with a copy of a store in which the users are."""

    name = "Keystile"
    port = 4300

    def __init__(self, options, work, users=USERS, quick=False):
        self.options, self.folder = options, work / ("quick" if quick else "keystile")
        self.ready = self.folder.with_suffix(".ready")
        self.folder.mkdir()
        text = (ROOT / "bench/keystile.toml").read_text()
        if options.store:
            text = text.replace("sqlite://data/keystile.db", options.store)
        if quick:
            text += "\n[password_hash]\nmemory_kib = 8\niterations = 1\n"
        for path in options.settings:
            text += "\n" + path.read_text()
        for n in range(users + 1):
            text += f'\n[[users]]\nusername = "user{n}"\npassword = "{PASSWORD}"\n'
        (self.folder / "keystile.toml").write_text(text)
        server = self.start(fresh=False)
        server.first_token()
        time.sleep(3)  # The RSA keys are made in the background.
        server.stop()
        if not options.store:
            shutil.copytree(self.folder / "data", self.ready)

    def start(self, fresh=True):
        if fresh and not self.options.store:
            shutil.rmtree(self.folder / "data")
            shutil.copytree(self.ready, self.folder / "data")
        return Server([self.options.keystile, "serve", "--config", "keystile.toml"], self.folder, self.port)


class Peer:
    """node-oidc-provider, in memory."""

    name = "node-oidc-provider"
    port = 4100

    def __init__(self, options, work):
        self.folder = work / "peer"
        shutil.copytree(options.peer, self.folder, ignore=shutil.ignore_patterns("node_modules"))
        subprocess.run(["npm", "install", "--silent"], cwd=self.folder, check=True)

    def start(self, fresh=True):
        env = {"NODE_ENV": "production", "PORT": str(self.port), "SIGNING_ALG": "ES256"}
        return Server(["node_modules/node/bin/node", "server.js"], self.folder, self.port, env)


def command(options, server, scenario, *more, users=USERS, concurrency=16, report=None):
    """The driver's command line, and where it writes its report."""
    report = options.work / (report or "report.json")
    line = [options.oidc_load, scenario, "--issuer", f"http://127.0.0.1:{server.port}", "--client-id", "bench"]
    line += ["--client-secret", SECRET, "--password", PASSWORD, "--pin-driver", "1", "--users", str(users)]
    line += ["--server-pid", str(server.process.pid), "--concurrency", str(concurrency), "--json", str(report)]
    line += ["--duration", str(options.duration), "--warm-up", str(options.warm_up), "--set-up-limit", "1800", *more]
    for pid in options.database_pid:
        line += ["--database-pid", str(pid)]
    return line, report


def drive(options, server, scenario, *more, **how):
    """One run of the driver; its report, with bytes written."""
    line, report = command(options, server, scenario, *more, **how)
    before = server.written()
    subprocess.run(line, check=True, stderr=subprocess.DEVNULL)
    result = json.loads(report.read_text())
    result["written"] = server.written() - before
    if result["failed_flows"]:
        say(f"  {result['failed_flows']} flows failed: {result['error_kinds']}")
    return result


def flow_latency(result):
    steps = {one["step"]: one for one in result["latencies"]}
    return steps.get("flow") or next(iter(steps.values()))


def one(options, kind, scenario, *more, **how):
    """One measurement on a fresh server."""
    server = kind.start()
    server.first_token()
    try:
        result = drive(options, server, scenario, *more, **how)
    finally:
        server.stop()
    say(f"  {kind.name}, {scenario}: {result['flows_per_second']:,.0f} a second")
    return result


def median(results):
    return sorted(results, key=lambda one: one["flows_per_second"])[len(results) // 2]


def table(header, rows):
    print("\n| " + " | ".join(header) + " |\n|" + " --- |" * len(header))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    sys.stdout.flush()


def scenarios(options, kinds):
    say("Scenarios")
    results = {}
    for number in range(options.rounds):
        say(f" round {number + 1} of {options.rounds}")
        for scenario, more, for_peer in SCENARIOS:
            for kind in kinds:
                extra = more + (for_peer if isinstance(kind, Peer) else [])
                results.setdefault((scenario, kind.name), []).append(one(options, kind, scenario, *extra))
    rows = []
    for scenario, _, _ in SCENARIOS:
        ours = median(results[scenario, Keystile.name])
        rates = " / ".join(f"{r['flows_per_second']:,.0f}" for r in results[scenario, Keystile.name])
        cost, latency = ours["server"], flow_latency(ours)
        row = [f"`{scenario}`", f"**{ours['flows_per_second']:,.0f}**", rates, f"{cost['cpu_ms_per_flow']:.3f}"]
        row += [f"{cost['database_cpu_ms_per_flow']:.3f}"] if options.database_pid else []
        row += [f"{latency['p50_ms']:.1f} / {latency['p99_ms']:.1f}", f"{ours['driver_cpu_percent']:.0f} %"]
        if len(kinds) > 1:
            peer = median(results[scenario, Peer.name])
            row += [f"{peer['flows_per_second']:,.0f}", f"{ours['flows_per_second'] / peer['flows_per_second']:.1f}"]
        rows.append(row)
    header = ["scenario", "Keystile, flows a second", "all rounds", "CPU-ms a flow"]
    header += ["database's"] if options.database_pid else []
    header += ["p50 / p99 ms", "driver's core"]
    header += ["node-oidc-provider", "ratio"] if len(kinds) > 1 else []
    table(header, rows)
    return median(results["sso-code-flow", Keystile.name])


def half_rate(options, kind, greatest):
    """The driver is a closed loop: the fewest connections that reach half of the greatest rate."""
    say("p99 at half of the greatest rate")
    for concurrency in (1, 2, 3, 4, 6, 8, 16):
        result = one(options, kind, "sso-code-flow", concurrency=concurrency)
        if result["flows_per_second"] >= greatest / 2:
            break
    table(
        ["`sso-code-flow` at half of its greatest rate", ""],
        [[f"{concurrency} connections, {result['flows_per_second']:,.0f} a second: p99", f"{flow_latency(result)['p99_ms']:.1f} ms"]],
    )


def flood(options, kind):
    """Whether tokens come as quickly as ever while more people sign in than passwords can be hashed."""
    say("A login flood")
    rows = []
    for scenario, more in (("client-credentials", []), ("refresh", OFFLINE)):
        for connections in (4, 16):
            calm = one(options, kind, scenario, *more, concurrency=connections)
            beside, logins = in_a_flood(options, kind, scenario, more, connections)
            row = [f"`{scenario}`, {connections} connections"]
            for result in (calm, beside):
                latency = flow_latency(result)
                row += [f"{result['flows_per_second']:,.0f}", f"{latency['p50_ms']:.1f} / {latency['p99_ms']:.1f}"]
            rows.append(row + [f"{logins['flows_per_second']:,.0f}"])
    header = ["", "a second", "p50 / p99 ms", "in the flood, a second", "p50 / p99 ms", "logins a second beside"]
    table(header, rows)


def in_a_flood(options, kind, scenario, more, connections):
    """The scenario on `connections`, and from its warm-up on 64 more that do nothing but sign in."""
    server = kind.start()
    server.first_token()
    try:
        long = argparse.Namespace(**{**vars(options), "warm_up": options.warm_up + FLOOD_BEGINS})
        line, report = command(long, server, scenario, *more, concurrency=connections)
        tokens = subprocess.Popen(line, stderr=subprocess.DEVNULL)
        time.sleep(FLOOD_BEGINS)  # The users of `refresh` have signed in by then.
        refused = ["--max-errors", "100000000"]  # What there is no room for is refused at once.
        line, of_flood = command(options, server, "full-login", *refused, concurrency=64, report="flood.json")
        logins = subprocess.Popen(line, stderr=subprocess.DEVNULL)
        if tokens.wait() or logins.wait():
            raise SystemExit("the driver failed")
    finally:
        server.stop()
    result = json.loads(report.read_text())
    say(f"  in a flood, {scenario}: {result['flows_per_second']:,.0f} a second")
    return result, json.loads(of_flood.read_text())


def cold(options, work):
    """Tokens of so many users that nearly each comes as if for the first time: more than the cache has places."""
    say("Cold tokens")
    kind = Keystile(options, work, users=20_000, quick=True)
    rows = []
    for scenario in ("introspect", "userinfo"):
        results = [one(options, kind, scenario, users=20_000) for _ in range(options.rounds)]
        result = median(results)
        rows.append([f"`{scenario}`, cold", f"{result['flows_per_second']:,.0f}", f"{result['server']['cpu_ms_per_flow']:.3f}"])
    table(["20,000 tokens in turn", "a second", "CPU-ms"], rows)


def start_and_memory(options, kind):
    say("Start and memory")
    times, idle = [], []
    for _ in range(5):
        server = kind.start(fresh=False)
        times.append(server.first_token())
        time.sleep(2)
        idle.append(server.resident())
        server.stop()
    resident, own = idle[-1]
    rows = [
        ["start to first token, median of five", f"{statistics.median(times):.0f} ms"],
        ["resident memory, idle (its own, not mapped from files)", f"{resident:.1f} MiB ({own:.1f})"],
    ]
    table(["", ""], rows)


def new_id(millis):
    return millis.to_bytes(6, "big") + os.urandom(10)


def fill(database, name, rows, ids):
    """Copies of the rows that are there, under new identifiers in the order of time."""
    columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
    samples = [list(row) for row in database.execute(f"SELECT * FROM {name} LIMIT 50")]
    places = ", ".join("?" * len(columns))

    def made():
        for number in range(rows):
            row = list(samples[number % len(samples)])
            for column, value in ids(number).items():
                row[columns.index(column)] = value
            yield row

    before = pages(database)
    database.executemany(f"INSERT INTO {name} VALUES ({places})", made())
    database.commit()
    return (pages(database) - before) / max(rows, 1)


def pages(database):
    return database.execute("PRAGMA page_count").fetchone()[0] * database.execute("PRAGMA page_size").fetchone()[0]


def sizes(options, kind, counts):
    """Grants and sessions by number: what they take, and whether the rate moves."""
    say("Sizes")
    server = kind.start()
    server.first_token()
    drive(options, server, "sso-code-flow", *OFFLINE)
    server.stop()
    database = sqlite3.connect(kind.folder / "data/keystile.db")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    sample = kind.folder.with_suffix(".sample")
    shutil.copytree(kind.folder / "data", sample)
    empty, rows = kind.ready, []
    for count in counts:
        kind.ready = kind.folder.with_suffix(f".{count}")
        shutil.copytree(sample, kind.ready)
        database = sqlite3.connect(kind.ready / "keystile.db")
        now = int(time.time() * 1000) - count
        a_grant = fill(database, "grants", count, lambda n: {"id": new_id(now + n), "redemption": os.urandom(16)})
        of = lambda n: {"id": new_id(now + n), "sid": os.urandom(16), "secret_digest": os.urandom(32)}
        a_session = fill(database, "sessions", count, of)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        results = [one(options, kind, "sso-code-flow") for _ in range(options.rounds)]
        result = median(results)
        flows = max(result["requests_in_all"] / 2, 1)
        resident = result["server"]
        rows.append(
            [f"{count:,}", f"{a_grant:,.0f}", f"{a_session:,.0f}", f"{result['flows_per_second']:,.0f}"]
            + [f"{result['written'] / flows / 1024:.1f} KiB", f"{flow_latency(result)['p99_ms']:.1f}"]
            + [f"{resident['resident_mib_before']:.0f} → {resident['resident_mib_peak']:.0f} MiB"]
        )
        shutil.rmtree(kind.ready)
    kind.ready = empty
    header = ["live grants, and as many sessions", "bytes a grant", "bytes a session", "`sso-code-flow` a second"]
    table(header + ["written a flow", "p99 ms", "resident memory"], rows)


PARTS = ["scenarios", "half-rate", "flood", "cold", "start", "sizes"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--driver", type=Path, required=True, help="the folder of the driver (oidc-load)")
    parser.add_argument("--peer", type=Path, help="the folder of node-oidc-provider's server.js")
    parser.add_argument("--store", help="postgres://... instead of SQLite")
    parser.add_argument("--database-pid", type=int, action="append", default=[], help="the database's process, to count its CPU")
    parser.add_argument("--settings", type=Path, action="append", default=[], help="more settings of Keystile, in TOML")
    parser.add_argument("--keystile", type=Path, default=ROOT / "target/release/keystile")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--duration", type=int, default=10, help="seconds of each measurement")
    parser.add_argument("--warm-up", type=int, default=5)
    parser.add_argument("--sizes", default="1000,100000,1000000", help="numbers of grants and sessions")
    parser.add_argument("--only", choices=PARTS, action="append")
    options = parser.parse_args()
    options.keystile = options.keystile.resolve()
    target = ROOT / "target"
    build = ["cargo", "build", "--release", "--locked", "--target-dir", target]
    subprocess.run(build, cwd=options.driver, check=True)
    options.oidc_load = target / "release/oidc-load"
    wanted = options.only or PARTS
    # Beside the program, so that the disk is the one that counts and not one in memory.
    with tempfile.TemporaryDirectory(prefix="bench-", dir=target) as work:
        options.work = work = Path(work)
        ours = Keystile(options, work)
        kinds = [ours] + ([Peer(options, work)] if options.peer and "scenarios" in wanted else [])
        greatest = None
        if "scenarios" in wanted:
            greatest = scenarios(options, kinds)["flows_per_second"]
        if "half-rate" in wanted:
            half_rate(options, ours, greatest or one(options, ours, "sso-code-flow")["flows_per_second"])
        if "flood" in wanted:
            flood(options, ours)
        if "cold" in wanted:
            cold(options, work)
        if "start" in wanted:
            start_and_memory(options, ours)
        if "sizes" in wanted and not options.store:
            sizes(options, ours, [int(count) for count in options.sizes.split(",")])


if __name__ == "__main__":
    main()
