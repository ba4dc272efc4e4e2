//! A bad network between a program and its database.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What the network does to what goes through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing.
    Good,
    /// Every piece of an answer is late by this.
    Slow(Duration),
    /// What the program says arrives; no answer comes back, and nobody says why.
    Silent,
    /// As [`Self::Silent`], and then the connection is cut: whether a commit happened is in doubt.
    LosesAnswers,
    /// Connections are refused, and the open ones are cut.
    Refuses,
}

/// A port that leads to another one.
pub struct Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
}

struct State {
    network: Network,
    /// Ends of the open connections, to cut them.
    open: Vec<TcpStream>,
    over: bool,
}

impl Proxy {
    /// Starts one to a local port.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = State { network: Network::Good, open: Vec::new(), over: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for incoming in listener.incoming().filter_map(Result::ok) {
                if shared.lock().unwrap().over {
                    return;
                }
                accept(incoming, target, &shared);
            }
        });
        Self { port, state }
    }

    /// Where the program connects.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the network for what goes through it from now on.
    pub fn set(&self, network: Network) {
        let mut state = self.state.lock().unwrap();
        state.network = network;
        if network == Network::Refuses {
            cut(&mut state);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut state = self.state.lock().unwrap();
            state.over = true;
            cut(&mut state);
        }
        // The listener looks up when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn cut(state: &mut State) {
    for stream in state.open.drain(..) {
        let _ = stream.shutdown(Shutdown::Both);
    }
}

fn accept(program: TcpStream, target: u16, state: &Arc<Mutex<State>>) {
    // The lock is held so that nobody slips in between a question and its consequence.
    let mut held = state.lock().unwrap();
    if held.network == Network::Refuses {
        return;
    }
    let Ok(database) = TcpStream::connect(("127.0.0.1", target)) else { return };
    for stream in [&program, &database] {
        stream.set_nodelay(true).unwrap();
        held.open.push(stream.try_clone().unwrap());
    }
    drop(held);
    let (mut from_program, mut to_program) = (program.try_clone().unwrap(), program);
    let (mut from_database, mut to_database) = (database.try_clone().unwrap(), database);
    std::thread::spawn(move || {
        carry(&mut from_program, &mut to_database, || true);
    });
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        carry(&mut from_database, &mut to_program, || {
            let network = state.lock().unwrap().network;
            match network {
                Network::Good => true,
                Network::Slow(late) => {
                    std::thread::sleep(late);
                    true
                }
                Network::Silent => wait_while_silent(&state),
                Network::LosesAnswers | Network::Refuses => false,
            }
        });
    });
}

/// An answer on a silent way is never told, also not when the way is good again.
fn wait_while_silent(state: &Mutex<State>) -> bool {
    while matches!(state.lock().unwrap(), held if held.network == Network::Silent && !held.over) {
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

/// Carries bytes from one end to the other for as long as it may.
fn carry(from: &mut TcpStream, to: &mut TcpStream, may: impl Fn() -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !may() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
