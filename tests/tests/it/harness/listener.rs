//! A client's endpoint that is told things, and keeps what it is told.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The endpoint.
pub(crate) struct Listener {
    pub(crate) url: String,
    heard: Arc<Mutex<Vec<Told>>>,
}

/// A request that it got.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Listener {
    /// Answers the first requests with these statuses, and 200 afterwards. A redirect leads back
    /// here, so that whoever follows it is heard.
    pub(crate) async fn start(statuses: &'static [u16]) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/told", socket.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, mut statuses) = (Arc::clone(&heard), statuses.iter().copied());
        let location = format!("{url}/elsewhere");
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let told = read(&mut stream).await;
                kept.lock().unwrap().push(told);
                let status = statuses.next().unwrap_or(200);
                let location = match status {
                    300..=399 => format!("Location: {location}\r\n"),
                    _ => String::new(),
                };
                let answer = format!(
                    "HTTP/1.1 {status} Told\r\n{location}Content-Length: 2\r\nConnection: \
                     close\r\n\r\n{{}}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        Self { url, heard }
    }

    /// What it was told, once it was told so often.
    pub(crate) async fn heard(&self, count: usize) -> Vec<Told> {
        let started = Instant::now();
        loop {
            let heard = self.so_far();
            if heard.len() >= count {
                return heard;
            }
            assert!(started.elapsed() < Duration::from_secs(120), "told {} times", heard.len());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// What it was told by now.
    pub(crate) fn so_far(&self) -> Vec<Told> {
        self.heard.lock().unwrap().clone()
    }
}

async fn read(stream: &mut TcpStream) -> Told {
    let mut request = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let length = stream.read(&mut piece).await.unwrap();
        request.extend_from_slice(&piece[..length]);
        let text = String::from_utf8_lossy(&request).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lower = head.to_ascii_lowercase();
        let length = lower.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if body.len() >= length {
            return Told { head: head.to_owned(), body: body.to_owned() };
        }
    }
}
