//! A bad network between a program and its database.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the network does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// It carries everything.
    Good,
    /// Every piece of an answer is late by this.
    Slow(Duration),
    /// What the program says arrives; answers do not for as long as this lasts, and nobody says why.
    Silent,
    /// Connections are refused, and those that were open are cut.
    Refuses,
}

/// A port that leads to another one. The network behind it is good in the beginning.
pub struct Proxy {
    port: u16,
    shared: Arc<Mutex<Shared>>,
}

struct Shared {
    network: Network,
    over: bool,
    ways: Vec<Arc<Way>>,
}

/// A connection's two halves.
struct Way {
    program: TcpStream,
    database: TcpStream,
    loses_answers: Mutex<bool>,
}

impl Way {
    fn cut(&self) {
        let _ = self.program.shutdown(Shutdown::Both);
        let _ = self.database.shutdown(Shutdown::Both);
    }
}

impl Proxy {
    /// Starts one to a local port.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Shared { network: Network::Good, over: false, ways: Vec::new() };
        let shared = Arc::new(Mutex::new(state));
        let of_listener = Arc::clone(&shared);
        std::thread::spawn(move || {
            for program in listener.incoming().filter_map(Result::ok) {
                if lock(&of_listener).over {
                    return;
                }
                accept(program, target, &of_listener);
            }
        });
        Self { port, shared }
    }

    /// Where the program connects.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes the network.
    pub fn set(&self, network: Network) {
        let mut shared = lock(&self.shared);
        shared.network = network;
        if network == Network::Refuses {
            shared.ways.drain(..).for_each(|way| way.cut());
        }
    }

    /// Each connection that is open now carries what the program says once more, and is cut when
    /// the answer comes: whether a commit happened is in doubt. New connections are good.
    pub fn lose_answers(&self) {
        for way in lock(&self.shared).ways.drain(..) {
            *lock(&way.loses_answers) = true;
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        {
            let mut shared = lock(&self.shared);
            shared.over = true;
            shared.ways.drain(..).for_each(|way| way.cut());
        }
        // The listener looks up when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn accept(program: TcpStream, target: u16, shared: &Arc<Mutex<Shared>>) {
    // Locked to the end: whoever is accepted in a good network is among those that are cut.
    let mut state = lock(shared);
    if state.network == Network::Refuses {
        return;
    }
    let Ok(database) = TcpStream::connect(("127.0.0.1", target)) else { return };
    let _ = (program.set_nodelay(true), database.set_nodelay(true));
    let way = Arc::new(Way { program, database, loses_answers: Mutex::new(false) });
    state.ways.push(Arc::clone(&way));
    let (there, back, shared) = (Arc::clone(&way), way, Arc::clone(shared));
    std::thread::spawn(move || {
        carry(&there.program, &there.database, || true);
        there.cut();
    });
    std::thread::spawn(move || {
        carry(&back.database, &back.program, || arrives(&back, &shared));
        back.cut();
    });
}

/// Waits as long as the network has it; says whether the answer arrives at all. After a silence
/// it does, as TCP sends again what got lost.
fn arrives(way: &Way, shared: &Mutex<Shared>) -> bool {
    loop {
        let (network, over) = {
            let state = lock(shared);
            (state.network, state.over)
        };
        match network {
            _ if over || *lock(&way.loses_answers) => return false,
            Network::Silent => std::thread::sleep(Duration::from_millis(10)),
            Network::Slow(late) => {
                std::thread::sleep(late);
                return true;
            }
            Network::Good | Network::Refuses => return true,
        }
    }
}

/// Carries bytes from one end to the other for as long as they arrive.
fn carry(mut from: &TcpStream, mut to: &TcpStream, arrive: impl Fn() -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !arrive() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}
