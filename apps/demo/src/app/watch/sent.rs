//! Everything that was sent to one browser, kept to be searched. Bounded: what has to go is
//! searched before it goes, for all that is known by then.

use std::collections::VecDeque;

use bytes::Bytes;

use super::search::Needles;

/// Bytes that are kept for a browser.
const KEPT_AT_MOST: usize = 2 * 1024 * 1024;

/// One response.
pub(crate) struct Sent {
    /// Which request it answered.
    pub(crate) what: String,
    pub(crate) status: u16,
    /// Status line, headers and cookies, as text.
    pub(crate) head: Bytes,
    pub(crate) body: Bytes,
}

impl Sent {
    fn size(&self) -> usize {
        self.head.len() + self.body.len()
    }

    fn runs_found(&self, needles: &Needles) -> Vec<usize> {
        let mut found = needles.count_in(&self.head);
        for (all, more) in found.iter_mut().zip(needles.count_in(&self.body)) {
            *all += more;
        }
        found
    }
}

/// All responses, the oldest first.
#[derive(Default)]
pub(crate) struct SentLog {
    kept: VecDeque<Sent>,
    kept_bytes: usize,
    gone: Gone,
}

/// What was sent and is no longer kept.
#[derive(Clone, Copy, Default)]
pub(crate) struct Gone {
    pub(crate) responses: usize,
    pub(crate) bytes: usize,
    /// Runs of secrets that were found in it before it went.
    pub(crate) found: usize,
}

/// The result for one response.
pub(crate) struct Searched {
    pub(crate) what: String,
    pub(crate) status: u16,
    pub(crate) head_bytes: usize,
    pub(crate) body_bytes: usize,
    pub(crate) found: usize,
}

impl SentLog {
    /// Keeps a response. `secrets` are those that are known now.
    pub(crate) fn push<'a>(&mut self, sent: Sent, secrets: impl Iterator<Item = &'a str>) {
        self.kept_bytes += sent.size();
        self.kept.push_back(sent);
        if self.kept_bytes <= KEPT_AT_MOST {
            return;
        }
        let needles = Needles::new(secrets);
        while self.kept_bytes > KEPT_AT_MOST {
            let Some(oldest) = self.kept.pop_front() else { break };
            self.kept_bytes -= oldest.size();
            self.gone.responses += 1;
            self.gone.bytes += oldest.size();
            self.gone.found += oldest.runs_found(&needles).iter().sum::<usize>();
        }
    }

    /// Searches all that is kept: what each response has, and how often each secret was found.
    pub(crate) fn search(&self, needles: &Needles, secrets: usize) -> (Vec<Searched>, Vec<usize>) {
        let mut by_secret = vec![0; secrets];
        let searched = self.kept.iter().map(|sent| {
            let found = sent.runs_found(needles);
            for (all, more) in by_secret.iter_mut().zip(&found) {
                *all += more;
            }
            Searched {
                what: sent.what.clone(),
                status: sent.status,
                head_bytes: sent.head.len(),
                body_bytes: sent.body.len(),
                found: found.iter().sum(),
            }
        });
        (searched.collect(), by_secret)
    }

    pub(crate) fn gone(&self) -> Gone {
        self.gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(head: &str, body: impl Into<Bytes>) -> Sent {
        let head = Bytes::copy_from_slice(head.as_bytes());
        Sent { what: "GET /".into(), status: 200, head, body: body.into() }
    }

    const SECRET: &str = "a-secret-of-some-length";

    fn search(log: &SentLog) -> (Vec<Searched>, Vec<usize>) {
        log.search(&Needles::new([SECRET].into_iter()), 1)
    }

    #[test]
    fn headers_and_bodies_are_searched() {
        let mut log = SentLog::default();
        log.push(sent("set-cookie: x=y", "harmless"), [].into_iter());
        assert_eq!(search(&log).1, [0]);
        log.push(sent("set-cookie: x=a-secret", ""), [].into_iter());
        log.push(sent("", "-some-length"), [].into_iter());
        let (responses, by_secret) = search(&log);
        let found: Vec<_> = responses.iter().map(|searched| searched.found).collect();
        assert_eq!(found, [0, 1, 5]);
        assert_eq!(by_secret, [6]);
    }

    #[test]
    fn what_has_to_go_is_searched_first() {
        let mut log = SentLog::default();
        log.push(sent("", SECRET), [SECRET].into_iter());
        for _ in 0..5 {
            log.push(sent("", vec![0; KEPT_AT_MOST / 4]), [SECRET].into_iter());
        }
        assert!(log.kept_bytes <= KEPT_AT_MOST);
        let gone = log.gone();
        assert_eq!((gone.responses, gone.found), (2, SECRET.len() - 7));
    }
}
