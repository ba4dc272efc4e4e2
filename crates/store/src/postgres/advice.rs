//! What the operator should know about the database before there is trouble.

use std::sync::OnceLock;

use keystile_authority::ports::Stored;

use super::connection::Connection;
use super::db::Db;
use crate::statements::{Statements, params};

/// What weakens a promise of ours. Our own connections ask for `synchronous_commit` whatever the
/// role says; others that write with that role do not.
pub(crate) async fn advice(connection: &Connection) -> Stored<Vec<&'static str>> {
    let trouble = OnceLock::new();
    let mut db = Db::new(connection, &trouble);
    let sql = "SELECT name, reset_val FROM pg_settings WHERE name IN
               ('synchronous_commit', 'fsync', 'full_page_writes', 'synchronous_standby_names')";
    let settings = db.rows(sql, params![], |row| Ok((row.text()?, row.text()?))).await?;
    let standbys = "SELECT COUNT(*) FROM pg_stat_replication";
    let standbys = db.row(standbys, params![], crate::statements::only_number::<i64>).await?;
    Ok(judge(&settings, standbys.unwrap_or(0)))
}

fn judge(settings: &[(String, String)], standbys: i64) -> Vec<&'static str> {
    let is = |name: &str, values: &[&str]| {
        settings.iter().any(|(known, value)| known == name && values.contains(&value.as_str()))
    };
    let mut advice = Vec::new();
    if is("synchronous_commit", &["off", "local"]) {
        advice.push(
            "synchronous_commit is weak for this role or database: Keystile sets it on its own \
             connections, and nothing else must write there",
        );
    }
    if is("fsync", &["off"]) || is("full_page_writes", &["off"]) {
        advice.push("fsync or full_page_writes is off: a power cut can destroy the database");
    }
    if standbys > 0 && is("synchronous_standby_names", &[""]) {
        advice.push(
            "there is a standby and synchronous_standby_names is empty: after a failover the last \
             moments' sign-ins and revocations may be lost",
        );
    }
    advice
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finding_15_each_weak_setting_has_its_words() {
        let good = [
            ("synchronous_commit", "on"),
            ("fsync", "on"),
            ("full_page_writes", "on"),
            ("synchronous_standby_names", ""),
        ];
        let with = |name: &str, value: &str| -> Vec<(String, String)> {
            let all = good.into_iter();
            let all = all.map(|(n, v)| (n.to_owned(), (if n == name { value } else { v }).into()));
            all.collect()
        };
        for (name, value, standbys, words) in [
            ("fsync", "on", 0, None),
            ("synchronous_commit", "remote_apply", 0, None),
            ("synchronous_commit", "off", 0, Some("synchronous_commit")),
            ("synchronous_commit", "local", 0, Some("synchronous_commit")),
            ("fsync", "off", 0, Some("power cut")),
            ("full_page_writes", "off", 0, Some("power cut")),
            ("fsync", "on", 1, Some("synchronous_standby_names")),
            ("synchronous_standby_names", "*", 1, None),
        ] {
            let advice = judge(&with(name, value), standbys);
            assert_eq!(advice.len(), usize::from(words.is_some()), "{name} {value}: {advice:?}");
            assert!(advice.iter().all(|advice| advice.contains(words.unwrap_or(""))), "{advice:?}");
        }
    }
}
