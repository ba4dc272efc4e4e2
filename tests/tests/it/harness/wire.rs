//! A wire that is listened to: every byte between a browser and an app, or an app and an API.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// What was said on one connection.
#[derive(Clone, Default)]
pub(crate) struct Conversation {
    /// Towards the server.
    pub(crate) asked: Vec<u8>,
    /// From there.
    pub(crate) answered: Vec<u8>,
}

type Shared = Arc<Mutex<Conversation>>;
type All = Arc<Mutex<Vec<Shared>>>;

/// From one port to another.
pub(crate) struct Wire {
    all: All,
    task: AbortHandle,
}

impl Wire {
    pub(crate) async fn listen(port: u16, to: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let all = All::default();
        let heard = Arc::clone(&all);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else { continue };
                let conversation = Shared::default();
                heard.lock().unwrap().push(Arc::clone(&conversation));
                tokio::spawn(carry(client, server, conversation));
            }
        });
        Self { all, task: task.abort_handle() }
    }

    /// All conversations as they are now.
    pub(crate) fn heard(&self) -> Vec<Conversation> {
        self.all.lock().unwrap().iter().map(|it| it.lock().unwrap().clone()).collect()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Both ways, until both are closed or one breaks.
async fn carry(mut client: TcpStream, mut server: TcpStream, heard: Shared) {
    let (asks, answered) = client.split();
    let (answers, asked) = server.split();
    let up = one_way(asks, asked, |piece| heard.lock().unwrap().asked.extend(piece));
    let down = one_way(answers, answered, |piece| heard.lock().unwrap().answered.extend(piece));
    let _ = tokio::try_join!(up, down);
}

async fn one_way(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    hear: impl Fn(&[u8]),
) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        hear(&buffer[..length]);
        to.write_all(&buffer[..length]).await?;
    }
}
