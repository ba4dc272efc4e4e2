//! A queue of bounded length between those who ask and a few threads.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A thread that has waited this long for work is told that it may put its tools away.
const IDLE: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Queue<T> {
    room: usize,
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

/// There is no room, or nobody works any more.
pub(super) struct Full;

impl<T> Queue<T> {
    pub(super) fn new(room: usize) -> Self {
        let state = State { waiting: VecDeque::new(), closed: false };
        Self { room: room.max(1), state: Mutex::new(state), changed: Condvar::new() }
    }

    pub(super) fn push(&self, job: T) -> Result<(), Full> {
        let mut state = self.lock();
        if state.closed || state.waiting.len() >= self.room {
            return Err(Full);
        }
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job, as soon as there is one; nothing once the queue is closed and empty.
    /// `idle` is called when there has been none for a while.
    pub(super) fn pop(&self, mut idle: impl FnMut()) -> Option<T> {
        let mut state = self.lock();
        let mut told = false;
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            if told {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.changed.wait_timeout(state, IDLE);
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            state = after;
            if timeout.timed_out() && state.waiting.is_empty() {
                idle();
                told = true;
            }
        }
    }

    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
