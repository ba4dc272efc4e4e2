//! What every session store must do, tried on each.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keystile_client::protocol::Timestamp;
use keystile_client::session::{SessionKey, StoredSession, Whose};
use keystile_client::{MemorySessions, SessionStore, SqliteSessions};

const NOW: Timestamp = Timestamp::from_seconds(1_800_000_000);

/// A new folder for one test.
pub(crate) fn folder() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("keystile-client-{}-{number}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn key(number: u32) -> SessionKey {
    SessionKey::of_handle(&number.to_string())
}

fn session(user: u8) -> StoredSession {
    StoredSession {
        sealed: vec![user; 100],
        generation: 0,
        subject: [user; 32],
        sid: Some([user + 100; 32]),
        idle_until: NOW.plus(Duration::from_secs(10)),
        expires_at: NOW.plus(Duration::from_secs(20)),
    }
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

async fn contract(store: Arc<dyn SessionStore>) {
    keeps_and_ends(&*store).await;
    expires(&*store).await;
    ends_many(&*store).await;
    replaces_once(store).await;
}

async fn keeps_and_ends(store: &dyn SessionStore) {
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), None);
    store.insert(&key(1), session(1)).await.expect("kept");
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), Some(session(1)));
    assert_eq!(store.load(&key(2), NOW).await.expect("read"), None);
    assert!(store.remove(&key(1)).await.expect("ended"));
    assert!(!store.remove(&key(1)).await.expect("ended before"));
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), None);
    assert!(!store.replace(&key(1), 0, vec![]).await.expect("gone"), "an ended one stays ended");
    store.touch(&key(1), after(100)).await.expect("nothing to do");
}

async fn expires(store: &dyn SessionStore) {
    store.insert(&key(1), session(1)).await.expect("kept");
    assert!(store.load(&key(1), after(9)).await.expect("read").is_some());
    assert!(store.load(&key(1), after(10)).await.expect("read").is_none(), "idle");
    store.touch(&key(1), after(30)).await.expect("touched");
    store.touch(&key(1), after(5)).await.expect("never back");
    assert!(store.load(&key(1), after(19)).await.expect("read").is_some());
    assert!(store.load(&key(1), after(20)).await.expect("read").is_none(), "absolute");
    store.insert(&key(2), session(2)).await.expect("kept");
    store.sweep(after(10)).await.expect("swept");
    assert!(store.load(&key(1), NOW).await.expect("read").is_some());
    assert!(store.load(&key(2), NOW).await.expect("read").is_none(), "swept");
    store.remove(&key(1)).await.expect("ended");
}

async fn ends_many(store: &dyn SessionStore) {
    for number in 1..=4 {
        let user = if number == 4 { 2 } else { 1 };
        let mut session = session(user);
        if number == 1 {
            session.sid = None;
        }
        store.insert(&key(number), session).await.expect("kept");
    }
    assert_eq!(store.remove_all(Whose::Sid([101; 32])).await.expect("ended"), 2);
    assert!(store.load(&key(1), NOW).await.expect("read").is_some(), "has no sid");
    assert_eq!(store.remove_all(Whose::Subject([1; 32])).await.expect("ended"), 1);
    assert_eq!(store.remove_all(Whose::Subject([1; 32])).await.expect("ended"), 0);
    assert!(store.load(&key(4), NOW).await.expect("read").is_some(), "another user");
    store.remove(&key(4)).await.expect("ended");
}

