//! Clocks of machines.

use keystile_test_postgres::Database;
use tokio::task::block_in_place;

use crate::harness::{Cluster, Plan};

/// The database's clock, put forward or back under a running node: its function stands before
/// PostgreSQL's own on the path.
fn put(database: &Database, seconds: i32) {
    let sql = "CREATE OR REPLACE FUNCTION public.clock_timestamp() RETURNS timestamptz \
               LANGUAGE sql VOLATILE AS \
               $$SELECT pg_catalog.clock_timestamp() + make_interval(secs => SECONDS)$$";
    database.sql(&sql.replace("SECONDS", &seconds.to_string()));
}

#[tokio::test(flavor = "multi_thread")]
async fn finding_23_a_node_whose_clock_differs_from_the_databases_gets_no_requests() {
    let database = block_in_place(Database::fresh);
    block_in_place(|| put(&database, 0));
    let store = format!("{}?options=-c%20search_path%3Dpublic,pg_catalog", database.url());
    let plan = Plan { nodes: 1, store: Some(&store), ..Plan::default() };
    let cluster = Cluster::start_with(plan).await;
    let node = &cluster.nodes[0];
    for (seconds, status, words) in [
        (3, 200, "ready"),
        (3600, 503, "clock"),
        (-3600, 503, "clock"),
        (8, 503, "clock"),
        (-3, 200, "ready"),
    ] {
        block_in_place(|| put(&database, seconds));
        let answer = reqwest::get(node.url("/readyz")).await.unwrap();
        assert_eq!(answer.status(), status, "{seconds}\n{}", node.log());
        let text = answer.text().await.unwrap();
        assert!(text.contains(words), "{seconds}: {text}");
    }
    let log = node.log();
    assert!(log.contains("s behind the database's") && log.contains("NTP"), "{log}");
}
