//! What is known about one browser: the messages of its flow, the secrets that went by, and what
//! was sent to it. All of it bounded.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use keystile_client::LeakProof;

use super::mask::{Masker, bare, kind_of};
use super::message::{Message, Parameter};
use super::search::Needles;
use super::sent::{Gone, Searched, Sent, SentLog};
use crate::app::attacks::{Attempt, Outcome};

const MESSAGES_AT_MOST: usize = 160;
const SECRETS_AT_MOST: usize = 160;
const ATTEMPTS_AT_MOST: usize = 6;
const SESSIONS_AT_MOST: usize = 8;

/// A browser's record.
#[derive(Default)]
pub(crate) struct Record {
    inner: Mutex<Inner>,
    /// Is told each secret too, in a test.
    leak_proof: Option<LeakProof>,
}

#[derive(Default)]
struct Inner {
    messages: VecDeque<Message>,
    /// Messages that had to go.
    forgotten: usize,
    secrets: Vec<Known>,
    dropped: Dropped,
    sent: SentLog,
    sessions: VecDeque<String>,
    attempts: VecDeque<Attempt>,
    outcomes: Vec<Outcome>,
    note: Option<Note>,
}

/// A secret that the app had in its hands.
#[derive(Clone)]
pub(crate) struct Known {
    pub(crate) kind: &'static str,
    pub(crate) value: String,
}

/// Secrets that had to go; each was looked for once more before it went.
#[derive(Clone, Copy, Default)]
pub(crate) struct Dropped {
    pub(crate) secrets: usize,
    /// Runs of them that were found.
    pub(crate) found: usize,
}

/// A word to show once on the next page.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Note {
    pub(crate) good: bool,
    pub(crate) text: String,
}

/// What a search found.
pub(crate) struct Proof {
    pub(crate) responses: Vec<Searched>,
    pub(crate) gone: Gone,
    pub(crate) dropped: Dropped,
    pub(crate) secrets: Vec<(Known, usize)>,
}

