//! A client's own little web server: documents by their paths, which change as a test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What it answers to a path.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) status: u16,
    /// Whole header lines.
    pub(crate) headers: Vec<String>,
    pub(crate) body: Vec<u8>,
}

impl Document {
    pub(crate) fn new(content_type: &str, body: impl AsRef<[u8]>) -> Self {
        let headers = vec![format!("Content-Type: {content_type}")];
        Self { status: 200, headers, body: body.as_ref().to_vec() }
    }

    pub(crate) fn json(body: impl ToString) -> Self {
        Self::new("application/json", body.to_string())
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    pub(crate) fn with_header(mut self, line: impl Into<String>) -> Self {
        self.headers.push(line.into());
        self
    }
}

/// The server.
#[derive(Clone)]
pub(crate) struct Documents {
    origin: String,
    state: Arc<Mutex<State>>,
    /// Whether it answers, or lets everybody wait.
    answers: watch::Sender<bool>,
}

#[derive(Default)]
struct State {
    documents: HashMap<String, Document>,
    asked: HashMap<String, usize>,
}

impl Documents {
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", socket.local_addr().unwrap());
        let server = Self { origin, state: Arc::default(), answers: watch::Sender::new(true) };
        let answering = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                tokio::spawn(answering.clone().answer(stream));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// From now on the path answers with this.
    pub(crate) fn put(&self, path: &str, document: Document) {
        self.state.lock().unwrap().documents.insert(path.to_owned(), document);
    }

    /// How often the path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.state.lock().unwrap().asked.get(path).copied().unwrap_or_default()
    }

    /// From now on everybody waits for an answer, or no longer.
    pub(crate) fn hold(&self, hold: bool) {
        self.answers.send_replace(!hold);
    }

    async fn answer(self, mut stream: TcpStream) {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut piece = [0; 1024];
            match stream.read(&mut piece).await {
                Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
                _ => return,
            }
        }
        let request = String::from_utf8(request).unwrap();
        let path = request.strip_prefix("GET ").and_then(|rest| rest.split(' ').next()).unwrap();
        *self.state.lock().unwrap().asked.entry(path.to_owned()).or_default() += 1;
        self.answers.subscribe().wait_for(|answers| *answers).await.unwrap();
        let document = self.state.lock().unwrap().documents.get(path).cloned();
        let missing = || Document::new("text/plain", "not here").with_status(404);
        let Document { status, headers, body } = document.unwrap_or_else(missing);
        let head = format!(
            "HTTP/1.1 {status} Answer\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            headers.join("\r\n"),
            body.len()
        );
        // Who has had enough closes the connection.
        let _ = stream.write_all(&[head.as_bytes(), &body].concat()).await;
    }
}