async fn replaces_once(store: Arc<dyn SessionStore>) {
    store.insert(&key(1), session(1)).await.expect("kept");
    let tries: Vec<_> = (0..20)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(
                async move { store.replace(&key(1), 0, vec![number]).await.expect("tried") },
            )
        })
        .collect();
    let mut won = 0;
    for attempt in tries {
        won += usize::from(attempt.await.expect("ran"));
    }
    assert_eq!(won, 1, "of twenty at once one replaces");
    let now = store.load(&key(1), NOW).await.expect("read").expect("there");
    assert_eq!((now.generation, now.sealed.len()), (1, 1));
    assert_eq!(now.idle_until, session(1).idle_until);
    assert!(store.replace(&key(1), 1, vec![9, 9]).await.expect("tried"));
    store.remove(&key(1)).await.expect("ended");
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    contract(Arc::new(MemorySessions::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    let folder = folder();
    let store = SqliteSessions::open(folder.join("sessions.db")).expect("opened");
    contract(Arc::new(store)).await;
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[tokio::test]
async fn memory_is_bounded_and_the_least_used_ends_first() {
    let store = MemorySessions::with_room_for(2);
    for number in 1..=3 {
        let mut session = session(1);
        session.idle_until = after(100 - u64::from(number));
        store.insert(&key(number), session).await.expect("kept");
    }
    let mut alive = Vec::new();
    for number in 1..=3 {
        if store.load(&key(number), NOW).await.expect("read").is_some() {
            alive.push(number);
        }
    }
    assert_eq!(alive, [1, 3]);
}

#[tokio::test]
async fn sqlite_outlives_the_process_and_is_its_owners_alone() {
    let folder = folder();
    let path = folder.join("sessions.db");
    let store = SqliteSessions::open(&path).expect("opened");
    store.insert(&key(1), session(1)).await.expect("kept");
    drop(store);
    let again = SqliteSessions::open(&path).expect("opened again");
    assert_eq!(again.load(&key(1), NOW).await.expect("read"), Some(session(1)));
    #[cfg(unix)]
    for file in std::fs::read_dir(&folder).expect("listed") {
        use std::os::unix::fs::PermissionsExt;
        let file = file.expect("read");
        let mode = file.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", file.path());
    }
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[tokio::test]
async fn a_session_outlives_a_restart_of_the_app() {
    let folder = folder();
    let open = || Arc::new(SqliteSessions::open(folder.join("sessions.db")).expect("opened"));
    let key = || folder.join("sessions.key");
    let before = crate::bench::Setup::with(|b| b.sessions(open()).key_file(key())).await;
    let browser = before.signed_in().await;
    let after = crate::bench::Setup::at(before.server, |b| b.sessions(open()).key_file(key()));
    let mut later = after.browser();
    later.cookies.clone_from(&browser.cookies);
    assert_eq!(later.get("/photos").await.body, "200 three photos");
    let forgot = keystile_client::Client::builder("https://login.example", "a")
        .public()
        .app_url("https://app.example")
        .sessions(open())
        .build();
    let error = forgot.expect_err("a durable store needs a key that lasts");
    assert!(error.to_string().contains("key_file"), "{error}");
    std::fs::remove_dir_all(&folder).expect("cleaned up");
}

#[tokio::test]
async fn a_session_under_a_key_that_is_gone_is_none() {
    let store: Arc<dyn SessionStore> = Arc::new(MemorySessions::default());
    let (one, two) = (Arc::clone(&store), store);
    let before = crate::bench::Setup::with(|b| b.sessions(one).encryption_key([1; 32])).await;
    let browser = before.signed_in().await;
    let after = crate::bench::Setup::at(before.server, |b| b.sessions(two).encryption_key([2; 32]));
    let mut later = after.browser();
    later.cookies.clone_from(&browser.cookies);
    assert_eq!(later.get("/").await.body, "hello stranger");
    later.cookies.remove("app.recent");
    assert_eq!(after.sign_in(&mut later, "/me").await.location(), "/me");
}

#[tokio::test]
async fn contents_that_were_moved_to_another_session_do_not_open() {
    let store = Arc::new(MemorySessions::default());
    let shared: Arc<dyn SessionStore> = Arc::clone(&store) as _;
    let setup = crate::bench::Setup::with(|b| b.sessions(shared)).await;
    let mut victim = setup.signed_in().await;
    let mut thief = setup.signed_in().await;
    let keys = [&victim, &thief].map(|b| SessionKey::of_handle(&b.cookies["app"]));
    let of_victim = store.load(&keys[0], NOW_REALLY).await.expect("read").expect("there");
    assert!(store.replace(&keys[1], 0, of_victim.sealed).await.expect("tried"));
    assert_eq!(thief.get("/").await.body, "hello stranger");
    assert_eq!(victim.get("/").await.body, "hello again");
}

/// Before any session that the machine's clock makes is over.
const NOW_REALLY: Timestamp = Timestamp::from_seconds(0);
