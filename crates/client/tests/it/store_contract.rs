//! What every session store must do, tried on each.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keystile_client::protocol::Timestamp;
use keystile_client::session::{SessionKey, StoredSession, Whose};
use keystile_client::{MemorySessions, PostgresSessions, SessionStore, SqliteSessions};

use crate::bench::Postgres;

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
        claimed_until: Timestamp::default(),
    }
}

fn after(seconds: u64) -> Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

/// `one` and `other` are two nodes' ways to the same sessions.
async fn contract(one: Arc<dyn SessionStore>, other: Arc<dyn SessionStore>) {
    keeps_and_ends(&*one, &*other).await;
    expires(&*one).await;
    claims(&*one, &*other).await;
    ends_many(&*one).await;
    uses_once(&*one).await;
    let both = [one, other];
    claims_once(&both).await;
    replaces_once(&both).await;
    hands_out_once(&both).await;
    names_once(&both).await;
}

async fn keeps_and_ends(store: &dyn SessionStore, other: &dyn SessionStore) {
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), None);
    store.insert(&key(1), session(1)).await.expect("kept");
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), Some(session(1)));
    assert_eq!(other.load(&key(1), NOW).await.expect("read"), Some(session(1)), "there too");
    assert_eq!(store.load(&key(2), NOW).await.expect("read"), None);
    assert_eq!(other.remove(&key(1)).await.expect("ended"), Some(session(1)));
    assert_eq!(store.remove(&key(1)).await.expect("ended before"), None);
    assert_eq!(store.load(&key(1), NOW).await.expect("read"), None);
    assert!(!store.replace(&key(1), 0, vec![]).await.expect("gone"), "an ended one stays ended");
    let never = Timestamp::default();
    assert!(!store.claim(&key(1), 0, never, after(5)).await.expect("gone"));
    store.touch(&key(1), after(100)).await.expect("nothing to do");
    let without_sid = StoredSession { sid: None, ..session(2) };
    store.insert(&key(2), without_sid.clone()).await.expect("kept");
    assert_eq!(store.remove(&key(2)).await.expect("ended"), Some(without_sid));
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
    assert!(store.remove(&key(1)).await.expect("ended").is_some());
}

async fn claims(store: &dyn SessionStore, other: &dyn SessionStore) {
    let never = Timestamp::default();
    store.insert(&key(1), session(1)).await.expect("kept");
    assert!(!store.claim(&key(1), 1, never, after(5)).await.expect("tried"), "its generation is 0");
    assert!(store.claim(&key(1), 0, never, after(5)).await.expect("claimed"));
    let claimed = StoredSession { claimed_until: after(5), ..session(1) };
    assert_eq!(other.load(&key(1), NOW).await.expect("read"), Some(claimed));
    assert!(!other.claim(&key(1), 0, never, after(6)).await.expect("tried"), "it is taken");
    assert!(store.claim(&key(1), 0, after(5), after(7)).await.expect("made longer"));
    assert!(!store.claim(&key(1), 0, after(5), after(8)).await.expect("tried"));
    assert!(other.claim(&key(1), 0, after(7), after(20)).await.expect("it had lapsed"));
    assert!(!store.claim(&key(1), 0, after(7), never).await.expect("not its own any more"));
    assert!(store.replace(&key(1), 0, vec![1]).await.expect("the first to replace, all the same"));
    let now = other.load(&key(1), NOW).await.expect("read").expect("there");
    assert_eq!((now.generation, now.claimed_until), (1, never), "given back");
    assert!(!other.claim(&key(1), 0, never, after(5)).await.expect("of the generation before"));
    assert!(other.claim(&key(1), 1, never, after(5)).await.expect("claimed"));
    assert!(other.claim(&key(1), 1, after(5), never).await.expect("given back"));
    store.remove(&key(1)).await.expect("ended");
}

async fn ends_many(store: &dyn SessionStore) {
    for number in 1..=6 {
        let user = if number == 6 { 2 } else { 1 };
        let mut session = session(user);
        if number == 1 {
            session.sid = None;
        }
        store.insert(&key(number), session).await.expect("kept");
    }
    let mut ended = store.remove_some(Whose::Sid([101; 32]), 3).await.expect("ended");
    assert_eq!(ended.len(), 3, "no more than that");
    ended.extend(store.remove_some(Whose::Sid([101; 32]), 3).await.expect("ended"));
    ended.sort_by_key(|(key, _)| *key);
    let mut keys: Vec<_> = (2..=5).map(|number| (key(number), session(1))).collect();
    keys.sort_by_key(|(key, _)| *key);
    assert_eq!(ended, keys);
    assert!(store.load(&key(1), NOW).await.expect("read").is_some(), "has no sid");
    let subject = Whose::Subject([1; 32]);
    assert_eq!(store.remove_some(subject, 3).await.expect("ended")[0].0, key(1));
    assert_eq!(store.remove_some(subject, 3).await.expect("ended"), []);
    assert!(store.load(&key(6), NOW).await.expect("read").is_some(), "another user");
    store.remove(&key(6)).await.expect("ended");
}

