//! A load balancer without sticky sessions: each request goes to whichever node comes next.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// In front of several nodes.
pub(crate) struct Balancer {
    pub(crate) url: String,
    state: Arc<Way>,
    task: JoinHandle<()>,
}

struct Way {
    nodes: Vec<String>,
    next: AtomicUsize,
    /// The node that gets everything, or as many as there are: each gets its turn.
    only: AtomicUsize,
    http: reqwest::Client,
}

impl Balancer {
    /// The port has to be known before the nodes start, since their issuer names it.
    pub(crate) async fn listen() -> (TcpListener, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://localhost:{}", listener.local_addr().unwrap().port());
        (listener, url)
    }

    pub(crate) fn start(listener: TcpListener, url: String, nodes: Vec<String>) -> Self {
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().redirect(policy).build().unwrap();
        let (next, only) = (AtomicUsize::new(0), AtomicUsize::new(nodes.len()));
        let state = Arc::new(Way { nodes, next, only, http });
        let router = Router::new().fallback(forward).with_state(Arc::clone(&state));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state, task }
    }

    /// From now on everything goes to this node.
    pub(crate) fn only(&self, node: usize) {
        self.state.only.store(node, Ordering::SeqCst);
    }

    /// From now on each node gets its turn.
    pub(crate) fn in_turn(&self) {
        self.only(self.state.nodes.len());
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(State(way): State<Arc<Way>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let nodes = way.nodes.len();
    let first = match way.only.load(Ordering::SeqCst) {
        only if only < nodes => only,
        _ => way.next.fetch_add(1, Ordering::Relaxed),
    };
    // A node that takes no connection has not got the request either.
    for node in (first..first + nodes).map(|node| &way.nodes[node % nodes]) {
        let request = way.http.request(head.method.clone(), format!("{node}{}", head.uri));
        let request = request.headers(end_to_end(&head.headers)).body(body.clone());
        match request.send().await {
            Err(error) if error.is_connect() => {}
            Err(_) => break,
            Ok(answer) => {
                let (status, headers) = (answer.status(), end_to_end(answer.headers()));
                let Ok(body) = answer.bytes().await else { break };
                return (status, headers, Body::from(body)).into_response();
            }
        }
    }
    StatusCode::BAD_GATEWAY.into_response()
}

/// The headers that are not about one connection.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    headers
}
