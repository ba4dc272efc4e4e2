// The front end. It holds no token: the cookie goes with each request by itself, and the header says
// that this script made it.

const part = (id) => document.getElementById(id);
const show = (id, shown = true) => { part(id).hidden = !shown; };
const pause = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));

class SignedOut extends Error {}

/** What the app or the API behind it says. Where somebody has to sign in (again), it says where. */
async function ask(path, options = {}) {
  const headers = { "X-CSRF": "1", ...options.headers };
  const answer = await fetch(path, { ...options, headers });
  if (answer.ok) return answer;
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 401) {
    const login = new URL(told.login, location);
    login.searchParams.set("return_to", location.pathname);
    part("sign-in").href = login;
    throw new SignedOut();
  }
  throw new Error(told.error_description ?? `The answer was ${answer.status}.`);
}

/** Each event of a stream, as it comes. */
async function* events(path) {
  const answer = await ask(path);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
    text += piece.value;
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const event of whole) {
      const lines = event.split("\n").map((line) => line.split(/: ?(.*)/s));
      yield Object.fromEntries(lines);
    }
  }
}

let me;
const pinned = new Map();

function pin(note) {
  if (pinned.has(note.id)) return;
  const item = part("note").content.cloneNode(true).firstElementChild;
  item.querySelector("p").textContent = note.text;
  item.querySelector("small").textContent = note.by === me.claims.sub ? "You" : "Somebody else";
  item.classList.add(`tone-${note.id % 4}`);
  pinned.set(note.id, item);
  part("notes").prepend(item);
  show("empty", false);
}

/** The board as it is, and each note when it is pinned. */
async function follow() {
  for await (const event of events("/api/events")) {
    if (event.event === "pinned") pin(JSON.parse(event.data));
    if (event.event === "ready") {
      const notes = await (await ask("/api/notes")).json();
      notes.forEach(pin);
      show("empty", pinned.size === 0);
    }
  }
}

/** How many look at it, for as long as the connection lasts. */
function count() {
  return new Promise((done) => {
    const socket = new WebSocket(`${location.origin.replace(/^http/, "ws")}/api/looking`);
    socket.onmessage = ({ data }) => {
      part("looking").textContent = data === "1" ? "You are the only one here" : `${data} are looking`;
    };
    socket.onclose = done;
  });
}

/** Again and again while somebody is signed in: connections end, sessions too. */
async function keep(task) {
  for (;;) {
    try {
      await task();
    } catch (problem) {
      if (problem instanceof SignedOut) return signedOut();
    }
    await pause(2);
    try {
      await ask("/me");
    } catch (problem) {
      if (problem instanceof SignedOut) return signedOut();
    }
  }
}

function signedOut() {
  me = undefined;
  pinned.forEach((item) => item.remove());
  pinned.clear();
  for (const id of ["who", "board", "trouble"]) show(id, false);
  show("welcome");
}

function trouble(problem) {
  if (problem instanceof SignedOut) return signedOut();
  part("trouble").textContent = problem.message;
  show("trouble");
}

part("new").addEventListener("submit", async (event) => {
  event.preventDefault();
  show("trouble", false);
  part("pin").disabled = true;
  try {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ text: part("text").value });
    const note = await (await ask("/api/notes", { method: "POST", headers, body })).json();
    pin(note);
    part("new").reset();
    part("text").focus();
  } catch (problem) {
    trouble(problem);
  } finally {
    part("pin").disabled = false;
  }
});

try {
  me = await (await ask("/me")).json();
  part("name").textContent = me.claims.name ?? me.claims.sub;
  part("who").action = me.logout;
  show("who");
  show("board");
  keep(follow);
  keep(count);
} catch (problem) {
  trouble(problem);
}