async fn uses_once(store: &dyn SessionStore) {
    assert!(store.first_use(&[1; 32], NOW, after(10)).await.expect("noted"));
    assert!(!store.first_use(&[1; 32], after(9), after(100)).await.expect("noted"));
    assert!(store.first_use(&[2; 32], NOW, after(10)).await.expect("noted"));
    assert!(store.first_use(&[1; 32], after(10), after(20)).await.expect("noted"), "over");
    store.sweep(after(10)).await.expect("swept");
    assert!(!store.first_use(&[1; 32], after(10), after(20)).await.expect("noted"), "still known");
}

/// Twenty callers at once on two nodes: what each of them was told.
async fn at_once<T, F>(
    stores: &[Arc<dyn SessionStore>; 2],
    call: impl Fn(Arc<dyn SessionStore>, u8) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let store = |number: u8| Arc::clone(&stores[usize::from(number % 2)]);
    let calls: Vec<_> = (0..20).map(|number| tokio::spawn(call(store(number), number))).collect();
    let mut told = Vec::new();
    for call in calls {
        told.push(call.await.expect("ran"));
    }
    told
}

async fn claims_once(stores: &[Arc<dyn SessionStore>; 2]) {
    stores[0].insert(&key(1), session(1)).await.expect("kept");
    let told = at_once(stores, |store, number| async move {
        let until = after(5 + u64::from(number));
        store.claim(&key(1), 0, Timestamp::default(), until).await.expect("tried")
    });
    assert_eq!(told.await.into_iter().filter(|won| *won).count(), 1, "one of twenty claims");
    stores[0].remove(&key(1)).await.expect("ended");
}

async fn replaces_once(stores: &[Arc<dyn SessionStore>; 2]) {
    stores[0].insert(&key(1), session(1)).await.expect("kept");
    let told = at_once(stores, |store, number| async move {
        store.replace(&key(1), 0, vec![number]).await.expect("tried")
    });
    assert_eq!(told.await.into_iter().filter(|won| *won).count(), 1, "one of twenty replaces");
    let now = stores[1].load(&key(1), NOW).await.expect("read").expect("there");
    assert_eq!((now.generation, now.sealed.len()), (1, 1));
    assert_eq!(now.idle_until, session(1).idle_until);
    assert!(stores[0].replace(&key(1), 1, vec![9, 9]).await.expect("tried"));
    stores[0].remove(&key(1)).await.expect("ended");
}

async fn hands_out_once(stores: &[Arc<dyn SessionStore>; 2]) {
    for number in 1..=30 {
        stores[0].insert(&key(number), session(1)).await.expect("kept");
    }
    let told = at_once(stores, |store, number| async move {
        if number < 5 {
            let ended = store.remove(&key(u32::from(number) + 1)).await.expect("ended");
            return usize::from(ended.is_some());
        }
        let mut ended = 0;
        loop {
            let some = store.remove_some(Whose::Subject([1; 32]), 4).await.expect("ended");
            ended += some.len();
            if some.len() < 4 {
                return ended;
            }
        }
    });
    assert_eq!(told.await.into_iter().sum::<usize>(), 30, "each one to one caller");
}

async fn names_once(stores: &[Arc<dyn SessionStore>; 2]) {
    let told = at_once(stores, |store, _| async move {
        store.first_use(&[9; 32], NOW, after(10)).await.expect("noted")
    });
    assert_eq!(told.await.into_iter().filter(|first| *first).count(), 1, "one of twenty is first");
}

