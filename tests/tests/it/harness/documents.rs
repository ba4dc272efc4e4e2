//! What clients have at their own addresses, on this machine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A server of documents.
pub(crate) struct Documents {
    origin: String,
    served: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Documents {
    pub(crate) async fn start() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", socket.local_addr().unwrap());
        let served = Arc::<Mutex<BTreeMap<String, Vec<u8>>>>::default();
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let (answers, heard) = (Arc::clone(&served), Arc::clone(&asked));
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let mut request = vec![0; 4096];
                let length = stream.read(&mut request).await.unwrap_or(0);
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let missing = b"HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n".to_vec();
                let answer = answers.lock().unwrap().get(&path).cloned().unwrap_or(missing);
                heard.lock().unwrap().push(path);
                // Who has had enough closes the connection.
                drop(stream.write_all(&answer).await);
            }
        });
        Self { origin, served, asked }
    }

    /// The address of a document, which is there from now on.
    pub(crate) fn serve(&self, path: &str, headers: &str, body: &[u8]) -> String {
        self.answer(path, &format!("200 OK\r\n{headers}"), body)
    }

    /// The same with another status.
    pub(crate) fn answer(&self, path: &str, status_and_headers: &str, body: &[u8]) -> String {
        let head = format!("HTTP/1.1 {}\r\nConnection: close\r\n\r\n", status_and_headers.trim());
        let answer = [head.as_bytes(), body].concat();
        self.served.lock().unwrap().insert(path.to_owned(), answer);
        format!("{}{path}", self.origin)
    }

    /// How often a document was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}
