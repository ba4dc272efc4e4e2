//! Figures, not proofs: `cargo test --release -p keystile-store -- --ignored --nocapture measure`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keystile_authority::decisions::Redeemed;
use keystile_authority::fixtures;
use keystile_authority::ids::{AccountId, GrantId, SessionId};
use keystile_authority::ports::{Registry, Store};
use keystile_authority::sealed::Code;
use keystile_protocol::Timestamp;
use keystile_store::Database;
use keystile_store::sqlite::Options;

use crate::contract::NOW;
use crate::sqlite::Folder;

const PEOPLE: u32 = 10_000;

fn random(number: u32) -> [u8; 10] {
    let digest = keystile_protocol::encoding::sha256(number.to_be_bytes());
    digest[..10].try_into().expect("ten")
}

fn person(number: u32) -> (AccountId, SessionId) {
    let then = Timestamp::from_millis(NOW.millis() - 1_000_000 + i64::from(number));
    (AccountId::new(then, random(number)), SessionId::new(then, random(number + 1)))
}

fn code(number: u32) -> Code {
    let (account, session) = person(number.wrapping_mul(7919) % PEOPLE);
    let mut code = fixtures::code(Timestamp::from_millis(NOW.millis() + i64::from(number / 16)));
    (code.account, code.session) = (account, session);
    code.grant = GrantId::new(code.approved_at, random(number));
    code.first_in_session = false;
    code
}

async fn people(store: &Database) {
    store.put_client(&fixtures::client()).await.expect("put");
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..PEOPLE {
        let store = store.clone();
        tasks.spawn(async move {
            let (account, session) = person(number);
            let mut new = fixtures::account(1);
            (new.id, new.username) = (account, format!("user{number}"));
            store.add_account(&new, None).await.expect("added");
            let mut open = fixtures::signed_in(NOW).session;
            (open.id, open.account) = (session, account);
            let opened = fixtures::session_opened(open, [7; 32]);
            store.open_session(opened).await.expect("opened");
        });
        if tasks.len() >= 64 {
            tasks.join_next().await;
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// How long each took, sorted.
async fn redeem(store: &Database, from: u32, count: u32, tasks: u32) -> Vec<Duration> {
    let client = Arc::new(fixtures::client());
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let (store, client) = (store.clone(), client.clone());
            tokio::spawn(async move {
                let mut times = Vec::new();
                for number in (from + task..from + count).step_by(tasks as usize) {
                    let redemption = fixtures::redemption(&code(number), &client, 1);
                    let begun = Instant::now();
                    let outcome = store.redeem_code(redemption).await;
                    times.push(begun.elapsed());
                    assert_eq!(outcome, Ok(Redeemed::Done));
                }
                times
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.expect("no panic"));
    }
    times.sort_unstable();
    times
}

/// The writer's time on the processor, in hundredths of a second; known on Linux alone.
fn writer_ticks() -> Option<u32> {
    let threads = std::fs::read_dir("/proc/self/task").ok()?.flatten();
    let mut stats =
        threads.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    let stat = stats.find(|stat| stat.contains("(store-writer)"))?;
    let mut times = stat.split_once(") ")?.1.split(' ').skip(11);
    Some(times.next()?.parse::<u32>().ok()? + times.next()?.parse::<u32>().ok()?)
}

#[allow(clippy::print_stdout, reason = "it is what this is for")]
async fn measure_with(name: &str) {
    let folder = Folder::new();
    let store = Database::open_sqlite(&folder.database(), Options::default()).expect("a store");
    people(&store).await;
    let mut from = 0;
    redeem(&store, from, 100_000, 64).await;
    from += 100_000;
    for tasks in [1, 16, 64] {
        for _ in 0..3 {
            let count = if tasks == 1 { 5_000 } else { 60_000 };
            let (begun, ticks) = (Instant::now(), writer_ticks());
            let times = redeem(&store, from, count, tasks).await;
            let rate = f64::from(count) / begun.elapsed().as_secs_f64();
            let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
            println!("{name}: {tasks} tasks, {rate:.0} redemptions/s, {median:?}, p99 {p99:?}");
            if let (Some(before), Some(after)) = (ticks, writer_ticks()) {
                let each = f64::from(after - before) * 10_000.0 / f64::from(count);
                println!("{name}: {tasks} tasks, the writer works {each:.1} µs for each");
            }
            from += count;
        }
    }
    let begun = Instant::now();
    for number in 0..100_000 {
        let number = number * 3 % from;
        let grant = store.grant(&code(number).grant, Some("j"), NOW).await.expect("there");
        assert!(grant.expect("a row").alive);
    }
    println!("{name}: a grant with its life is read in {:?}", begun.elapsed() / 100_000);
}

#[test]
#[ignore = "takes half a minute and tells nothing in a debug build"]
fn measure_redemptions_on_one_thread() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure_with("one thread"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half a minute and tells nothing in a debug build"]
async fn measure_redemptions_on_two_threads() {
    measure_with("two threads").await;
}