#[tokio::test]
async fn memory_keeps_the_contract() {
    let store = Arc::new(MemorySessions::default());
    contract(Arc::clone(&store) as _, store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_the_contract() {
    let folder = folder();
    let open = || Arc::new(SqliteSessions::open(folder.join("sessions.db")).expect("opened"));
    contract(open(), open()).await;
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgresql_keeps_the_contract() {
    let postgres = Postgres::start().await;
    contract(Arc::new(postgres.sessions().await), Arc::new(postgres.sessions().await)).await;
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

/// As version 1 of the file's layout was, with one session in it.
fn make_layout_1(path: &Path) {
    let connection = rusqlite::Connection::open(path).expect("opened");
    let tables = "
        CREATE TABLE sessions (
            key BLOB NOT NULL PRIMARY KEY,
            sealed BLOB NOT NULL,
            generation INTEGER NOT NULL,
            subject BLOB NOT NULL,
            sid BLOB,
            idle_until INTEGER NOT NULL,
            expires_at INTEGER NOT NULL
        ) STRICT, WITHOUT ROWID;
        CREATE INDEX sessions_by_subject ON sessions (subject);
        CREATE INDEX sessions_by_sid ON sessions (sid) WHERE sid IS NOT NULL;
        CREATE INDEX sessions_by_idle ON sessions (idle_until);
        PRAGMA user_version = 1;";
    connection.execute_batch(tables).expect("made");
    let StoredSession { sealed, subject, sid, idle_until, expires_at, .. } = session(1);
    let row = (*key(1).as_bytes(), sealed, subject, sid, idle_until.millis(), expires_at.millis());
    connection.execute("INSERT INTO sessions VALUES (?1, ?2, 0, ?3, ?4, ?5, ?6)", row).expect("in");
}

#[tokio::test]
async fn a_file_of_the_layout_before_is_migrated_and_one_of_the_next_refused() {
    let folder = folder();
    let path = folder.join("sessions.db");
    make_layout_1(&path);
    // Nodes that start at once.
    let opening: Vec<_> = (0..4)
        .map(|_| {
            let path = path.clone();
            std::thread::spawn(move || SqliteSessions::open(path).expect("migrated"))
        })
        .collect();
    for store in opening {
        let store = store.join().expect("ran");
        assert_eq!(store.load(&key(1), NOW).await.expect("read"), Some(session(1)));
    }
    let store = SqliteSessions::open(&path).expect("opened again");
    assert!(store.claim(&key(1), 0, Timestamp::default(), after(5)).await.expect("claimed"));
    let newer = rusqlite::Connection::open(&path).expect("opened");
    newer.pragma_update(None, "user_version", 3).expect("set");
    let error = SqliteSessions::open(&path).expect_err("made by a newer version").to_string();
    assert!(error.contains("layout 3") && error.contains("sessions.db"), "{error}");
    std::fs::remove_dir_all(folder).expect("cleaned up");
}

#[tokio::test]
async fn postgresql_lies_beside_the_apps_own_tables_and_nodes_that_start_at_once_agree() {
    let postgres = Postgres::start().await;
    postgres.sql("CREATE TABLE sessions (mine text); CREATE TABLE layout (mine text)");
    let pool = postgres.pool(10);
    let opening: Vec<_> =
        (0..5).map(|_| tokio::spawn(PostgresSessions::open(pool.clone()))).collect();
    for opened in opening {
        opened.await.expect("ran").expect("opened");
    }
    let other = PostgresSessions::open_in(pool.clone(), "other_app").await.expect("opened");
    let store = PostgresSessions::open(pool.clone()).await.expect("opened again");
    store.insert(&key(1), session(1)).await.expect("kept");
    assert_eq!(other.load(&key(1), NOW).await.expect("read"), None, "each app has its own");
    let tables = "SELECT string_agg(schemaname || '.' || tablename, ' ' ORDER BY 1) FROM pg_tables
                  WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    let tables = postgres.sql(tables);
    assert!(tables.contains("keystile_client.sessions") && tables.contains("public.sessions"));
    postgres.sql("UPDATE keystile_client.layout SET number = 2");
    let error = PostgresSessions::open(pool.clone()).await.expect_err("newer").to_string();
    assert!(error.contains("layout 2") && error.contains("keystile_client"), "{error}");
    for name in ["", "Mine", "a\"b", "1st", "pg_mine", &"a".repeat(64)] {
        assert!(PostgresSessions::open_in(pool.clone(), name).await.is_err(), "{name}");
    }
}

#[tokio::test]
async fn postgresql_that_does_not_answer_keeps_nobody_waiting_for_long() {
    let postgres = Postgres::start().await;
    let pool = postgres.pool(1);
    let store = PostgresSessions::open(pool.clone()).await.expect("opened");
    let impatient = store.clone().time_limit(Duration::from_millis(200));
    store.insert(&key(1), session(1)).await.expect("kept");
    let mut elsewhere = postgres.pool(1).get().await.expect("connected");
    let lock = elsewhere.transaction().await.expect("begun");
    lock.batch_execute("LOCK TABLE keystile_client.sessions").await.expect("locked");
    let error = impatient.load(&key(1), NOW).await.expect_err("locked away").to_string();
    assert!(error.contains("no answer within 200ms"), "{error}");
    lock.rollback().await.expect("unlocked");
    assert!(store.load(&key(1), NOW).await.expect("on another connection").is_some());
    let all = pool.get().await.expect("the only one");
    let error = impatient.load(&key(1), NOW).await.expect_err("none left").to_string();
    assert!(error.contains("no connection of the pool within 200ms"), "{error}");
    drop(all);
    postgres.sql("DROP SCHEMA keystile_client CASCADE");
    let error = store.load(&key(1), NOW).await.expect_err("no table").to_string();
    assert!(error.contains("keystile_client.sessions") && error.contains("42P01"), "{error}");
    let error = PostgresSessions::open(Postgres::nowhere()).await.expect_err("nobody listens");
    assert!(error.to_string().contains("refused"), "{error}");
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
