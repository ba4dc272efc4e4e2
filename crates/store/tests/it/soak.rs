//! Months of use on a clock of its own: what the database holds follows what is alive, and not
//! what has been.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use keystile_authority::decisions::{OnceKind, Redeemed};
use keystile_authority::fixtures;
use keystile_authority::ids::{AccountId, GrantId, ParkedId, SessionId};
use keystile_authority::logout_message::Claim;
use keystile_authority::pending::Opened;
use keystile_authority::ping::PingClaim;
use keystile_authority::records::GrantType;
use keystile_authority::registered::{Admission, InitialAccessToken};
use keystile_authority::rules::{logout_message, ping};
use keystile_protocol::seal::Sealed;
use keystile_protocol::{Scope, Timestamp};
use tokio::task::JoinSet;

use crate::contract::{Memory, NOW};

const DAY: Duration = Duration::from_secs(86_400);
const PEOPLE: u8 = 20;
const LOGINS_A_DAY: u32 = 30;

/// Tables whose size does not come from use, with what bounds it.
const BOUNDED: [(&str, &str); 6] = [
    ("accounts", "the operator's, or people who made one"),
    ("clients", "the operator's, and those that somebody uses"),
    ("consents", "a row for each account and client"),
    ("incidents", "4096 places"),
    ("meta", "a few numbers"),
    ("refinery_schema_history", "a row for each migration"),
];

/// Rows by table, and what the file takes.
#[derive(Debug, Clone)]
pub(crate) struct Size {
    pub(crate) rows: BTreeMap<String, i64>,
    pub(crate) pages: i64,
}

/// `size` looks at the database itself.
#[allow(clippy::print_stdout, reason = "what it found is part of the evidence")]
pub(crate) async fn the_size_follows_what_is_alive<M: Memory>(
    store: Arc<M>,
    size: impl Fn() -> Size,
) {
    let use_of = Use { store };
    use_of.prepare().await;
    // Refresh tokens that nobody uses live for 30 days, and what was delivered is told for a week.
    for day in 0..50 {
        use_of.one_day(day).await;
    }
    let early = size();
    for day in 50..100 {
        use_of.one_day(day).await;
    }
    let late = size();
    println!(
        "rows after 50 and 100 days of {LOGINS_A_DAY} logins; pages {}, {}:",
        early.pages, late.pages
    );
    for (table, rows) in &late.rows {
        println!("  {table}: {}, {rows}", early.rows[table]);
        let few = early.rows[table] + early.rows[table] / 10 + 5;
        assert!(*rows <= few, "{table} grows");
    }
    let logins = i64::from(LOGINS_A_DAY) * 100;
    assert!(late.rows["grants"] < logins / 4, "there were {logins} logins");
    assert!(late.pages <= early.pages + early.pages / 10, "{} of {}", late.pages, early.pages);

    // A quarter of a year later nothing of it is alive.
    use_of.sweep(NOW.plus(200 * DAY)).await;
    for (table, rows) in size().rows {
        let bounded = BOUNDED.iter().any(|(name, _)| *name == table);
        assert!(bounded || rows == 0, "{rows} rows stay in {table}");
    }
}

/// People and apps.
struct Use<M> {
    store: Arc<M>,
}

/// 10 bytes that no other pair has.
fn random(day: u32, number: u32) -> [u8; 10] {
    let digest = keystile_protocol::encoding::sha256([day, number].map(u32::to_be_bytes).concat());
    digest[..10].try_into().expect("ten")
}

impl<M: Memory> Use<M> {
    async fn prepare(&self) {
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        client.logout.backchannel_uri = Some("https://app.example/out".into());
        self.store.put_client(&client).await.expect("a client");
        for person in 1..=PEOPLE {
            let account = fixtures::account(person);
            self.store.add_account(&account, None).await.expect("an account");
        }
    }

    async fn one_day(&self, day: u32) {
        let now = NOW.plus(day * DAY);
        self.sweep(now).await;
        let mut logins = JoinSet::new();
        for number in 0..LOGINS_A_DAY {
            let one = Self { store: self.store.clone() };
            logins.spawn(async move { one.login(day, number, now).await });
        }
        logins.join_all().await;
        if (day + 1).is_multiple_of(5) {
            self.wait_for_words(now).await;
            self.clients_come(day, now).await;
        }
        self.tell_clients(now).await;
    }

