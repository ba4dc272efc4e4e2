//! Rules about the repository itself.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Each workspace member's direct dependencies, without those for tests.
fn dependencies(package: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let package = packages.iter().find(|p| p["name"] == package).expect("a member");
    let all = package["dependencies"].as_array().unwrap().iter();
    all.filter(|d| d["kind"].is_null()).map(|d| d["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn dependencies_point_inward() {
    let ours = |package: &str| -> Vec<String> {
        dependencies(package).into_iter().filter(|name| name.starts_with("keystile")).collect()
    };
    assert_eq!(ours("keystile-protocol"), Vec::<String>::new());
    assert_eq!(ours("keystile-authority"), ["keystile-protocol"]);
    assert_eq!(ours("keystile-store"), ["keystile-authority", "keystile-protocol"]);
    assert_eq!(ours("keystile-server"), ["keystile-authority", "keystile-protocol"]);
    assert_eq!(ours("keystile-client"), ["keystile-protocol"]);
    assert_eq!(ours("keystile-resource"), ["keystile-protocol"]);
    for name in ours("keystile-demo") {
        assert!(["keystile-client", "keystile-resource"].contains(&name.as_str()), "{name}");
    }
}

#[test]
fn the_pure_middle_knows_no_runtime_no_socket_no_database_and_no_randomness() {
    let outside =
        ["tokio", "axum", "hyper", "reqwest", "rusqlite", "tokio-postgres", "rand", "tower"];
    for package in ["keystile-protocol", "keystile-authority"] {
        for name in dependencies(package) {
            assert!(!outside.contains(&name.as_str()), "{package} lists {name}");
        }
    }
    let server = dependencies("keystile-server");
    assert!(!server.contains("rusqlite") && !server.contains("tokio-postgres"));
    assert!(!dependencies("keystile-store").contains("axum"));
}

#[test]
fn the_fixtures_are_for_tests_alone() {
    for member in ["crates", "apps"] {
        for package in std::fs::read_dir(root().join(member)).unwrap() {
            let manifest = package.unwrap().path().join("Cargo.toml");
            let text = std::fs::read_to_string(&manifest).unwrap();
            let before = text.split("[dev-dependencies]").next().unwrap();
            let named = before.contains("\"fixtures\"");
            assert!(!named, "{} names the fixtures outside of its tests", manifest.display());
        }
    }
}

#[test]
fn the_architecture_page_names_only_what_is_there() {
    let page = read("ARCHITECTURE.md");
    let mut named = 0;
    for word in page.split('`').skip(1).step_by(2) {
        let path = word.trim_end_matches('/');
        let is_path = ["crates/", "apps/", "tests/", "docs/", "bench/", "xtask/", ".ci/"]
            .iter()
            .any(|start| path.starts_with(start));
        if is_path {
            named += 1;
            assert!(root().join(path).exists(), "ARCHITECTURE.md names {path}, which is not there");
        }
    }
    assert!(named > 20, "ARCHITECTURE.md should say what is where");
}

#[test]
fn every_setting_that_the_app_guide_names_is_there() {
    let guide = read("docs/app-guide.md");
    let (_, table) = guide.split_once("## Configure").unwrap();
    let rows = table.lines().take_while(|line| !line.starts_with("## "));
    let calls: Vec<_> = rows.filter_map(|row| row.split(" | ").nth(1)).collect();
    let words = calls.iter().flat_map(|calls| calls.split('`').skip(1).step_by(2));
    let settings = ["builder.rs", "builder/profiles.rs"];
    let settings = settings.map(|file| read(&format!("crates/client/src/{file}"))).concat();
    let names: Vec<_> = words.map(|word| word.split('(').next().unwrap()).collect();
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        let is_there = ["(", "<"].iter().any(|next| settings.contains(&format!("fn {name}{next}")));
        assert!(is_there, "docs/app-guide.md names {name}, which is no setting");
    }
}

#[test]
fn every_row_of_the_mission_stands_in_the_readme_with_a_test_that_is_there() {
    let readme = read("README.md");
    let tests = all_rust_files(&root())
        .iter()
        .fold(String::new(), |all, file| all + &std::fs::read_to_string(file).unwrap_or_default());
    let rows = [
        "0.1", "0.2", "0.3", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6", "1.7", "2.1", "3.1", "3.2",
        "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "4.1", "4.2", "4.3", "5.1", "5.2",
    ];
    for row in rows {
        let start = format!("| {row} |");
        let line = readme.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("README.md has no row {row}"));
        let named: Vec<_> =
            line.split('`').skip(1).step_by(2).filter(|name| name.starts_with("seed_")).collect();
        assert!(!named.is_empty(), "row {row} names no test");
        for name in named {
            assert!(tests.contains(&format!("fn {name}")), "row {row}: no test {name}");
        }
    }
}

#[test]
fn the_page_of_formats_names_every_seal() {
    let page = read("docs/formats.md");
    let mut named = 0;
    for file in all_rust_files(&root().join("crates")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for line in text.split("#[cfg(test)]").next().unwrap().lines() {
            let Some((_, purpose)) = line.split_once("PURPOSE: &") else { continue };
            let Some(purpose) = purpose.split('"').nth(1) else { continue };
            named += 1;
            let known = ["refresh", "pairwise"].contains(&purpose);
            let file = file.display();
            assert!(
                known || page.contains(&format!("`{purpose}`")),
                "docs/formats.md does not name the seal '{purpose}' of {file}"
            );
        }
    }
    assert!(named > 10, "{named}");
}

fn all_rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() && !["target", ".git", "node_modules"].iter().any(|n| name == *n) {
            files.extend(all_rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
