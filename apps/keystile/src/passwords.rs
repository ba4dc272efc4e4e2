//! Passwords, hashed with Argon2id on a few threads of their own.
//!
//! A hash costs 15 milliseconds and 19 MiB on purpose. So at most two run at once, in memory that
//! is used again, and about a second's worth may wait; more is refused at once, before it has
//! cost anything. The threads stand back for all others: apps get their tokens while half the
//! world signs in.

mod argon;
mod queue;

use std::sync::{Arc, Barrier};
use std::thread;

use async_trait::async_trait;
use keystile_authority::ports::{HashBusy, PasswordChecked, Passwords};
use keystile_protocol::Secret;
use tokio::sync::oneshot;

use argon::Workbench;
pub use argon::{Cost, check_hash};
use queue::Queue;

/// How passwords are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashSettings {
    /// What one hash costs.
    pub cost: Cost,
    /// Threads that hash.
    pub workers: usize,
    /// Hashes that may wait.
    pub queue: usize,
}

impl HashSettings {
    /// The settings for that cost: two workers where there are two cores, and a queue that they
    /// work off in about a second.
    pub fn of(cost: Cost) -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from).min(2);
        Self { cost, workers, queue: workers * cost.a_second().max(1) }
    }
}

#[derive(Debug)]
enum Job {
    Check { password: Secret, hash: Option<String>, reply: oneshot::Sender<PasswordChecked> },
    Hash { password: Secret, reply: oneshot::Sender<String> },
}

/// The threads and what waits for them. When it goes, they finish what waits and end.
#[derive(Debug)]
pub struct PasswordPool {
    queue: Arc<Queue<Job>>,
}

impl PasswordPool {
    /// Starts the threads. They take their memory when the first password comes, and give it
    /// back when none has come for a while.
    pub fn start(settings: HashSettings) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(settings.queue));
        for _ in 0..settings.workers.max(1) {
            let has_stood_back = Arc::new(Barrier::new(2));
            let (queue, ready) = (Arc::clone(&queue), Arc::clone(&has_stood_back));
            let worker = move || {
                stand_back();
                ready.wait();
                work(&queue, Workbench::new(settings.cost));
            };
            thread::Builder::new().name("password-hash".to_owned()).spawn(worker)?;
            has_stood_back.wait();
        }
        Ok(Self { queue })
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, HashBusy> {
        let (reply, answer) = oneshot::channel();
        self.queue.push(job(reply)).map_err(|_| HashBusy)?;
        answer.await.map_err(|_| HashBusy)
    }
}

impl Drop for PasswordPool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[async_trait]
impl Passwords for PasswordPool {
    async fn check(
        &self,
        password: Secret,
        hash: Option<String>,
    ) -> Result<PasswordChecked, HashBusy> {
        self.ask(|reply| Job::Check { password, hash, reply }).await
    }

    async fn hash(&self, password: Secret) -> Result<String, HashBusy> {
        self.ask(|reply| Job::Hash { password, reply }).await
    }
}

/// Lets all other threads go first from now on: where they want all of a core, this one gets a tenth
/// of it. On Linux each thread has a niceness of its own; elsewhere it would be the whole process's.
#[cfg(target_os = "linux")]
fn stand_back() {
    const NICENESS: i32 = 10;
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::warn!(%error, "password hashing does not stand back for other requests");
    }
}

#[cfg(not(target_os = "linux"))]
fn stand_back() {}

fn work(queue: &Queue<Job>, mut workbench: Workbench) {
    while let Some(job) = queue.pop(|| workbench.put_away()) {
        match job {
            // Who asked has gone away: not worth the work.
            Job::Check { reply, .. } if reply.is_closed() => {}
            Job::Hash { reply, .. } if reply.is_closed() => {}
            Job::Check { password, hash, reply } => {
                let _ = reply.send(workbench.check(&password, hash.as_deref()));
            }
            Job::Hash { password, reply } => {
                let _ = reply.send(workbench.hash(&password));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHEAP: Cost = Cost { memory_kib: 64, iterations: 1 };

    fn pool(cost: Cost) -> PasswordPool {
        PasswordPool::start(HashSettings { cost, workers: 1, queue: 4 }).expect("started")
    }

    async fn check(pool: &PasswordPool, password: &str, hash: Option<&str>) -> PasswordChecked {
        pool.check(password.into(), hash.map(str::to_owned)).await.expect("not busy")
    }

    #[tokio::test]
    async fn a_password_is_right_or_wrong_and_an_unknown_user_is_wrong() {
        let pool = pool(CHEAP);
        let hash = pool.hash("correct horse".into()).await.expect("not busy");
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        let right = check(&pool, "correct horse", Some(&hash)).await;
        assert_eq!(right, PasswordChecked { matches: true, outdated: false });
        assert!(!check(&pool, "wrong horse", Some(&hash)).await.matches);
        assert!(!check(&pool, "correct horse", None).await.matches);
        assert!(!check(&pool, "correct horse", Some("nonsense")).await.matches);
        let again = pool.hash("correct horse".into()).await.expect("not busy");
        assert_ne!(hash, again, "each has a salt of its own");
    }

    #[tokio::test]
    async fn a_hash_that_costs_less_than_today_is_outdated() {
        let hash = pool(CHEAP).hash("correct horse".into()).await.expect("not busy");
        for (cost, outdated) in [
            (Cost { memory_kib: 128, iterations: 1 }, true),
            (Cost { memory_kib: 64, iterations: 2 }, true),
            (Cost { memory_kib: 32, iterations: 1 }, false),
        ] {
            let checked = check(&pool(cost), "correct horse", Some(&hash)).await;
            assert_eq!(checked, PasswordChecked { matches: true, outdated }, "{cost:?}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_refuses_at_once() {
        let slow = Cost { memory_kib: 8 * 1024, iterations: 4 };
        let settings = HashSettings { cost: slow, workers: 1, queue: 2 };
        let pool = Arc::new(PasswordPool::start(settings).expect("started"));
        let ask = || {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move { pool.hash("x".into()).await })
        };
        let asked: Vec<_> = (0..20).map(|_| ask()).collect();
        let mut refused = 0;
        for answer in asked {
            refused += usize::from(answer.await.expect("no panic") == Err(HashBusy));
        }
        assert!(refused >= 16, "one works, two wait, one more may slip in: {refused}");
        assert!(pool.hash("x".into()).await.is_ok(), "and then there is room again");
    }

    #[test]
    fn the_queue_is_worth_a_second_whatever_a_hash_costs() {
        let standard = HashSettings::of(Cost::default());
        assert!((10..=200).contains(&standard.queue), "{}", standard.queue);
        let dear = HashSettings::of(Cost { memory_kib: 1024 * 1024, iterations: 8 });
        assert!((1..=2).contains(&dear.queue), "{}", dear.queue);
    }
}
