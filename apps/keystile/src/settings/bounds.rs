//! Numbers: `[limits]`, `[lifetimes]`, `[password_hash]`; and `[log]`.

use std::time::Duration;

use keystile_authority::policy::{Guessing, Lifetimes, ParkingRoom, Rate, WaitingLimits};
use keystile_server::FaceLimits;

use super::file;
use super::source::{Place, SettingsError};
use crate::logging::{LogSettings, check_filter};
use crate::passwords::{Cost, HashSettings};

/// RFC 6749 section 4.1.2 recommends ten minutes at most; ours live a tenth of that.
const CODE_AT_MOST: u64 = 60;
/// The longer a user code is good, the likelier is one that is guessed (RFC 8628 section 5.1).
const DEVICE_CODE_AT_MOST: u64 = 1800;
/// A client keeps polling for as long as a request waits.
const BACKCHANNEL_REQUEST_AT_MOST: u64 = 1800;
const TEN_YEARS: u64 = 10 * 365 * 24 * 3600;
const WORKERS_AT_MOST: usize = 64;
/// They are counted when one more comes.
const PARKED_AT_MOST: u32 = 100_000;

pub(super) fn lifetimes(
    table: &file::Lifetimes,
    place: &Place<'_>,
) -> Result<Lifetimes, SettingsError> {
    let mut lifetimes = Lifetimes::default();
    let each = [
        ("code", table.code, &mut lifetimes.code, CODE_AT_MOST),
        ("access_token", table.access_token, &mut lifetimes.access_token, TEN_YEARS),
        ("id_token", table.id_token, &mut lifetimes.id_token, TEN_YEARS),
        ("refresh", table.refresh, &mut lifetimes.refresh, TEN_YEARS),
        ("refresh_idle", table.refresh_idle, &mut lifetimes.refresh_idle, TEN_YEARS),
        ("session", table.session, &mut lifetimes.session, TEN_YEARS),
        ("session_idle", table.session_idle, &mut lifetimes.session_idle, TEN_YEARS),
        ("page", table.page, &mut lifetimes.page, TEN_YEARS),
        ("device_code", table.device_code, &mut lifetimes.device_code, DEVICE_CODE_AT_MOST),
        (
            "backchannel_request",
            table.backchannel_request,
            &mut lifetimes.backchannel_request,
            BACKCHANNEL_REQUEST_AT_MOST,
        ),
        ("fresh_sign_in", table.fresh_sign_in, &mut lifetimes.fresh_sign_in, TEN_YEARS),
    ];
    for (name, seconds, lifetime, at_most) in each {
        match seconds {
            None => {}
            Some(seconds) if (1..=at_most).contains(&seconds) => {
                *lifetime = Duration::from_secs(seconds);
            }
            Some(_) => return place.key(name).wrong(format!("it is from 1 to {at_most} seconds")),
        }
    }
    Ok(lifetimes)
}

/// Nothing where `guessing = false` turns it off.
pub(super) fn guessing(
    table: &file::Limits,
    place: &Place<'_>,
) -> Result<Option<Guessing>, SettingsError> {
    let mut guessing = Guessing::default();
    let each = [
        ("account", &table.account, &mut guessing.account),
        ("account_from_network", &table.account_from_network, &mut guessing.account_from_network),
        ("network", &table.network, &mut guessing.network),
        ("client", &table.client, &mut guessing.client),
        ("sign_up", &table.sign_up, &mut guessing.sign_up),
        ("user_code", &table.user_code, &mut guessing.user_code),
        (
            "user_code_from_browser",
            &table.user_code_from_browser,
            &mut guessing.user_code_from_browser,
        ),
        ("unknown_user", &table.unknown_user, &mut guessing.unknown_user),
    ];
    for (name, table, rate) in each {
        set_rate(rate, table, &place.key(name))?;
    }
    Ok(table.guessing.unwrap_or(true).then_some(guessing))
}

