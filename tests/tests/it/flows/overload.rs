//! Too much at once: what there is no room for is told so at once (row 3.9), and the rest goes on.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::harness::{Browser, Keystile};

async fn connect(server: &Keystile) -> TcpStream {
    TcpStream::connect(server.issuer.trim_start_matches("http://")).await.unwrap()
}

/// Asks for the head of `/healthz` and reads it; nothing from a connection that was closed.
async fn health(stream: &mut TcpStream) -> String {
    let request = "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut head = Vec::new();
    if stream.write_all(request.as_bytes()).await.is_ok() {
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_connection_more_than_there_may_be_is_answered_503_and_the_others_go_on() {
    let server = Keystile::start_with("[limits]\nconnections = 3\n").await;
    let mut kept = Vec::new();
    let refused = loop {
        let mut stream = connect(&server).await;
        let answer = health(&mut stream).await;
        if !answer.starts_with("HTTP/1.1 200 ") {
            break answer;
        }
        kept.push(stream);
        assert!(kept.len() <= 3, "no more than there may be");
    };
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("Retry-After: "), "{refused}");
    let mut first = kept.pop().unwrap();
    assert!(health(&mut first).await.starts_with("HTTP/1.1 200 "), "who is in is served");
    drop(first);
    while !health(&mut connect(&server).await).await.starts_with("HTTP/1.1 200 ") {}
}

#[tokio::test]
async fn bodies_that_do_not_come_leave_room_for_those_that_do() {
    const SLOW: &str = "POST /token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\
        Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n";
    let server = Keystile::start_with("[limits]\nconcurrent_requests = 8\n").await;
    let app = server.app();
    // Half of the places may be waited in: of five, one is told that there is no room.
    let mut slow = JoinSet::new();
    for _ in 0..5 {
        let mut stream = connect(&server).await;
        slow.spawn(async move {
            stream.write_all(SLOW.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            answer
        });
    }
    let refused = slow.join_next().await.unwrap().unwrap();
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.contains("retry-after: ") && refused.contains("temporarily_unavailable"));
    assert!(slow.try_join_next().is_none(), "the other four wait, for fifteen seconds");
    for _ in 0..20 {
        app.token(&[("grant_type", "client_credentials")]).await.expect("its body is there");
    }
}

/// A login flood takes no more than its own: where cores are scarce, the kernel gives them to whoever
/// answers requests.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn threads_that_hash_passwords_stand_back_for_all_others() {
    let server = Keystile::start().await;
    let (hashing, others): (Vec<_>, Vec<_>) =
        server.threads().into_iter().partition(|(name, _)| name == "password-hash");
    assert!(!hashing.is_empty() && !others.is_empty());
    // The tests may stand back themselves.
    let usual = others[0].1;
    assert!(others.iter().all(|(_, niceness)| *niceness == usual), "{others:?}");
    assert!(hashing.iter().all(|(_, niceness)| *niceness >= 10.max(usual + 1)), "{hashing:?}");
}

#[tokio::test]
async fn tokens_come_while_every_thread_that_hashes_is_busy_and_logins_wait() {
    // The hash is of no password, and to find that out takes many seconds.
    let server = Keystile::start_with(
        "[[users]]\nusername = \"slow\"\npassword_hash = \"$argon2id$v=19$m=65536,t=100,p=1\
         $c29tZSBzYWx0IGZvciBpdA$b3V0cHV0IG9mIG5vIHBhc3N3b3JkIGF0IGFsbCwgMzI\"\n",
    )
    .await;
    let app = server.app();
    let mut logins = JoinSet::new();
    for _ in 0..4 {
        let mut browser = Browser::new();
        let page = browser.open(app.authorize_url()).await;
        logins.spawn(async move { browser.sign_in(&page, "slow", "wrong").await.status });
    }
    for _ in 0..20 {
        app.token(&[("grant_type", "client_credentials")]).await.expect("no login is in its way");
    }
    assert!(logins.try_join_next().is_none(), "they wait for their hashes");
}
