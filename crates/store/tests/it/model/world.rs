//! Who takes part, and what each knows.

use super::row::{Moved, Row};

/// RFC 6749 section 2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ClientType {
    /// Its refresh tokens rotate.
    Public,
    Confidential,
}

/// A promise that was not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Broken {
    /// Something of the grant worked after a replay.
    WorkedAfterReplay,
    /// The honest client heard `invalid_grant` to its refresh.
    LoggedOut,
    /// The honest client heard `invalid_grant` to its code.
    CodeRefused,
}

/// All there is at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// Half a minute each: a code lives for two, a refresh token is repeated within one.
    pub(crate) tick: u8,
    /// What is on disk.
    pub(crate) row: Option<Row>,
    pub(crate) account_is_on: bool,
    pub(crate) honest: Honest,
    /// When the honest client last began a refresh: it does so when its access token has expired.
    pub(crate) refreshed_at: Option<u8>,
    pub(crate) thief: Thief,
    /// Requests at the server.
    pub(crate) tasks: Vec<Task>,
    /// Requests that were made.
    pub(crate) requests: u8,
    pub(crate) crashes: u8,
    /// Requests for which the store said that the code is redeemed.
    pub(crate) redeemed_by: Vec<u8>,
    pub(crate) replayed: bool,
    /// Who got a refresh token last, and when.
    pub(crate) used_by: Option<(Who, u8)>,
    /// How often that was the other one than before, since both did in the same half minute.
    pub(crate) turns: u8,
    pub(crate) broken: Option<Broken>,
    pub(crate) seen: Seen,
}

/// What the model has to come by, or it would prove nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Seen {
    /// A commit in doubt became Done.
    pub(crate) settled: bool,
    /// An old refresh token got the same successor again.
    pub(crate) repeated: bool,
    /// It got another, and the one before was passed over.
    pub(crate) passed_over: bool,
}

/// The honest client: it never sends a code twice, and repeats a refresh until it is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Honest {
    HasCode,
    Redeems {
        request: u8,
    },
    /// It sends its user to a new authorization, to another grant than this one.
    StartsAnew,
    HasToken {
        generation: u32,
    },
    Refreshes {
        generation: u32,
        request: u8,
    },
    LostAnswer {
        generation: u32,
    },
    Refused,
}

/// Somebody who saw the code and what proves the client, and steals a refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Thief {
    pub(crate) codes_used: u8,
    /// The newest that it has.
    pub(crate) token: Option<u32>,
    /// The one that it stole.
    pub(crate) stolen: Option<u32>,
    pub(crate) tokens_used: u8,
}

impl Thief {
    pub(crate) fn has_acted(&self) -> bool {
        self.codes_used + self.tokens_used > 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Who {
    Honest,
    Thief,
}

/// A request at the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Task {
    pub(crate) request: u8,
    pub(crate) who: Who,
    /// When it came: there is one `now` in a request.
    pub(crate) now: u8,
    pub(crate) step: Step,
}

/// What the server does next with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Step {
    Redeem {
        sends_left: u8,
    },
    /// Reads the row and decides.
    Refresh {
        presented: u32,
        reads_left: u8,
    },
    /// Writes what it decided.
    Rotate {
        reads_left: u8,
        moved: Moved,
    },
}

/// What becomes of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Answered,
    /// The store wrote and the server does not hear of it.
    StoreAnswerLost,
    /// The store did not write and the server does not hear of it.
    NotWritten,
    /// The server's answer does not get to the client.
    AnswerLost,
}

/// What a client hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Tokens {
        generation: u32,
    },
    InvalidGrant,
    /// 503, or a connection that breaks.
    Nothing,
}

impl Answer {
    pub(crate) fn by(self, fate: Fate) -> Self {
        if fate == Fate::AnswerLost { Self::Nothing } else { self }
    }
}

impl World {
    /// A request goes to the server.
    pub(crate) fn send(&mut self, who: Who, step: Step) -> u8 {
        let request = self.requests;
        self.requests += 1;
        self.tasks.push(Task { request, who, now: self.tick, step });
        request
    }

    /// Something of the grant works.
    pub(crate) fn works(&mut self) {
        if self.replayed {
            self.broken = Some(Broken::WorkedAfterReplay);
        }
    }

    /// Nobody hears an answer that nobody waits for any more.
    pub(crate) fn answer(&mut self, task: Task, answer: Answer) {
        let awaited = match self.honest {
            Honest::Redeems { request } | Honest::Refreshes { request, .. } => Some(request),
            _ => None,
        };
        if let Answer::Tokens { .. } = answer {
            match self.used_by.replace((task.who, task.now)) {
                Some((who, at)) if who != task.who && at < task.now => self.turns += 1,
                // Within the window both get the same: from here on it begins anew.
                Some((who, _)) if who != task.who => self.turns = 0,
                _ => {}
            }
        }
        match (task.who, answer) {
            (Who::Honest, _) if awaited == Some(task.request) => self.honest_hears(answer),
            (Who::Thief, Answer::Tokens { generation }) => self.thief.token = Some(generation),
            _ => {}
        }
    }

    pub(crate) fn honest_hears(&mut self, answer: Answer) {
        // A thief, and an account that is switched off, end a grant: so it has to be.
        let excused = self.thief.has_acted() || !self.account_is_on;
        self.honest = match (self.honest, answer) {
            (_, Answer::Tokens { generation }) => Honest::HasToken { generation },
            (Honest::Refreshes { generation, .. }, Answer::Nothing) => {
                Honest::LostAnswer { generation }
            }
            (Honest::Refreshes { .. }, Answer::InvalidGrant) => {
                if !excused {
                    self.broken = Some(Broken::LoggedOut);
                }
                Honest::Refused
            }
            (_, Answer::InvalidGrant) => {
                if !excused {
                    self.broken = Some(Broken::CodeRefused);
                }
                Honest::StartsAnew
            }
            (_, Answer::Nothing) => Honest::StartsAnew,
        };
    }
}