pub(super) fn waiting(
    table: &file::Limits,
    place: &Place<'_>,
) -> Result<WaitingLimits, SettingsError> {
    let default = WaitingLimits::default();
    let at_least_one = |name, given: Option<u32>, default| match given {
        Some(0) => place.key(name).wrong("at least 1 is needed"),
        given => Ok(given.unwrap_or(default)),
    };
    let from_network = table.waiting_from_network;
    let to_user = table.waiting_of_client_to_user;
    Ok(WaitingLimits {
        in_all: at_least_one("waiting", table.waiting, default.in_all)?,
        from_network: at_least_one("waiting_from_network", from_network, default.from_network)?,
        of_client: at_least_one("waiting_of_client", table.waiting_of_client, default.of_client)?,
        to_user: at_least_one("waiting_to_user", table.waiting_to_user, default.to_user)?,
        of_client_to_user: at_least_one(
            "waiting_of_client_to_user",
            to_user,
            default.of_client_to_user,
        )?,
    })
}

fn set_rate(rate: &mut Rate, table: &file::Rate, place: &Place<'_>) -> Result<(), SettingsError> {
    rate.burst = table.burst.unwrap_or(rate.burst);
    if rate.burst == 0 {
        return place.key("burst").wrong("at least one attempt has to be allowed");
    }
    let Some(seconds) = table.every_seconds else { return Ok(()) };
    if !(0.001..=86_400.0).contains(&seconds) {
        return place.key("every_seconds").wrong("it is from 0.001 to 86400 seconds");
    }
    rate.every = Duration::from_secs_f64(seconds);
    Ok(())
}

pub(super) fn face(table: &file::Limits, place: &Place<'_>) -> Result<FaceLimits, SettingsError> {
    let default = FaceLimits::default();
    let at_least_one = |name, given: Option<usize>, default| match given {
        Some(0) => place.key(name).wrong("at least 1 is needed"),
        given => Ok(given.unwrap_or(default)),
    };
    let requests = default.concurrent_requests;
    Ok(FaceLimits {
        body_bytes: at_least_one("body_bytes", table.body_bytes, default.body_bytes)?,
        connections: at_least_one("connections", table.connections, default.connections)?,
        concurrent_requests: at_least_one(
            "concurrent_requests",
            table.concurrent_requests,
            requests,
        )?,
    })
}

/// Zero parks nothing: large requests and codes are refused.
pub(super) fn parking(
    table: &file::Limits,
    place: &Place<'_>,
) -> Result<ParkingRoom, SettingsError> {
    let default = ParkingRoom::default();
    let room = ParkingRoom {
        per_client: table.parked_per_client.unwrap_or(default.per_client),
        in_all: table.parked.unwrap_or(default.in_all),
    };
    if room.in_all > PARKED_AT_MOST {
        return place.key("parked").wrong(format!("it is at most {PARKED_AT_MOST}"));
    }
    Ok(room)
}

pub(super) fn hashing(
    table: file::PasswordHash,
    limits: &file::Limits,
    root: &Place<'_>,
) -> Result<HashSettings, SettingsError> {
    let default = Cost::default();
    let cost = Cost {
        memory_kib: table.memory_kib.unwrap_or(default.memory_kib),
        iterations: table.iterations.unwrap_or(default.iterations),
    };
    cost.check().or_else(|problem| root.key("password_hash").wrong(problem))?;
    let mut settings = HashSettings::of(cost);
    let place = root.key("limits");
    match limits.password_hash_workers {
        None => {}
        Some(workers) if (1..=WORKERS_AT_MOST).contains(&workers) => settings.workers = workers,
        Some(_) => return place.key("password_hash_workers").wrong("it is from 1 to 64"),
    }
    match limits.password_hash_queue {
        None => {}
        Some(0) => return place.key("password_hash_queue").wrong("at least 1 is needed"),
        Some(queue) => settings.queue = queue,
    }
    Ok(settings)
}

pub(super) fn log(table: file::Log, place: &Place<'_>) -> Result<LogSettings, SettingsError> {
    let default = LogSettings::default();
    let json = match table.format.as_deref() {
        None | Some("text") => false,
        Some("json") => true,
        Some(other) => {
            return place.key("format").wrong(format!("'{other}' is neither text nor json"));
        }
    };
    let filter = table.filter.unwrap_or(default.filter);
    check_filter(&filter).or_else(|problem| {
        place.key("filter").wrong(format!("{problem}; such as info, or warn,keystile=debug"))
    })?;
    Ok(LogSettings { json, filter })
}