    /// A login, and what becomes of it.
    async fn login(&self, day: u32, number: u32, now: Timestamp) {
        let person = u8::try_from(number).expect("few") % PEOPLE + 1;
        let account = AccountId::from_bytes([person; 16]);
        let mut session = fixtures::signed_in(now).session;
        (session.id, session.account) = (SessionId::new(now, random(day, number)), account);
        session.expires_at = now.plus(DAY);
        let opened = fixtures::session_opened(session.clone(), [7; 32]);
        self.store.open_session(opened).await.expect("opened");
        let consent = fixtures::consent_given(account, "app", "openid photos:read", now);
        self.store.remember_consent(consent).await.expect("remembered");

        let mut code = fixtures::code(now);
        (code.account, code.session) = (account, session.id);
        code.grant = GrantId::new(now, random(day, number));
        if number.is_multiple_of(2) {
            code.scope = Scope::try_from("openid offline_access").expect("tokens");
        }
        let mut client = fixtures::client();
        client.grant_types.push(GrantType::RefreshToken);
        let redemption = fixtures::redemption(&code, &client, 1);
        assert_eq!(self.store.redeem_code(redemption).await, Ok(Redeemed::Done));

        let (soon, name) = (now.plus(Duration::from_secs(300)), format!("{day} {number}"));
        let once = vec![fixtures::used_once(OnceKind::DpopProof, &name, soon)];
        assert_eq!(self.store.use_once(once, [1; 16]).await, Ok(None));
        match number % 5 {
            0 => self.store.revoke_token(&name, soon).await.expect("revoked"),
            1 => self.store.end_session(&session.id, &account, now).await.expect("ended"),
            2 => self.store.revoke_grant(&code.grant, now).await.expect("revoked"),
            3 => {
                let touched = now.plus(Duration::from_secs(60));
                self.store.touch_grant(&code.grant, touched).await.expect("noted");
            }
            _ => {
                let id = ParkedId::new(now, random(day, number));
                let park = fixtures::park(id, "app", "a large request", now, (100, 100));
                self.store.park(park).await.expect("parked");
            }
        }
    }

    /// Devices, and requests to users; some are answered.
    async fn wait_for_words(&self, now: Timestamp) {
        for byte in 1..=4 {
            let opened = fixtures::pending(now, byte);
            let pending = opened.pending.clone();
            assert_eq!(self.store.open_pending(opened).await, Ok(Opened::Done));
            if byte % 2 == 0 {
                let said = fixtures::pending_answered(&pending, true, now);
                assert_eq!(self.store.answer_pending(said).await, Ok(true));
            }
        }
        for byte in 5..=6 {
            let mut asked = fixtures::asked_pending(now, byte);
            asked.ping = Some(Sealed::from_text("sealed".to_owned()));
            let pending = asked.pending.clone();
            assert_eq!(self.store.open_pending(asked).await, Ok(Opened::Done));
            if byte == 5 {
                let said = fixtures::pending_answered(&pending, true, now);
                assert_eq!(self.store.answer_pending(said).await, Ok(true));
            }
        }
    }

    /// Strangers' clients that nobody uses, and tokens to register with.
    async fn clients_come(&self, day: u32, now: Timestamp) {
        for number in 0..3 {
            let open = Admission::Open {
                network: "192.0.2.0".into(),
                since: now.minus(DAY),
                per_network: 100,
                unused_at_most: 100,
            };
            let new = fixtures::new_registration(&format!("open{day}n{number}"), open, now);
            self.store.register(new).await.expect("registered");
            let id = format!("https://{number}.example/{day}");
            let approved = fixtures::approved_client(&id, now);
            self.store.keep_approved_client(approved).await.expect("kept");
        }
        let token = InitialAccessToken {
            name: format!("token{day}"),
            created_at: now,
            expires_at: now.plus(DAY),
            uses_left: 3,
        };
        let digest = keystile_protocol::encoding::sha256(day.to_be_bytes());
        self.store.add_initial_access_token(digest, &token).await.expect("added");
    }

    /// As the server's workers do.
    async fn tell_clients(&self, now: Timestamp) {
        let now = now.plus(Duration::from_secs(3600));
        let give_up_at = now.plus(logout_message::TRIED_FOR);
        let lease_until = now.plus(logout_message::LEASE);
        let claim = Claim { now, lease_until, give_up_at, limit: 100 };
        for message in self.store.claim_logout_messages(claim).await.expect("claimed") {
            let said = logout_message::Attempt::NobodyThere;
            let settled = logout_message::settle(&message, &said, now);
            self.store.settle_logout_message(settled).await.expect("settled");
        }
        let claim = PingClaim { now, lease_until, limit: 100 };
        for told in self.store.claim_pings(claim).await.expect("claimed") {
            let settled = ping::settle(&told, &ping::Attempt::NobodyThere, now);
            self.store.settle_ping(settled).await.expect("settled");
        }
    }

    async fn sweep(&self, now: Timestamp) {
        let before = now.minus(logout_message::REMEMBERED_FOR);
        self.store.forget_logout_messages(before, 500).await.expect("forgotten");
        while !self.store.sweep(now, 500).await.expect("swept").finished {}
    }
}
