//! What the store's statements do to the row of a grant.

use keystile_authority::decisions::{Redeemed, Rotated};

/// The columns that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Row {
    /// Which request made it.
    pub(crate) redemption: u8,
    /// Which approval of a pushed request it came from.
    pub(crate) approval: Option<u8>,
    pub(crate) revoked: bool,
    pub(crate) generation: u32,
    /// Which generation brought that one.
    pub(crate) predecessor: Option<u32>,
    /// In the model's ticks.
    pub(crate) rotated_at: u8,
}

/// `Store::redeem_code`. `alive`: whether account, client, consent and session are.
pub(crate) fn redeem(
    row: &mut Option<Row>,
    redemption: u8,
    approval: Option<u8>,
    alive: bool,
    now: u8,
) -> Redeemed {
    match row {
        _ if !alive => {
            revoke_redeemed(row, approval);
            Redeemed::Ended
        }
        None => {
            let (revoked, generation, predecessor) = (false, 0, None);
            let rotated_at = now;
            *row = Some(Row { redemption, approval, revoked, generation, predecessor, rotated_at });
            Redeemed::Done
        }
        Some(row) if row.approval != approval => Redeemed::Taken,
        Some(row) if row.redemption == redemption && !row.revoked => Redeemed::Done,
        Some(row) => {
            row.revoked = true;
            Redeemed::Replayed
        }
    }
}

/// `Store::revoke_redeemed`: a code that came again after its life.
pub(crate) fn revoke_redeemed(row: &mut Option<Row>, approval: Option<u8>) {
    if let Some(row) = row.as_mut().filter(|row| row.approval == approval) {
        row.revoked = true;
    }
}

/// `Store::revoke_grant`.
pub(crate) fn revoke(row: &mut Option<Row>) {
    if let Some(row) = row {
        row.revoked = true;
    }
}

/// A rotation, but for whose and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Moved {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) presented: u32,
}

/// `Store::rotate`.
pub(crate) fn rotate(row: &mut Option<Row>, moved: Moved, now: u8) -> Rotated {
    match row {
        Some(row) if row.generation == moved.from && !row.revoked => {
            (row.generation, row.rotated_at) = (moved.to, now);
            row.predecessor = Some(moved.presented);
            Rotated::Done
        }
        _ => Rotated::Changed,
    }
}

/// Whether the grant is alive, as `Store::grant` says.
pub(crate) fn is_alive(row: &Row, alive: bool) -> bool {
    alive && !row.revoked
}

/// The functions above beside the store, over the same sequences of operations.
pub(crate) mod against_the_store {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use keystile_authority::fixtures;
    use keystile_authority::ids::GrantId;
    use keystile_authority::records::Grant;
    use keystile_authority::sealed::Code;
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    use tokio::runtime::Runtime;

    use super::*;
    use crate::contract::{Memory, NOW, SECRET_DIGEST};

    #[derive(Clone, Copy, Debug)]
    enum Operation {
        Redeem { redemption: u8, approval: Option<u8> },
        RevokeRedeemed { approval: Option<u8> },
        Revoke,
        Rotate(Moved),
        SwitchAccount { on: bool },
    }

    fn operation() -> impl Strategy<Value = Operation> {
        let approval = prop::option::of(1..3_u8);
        prop_oneof![
            6 => (0..3_u8, approval.clone())
                .prop_map(|(redemption, approval)| Operation::Redeem { redemption, approval }),
            1 => approval.prop_map(|approval| Operation::RevokeRedeemed { approval }),
            1 => Just(Operation::Revoke),
            4 => (0..3_u32, 1..4_u32, 0..3_u32)
                .prop_map(|(from, to, presented)| Operation::Rotate(Moved { from, to, presented })),
            2 => any::<bool>().prop_map(|on| Operation::SwitchAccount { on }),
        ]
    }

    async fn world(store: &impl Memory) {
        store.put_client(&fixtures::client()).await.expect("a client");
        store.add_account(&fixtures::account(1), None).await.expect("an account");
        let session = fixtures::signed_in(NOW).session;
        let opened = fixtures::session_opened(session, SECRET_DIGEST);
        store.open_session(opened).await.expect("a session");
    }

    fn code(grant: GrantId, approval: Option<u8>) -> Code {
        let approval = approval.map(|approval| [approval; 16]);
        Code { grant, approval, ..fixtures::code(NOW) }
    }

    /// One sequence, on a grant of its own.
    async fn same(store: &impl Memory, operations: &[Operation]) {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let mut random = [0; 10];
        random[..4].copy_from_slice(&number);
        let grant = GrantId::new(NOW, random);
        let account = fixtures::account(1).id;
        store.set_account_enabled(&account, true).await.expect("on");
        let (mut row, mut alive) = (None, true);
        for (operation, tick) in operations.iter().zip(1..) {
            let now = NOW.plus(Duration::from_secs(u64::from(tick)));
            match *operation {
                Operation::Redeem { redemption, approval } => {
                    let expected = redeem(&mut row, redemption, approval, alive, 0);
                    let code = code(grant, approval);
                    let new = fixtures::redemption(&code, &fixtures::client(), redemption);
                    assert_eq!(store.redeem_code(new).await, Ok(expected), "{operations:?}");
                }
                Operation::RevokeRedeemed { approval } => {
                    revoke_redeemed(&mut row, approval);
                    let approval = approval.map(|approval| [approval; 16]);
                    store.revoke_redeemed(&grant, approval, now).await.expect("there");
                }
                Operation::Revoke => {
                    revoke(&mut row);
                    store.revoke_grant(&grant, now).await.expect("there");
                }
                Operation::Rotate(moved) => {
                    let expected = rotate(&mut row, moved, tick);
                    let mut rotation = fixtures::rotation(grant, moved.from, moved.to, now);
                    rotation.presented = moved.presented;
                    assert_eq!(store.rotate(rotation).await, Ok(expected), "{operations:?}");
                }
                Operation::SwitchAccount { on } => {
                    alive = on;
                    store.set_account_enabled(&account, on).await.expect("there");
                }
            }
            let found = store.grant(&grant, None, NOW).await.expect("there");
            let found = found.map(|found| {
                let rotated_at = found.grant.rotated_at.since(NOW).as_secs();
                let Grant { generation, predecessor, .. } = found.grant;
                (found.alive, generation, predecessor, rotated_at)
            });
            let expected = row.map(|row: Row| {
                let Row { generation, predecessor, rotated_at, .. } = row;
                (is_alive(&row, alive), generation, predecessor, u64::from(rotated_at))
            });
            assert_eq!(found, expected, "{operations:?}");
        }
    }

    /// Asks a store of its own.
    pub(crate) fn go_the_same_way(runtime: &Runtime, store: &impl Memory) {
        runtime.block_on(world(store));
        let config = Config { cases: 48, failure_persistence: None, ..Config::default() };
        let sequences = prop::collection::vec(operation(), 1..12);
        let run = TestRunner::new(config).run(&sequences, |operations| {
            runtime.block_on(same(store, &operations));
            Ok(())
        });
        run.unwrap_or_else(|error| panic!("{error}"));
    }
}