impl Record {
    pub(crate) fn new(leak_proof: Option<LeakProof>) -> Self {
        Self { leak_proof, ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an arrow, or counts it to one before of the same kind.
    pub(crate) fn push(&self, message: Message) {
        let mut inner = self.lock();
        if let Some(name) = message.folds_as {
            let foldable = inner.messages.iter_mut().rev().take_while(|m| m.folds_as.is_some());
            if let Some(same) = foldable.into_iter().find(|m| m.folds_as == Some(name)) {
                same.times += 1;
                return;
            }
        }
        inner.messages.push_back(message);
        if inner.messages.len() > MESSAGES_AT_MOST {
            inner.messages.pop_front();
            inner.forgotten += 1;
        }
    }

    /// Whether there is a message of the first title after the last one of the second.
    pub(crate) fn came_after(&self, first: &str, second: &str) -> bool {
        let inner = self.lock();
        let mut titles = inner.messages.iter().rev().map(|message| message.title.as_str());
        titles.find(|title| [first, second].contains(title)) == Some(first)
    }

    pub(crate) fn messages(&self) -> (Vec<Message>, usize) {
        let inner = self.lock();
        (inner.messages.iter().cloned().collect(), inner.forgotten)
    }

    /// Forgets the messages; secrets and what was sent stay, for the proof.
    pub(crate) fn clear_messages(&self) {
        let mut inner = self.lock();
        inner.messages.clear();
        inner.forgotten = 0;
    }

    /// Remembers a secret, to search for it later.
    pub(crate) fn learn(&self, kind: &'static str, secret: &str) {
        let secret = bare(secret);
        let mut inner = self.lock();
        if secret.is_empty() || inner.secrets.iter().any(|known| known.value == secret) {
            return;
        }
        if inner.secrets.len() == SECRETS_AT_MOST {
            inner.drop_a_secret();
        }
        inner.secrets.push(Known { kind, value: secret.to_owned() });
        if let Some(proof) = &self.leak_proof {
            proof.taint(kind, secret);
        }
    }

    /// A parameter as it may be shown; a secret is learned on the way.
    pub(crate) fn shown(&self, masker: &Masker, name: &str, value: &str) -> Parameter {
        if let Some(kind) = kind_of(name) {
            return self.hidden(masker, kind, name, value);
        }
        let inner = self.lock();
        let secrets = inner.secrets.iter().map(|known| known.value.as_str());
        let value = masker.mask_within(value, secrets);
        Parameter { name: name.to_owned(), value, secret: false }
    }

    /// A parameter that a stranger may have made up: a secret is masked, and not looked for.
    pub(crate) fn shown_unlearned(&self, masker: &Masker, name: &str, value: &str) -> Parameter {
        match kind_of(name) {
            Some(_) => Parameter { name: name.to_owned(), value: masker.mask(value), secret: true },
            None => self.shown(masker, name, value),
        }
    }

    /// A parameter that is a secret whatever its name.
    pub(crate) fn hidden(
        &self,
        masker: &Masker,
        kind: &'static str,
        name: &str,
        value: &str,
    ) -> Parameter {
        self.learn(kind, value);
        Parameter { name: name.to_owned(), value: masker.mask(value), secret: true }
    }

    pub(crate) fn keep_sent(&self, sent: Sent) {
        let mut inner = self.lock();
        let Inner { sent: log, secrets, .. } = &mut *inner;
        log.push(sent, secrets.iter().map(|known| known.value.as_str()));
    }

    /// Searches everything that was sent for every secret that is known.
    pub(crate) fn search(&self) -> Proof {
        let inner = self.lock();
        let needles = Needles::new(inner.secrets.iter().map(|known| known.value.as_str()));
        let (responses, found) = inner.sent.search(&needles, inner.secrets.len());
        let secrets = inner.secrets.iter().cloned().zip(found).collect();
        Proof { responses, gone: inner.sent.gone(), dropped: inner.dropped, secrets }
    }

    /// How many runs of a text that is no secret are in what is kept: to see that the search finds
    /// what is there.
    pub(crate) fn runs_of(&self, text: &str) -> usize {
        self.lock().sent.search(&Needles::new([text].into_iter()), 1).1.iter().sum()
    }

    /// Ties a session of the client crate to this browser.
    pub(crate) fn joins(&self, session: &str) {
        let mut inner = self.lock();
        if !inner.sessions.iter().any(|mine| mine == session) {
            inner.sessions.push_back(session.to_owned());
            if inner.sessions.len() > SESSIONS_AT_MOST {
                inner.sessions.pop_front();
            }
        }
    }

    pub(crate) fn has_session(&self, session: &str) -> bool {
        self.lock().sessions.iter().any(|mine| mine == session)
    }

    pub(crate) fn begin(&self, attempt: Attempt) {
        let mut inner = self.lock();
        inner.attempts.push_back(attempt);
        if inner.attempts.len() > ATTEMPTS_AT_MOST {
            inner.attempts.pop_front();
        }
    }

    /// The attempt that `state` belongs to, once.
    pub(crate) fn take_attempt(&self, state: &str) -> Option<Attempt> {
        let mut inner = self.lock();
        let at = inner.attempts.iter().position(|attempt| attempt.state == state)?;
        inner.attempts.remove(at)
    }

    pub(crate) fn keep_outcome(&self, outcome: Outcome) {
        let mut inner = self.lock();
        inner.outcomes.retain(|other| other.id != outcome.id);
        inner.outcomes.push(outcome);
    }

    pub(crate) fn outcome(&self, id: &str) -> Option<Outcome> {
        self.lock().outcomes.iter().find(|outcome| outcome.id == id).cloned()
    }

    /// Which attacks were played, and whether each was held off.
    pub(crate) fn played(&self) -> Vec<(&'static str, bool)> {
        self.lock().outcomes.iter().map(|outcome| (outcome.id, outcome.held)).collect()
    }

    pub(crate) fn leave_note(&self, good: bool, text: impl Into<String>) {
        self.lock().note = Some(Note { good, text: text.into() });
    }

    pub(crate) fn take_note(&self) -> Option<Note> {
        self.lock().note.take()
    }
}

impl Inner {
    /// Makes room: codes and verifiers that were used go first, then the oldest. The client
    /// secret, which is the first, stays.
    fn drop_a_secret(&mut self) {
        let short_lived =
            |known: &Known| ["authorization code", "code verifier"].contains(&known.kind);
        let at = self.secrets.iter().position(short_lived).unwrap_or(1);
        let known = self.secrets.remove(at);
        let (_, found) = self.sent.search(&Needles::new([known.value.as_str()].into_iter()), 1);
        self.dropped.secrets += 1;
        self.dropped.found += found.iter().sum::<usize>();
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::Lane;
    use super::*;

    fn picture() -> [Message; 2] {
        let mut messages =
            [Message::new(Lane::App, Lane::Api, "ask"), Message::new(Lane::Api, Lane::App, "told")];
        messages[0].folds_as = Some("picture asked");
        messages[1].folds_as = Some("picture told");
        messages
    }

    fn push_picture(record: &Record) {
        for message in picture() {
            record.push(message);
        }
    }

    #[test]
    fn twelve_pictures_are_two_arrows() {
        let record = Record::default();
        for _ in 0..12 {
            push_picture(&record);
        }
        record.push(Message::new(Lane::Browser, Lane::App, "page"));
        push_picture(&record);
        let times: Vec<_> = record.messages().0.iter().map(|message| message.times).collect();
        assert_eq!(times, [12, 12, 1, 1, 1]);
    }

    #[test]
    fn what_came_after_what() {
        let record = Record::default();
        let push = |title| record.push(Message::new(Lane::Browser, Lane::App, title));
        assert!(!record.came_after("out", "back"));
        push("out");
        push("else");
        assert!(record.came_after("out", "back"));
        push("back");
        assert!(!record.came_after("out", "back"));
    }

    #[test]
    fn messages_are_bounded() {
        let record = Record::default();
        for _ in 0..MESSAGES_AT_MOST + 5 {
            record.push(Message::new(Lane::Browser, Lane::App, "page"));
        }
        let (messages, forgotten) = record.messages();
        assert_eq!((messages.len(), forgotten), (MESSAGES_AT_MOST, 5));
    }

    #[test]
    fn a_secret_is_shown_as_its_mark_and_looked_for_later() {
        let (record, masker) = (Record::default(), Masker::default());
        let shown = record.shown(&masker, "access_token", "eyJ0b2tlbg.abcdefgh");
        assert!(shown.secret && !shown.value.contains("eyJ0"));
        let within = record.shown(&masker, "body", "got eyJ0b2tlbg.abcdefgh");
        assert_eq!(within.value, format!("got {}", shown.value));
        let proof = record.search();
        assert_eq!(proof.secrets.len(), 1);
        assert_eq!(proof.secrets[0].0.kind, "access token");
    }

    #[test]
    fn used_codes_make_room_for_new_secrets() {
        let record = Record::default();
        record.learn("client secret", "the secret of the app");
        record.learn("access token", "a token of long ago");
        for number in 0..SECRETS_AT_MOST + 3 {
            record.learn("authorization code", &format!("code-number-{number:04}"));
        }
        let proof = record.search();
        assert_eq!(proof.secrets.len(), SECRETS_AT_MOST);
        assert_eq!((proof.dropped.secrets, proof.dropped.found), (5, 0));
        let kinds: Vec<_> = proof.secrets.iter().map(|(known, _)| known.kind).take(3).collect();
        assert_eq!(kinds, ["client secret", "access token", "authorization code"]);
    }

    #[test]
    fn what_a_stranger_sends_as_a_code_is_not_looked_for() {
        let (record, masker) = (Record::default(), Masker::default());
        let shown = record.shown_unlearned(&masker, "code", "stylesheet");
        assert!(shown.secret && !shown.value.contains("style"));
        assert!(record.search().secrets.is_empty());
    }
}
