//! The layer rules against made-up workspaces, sound and broken.

use super::*;
use crate::workspace::Dependency;

/// A package that is as it should be.
fn package(folder: &str, dependencies: &[(&str, &str)]) -> Package {
    let name = folder.rsplit('/').next().unwrap();
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition.workspace = true\nlicense.workspace = true\n\n\
         [lints]\nworkspace = true\n\n[dependencies]\n"
    );
    let lines = dependencies
        .iter()
        .map(|(_, name)| format!("{name}.workspace = true\n"));
    let dependency = |&(kind, name): &(&str, &str)| Dependency {
        name: name.to_owned(),
        kind: kind.to_owned(),
    };
    Package {
        name: name.to_owned(),
        folder: folder.to_owned(),
        manifest: manifest + &lines.collect::<String>(),
        dependencies: dependencies.iter().map(dependency).collect(),
    }
}

/// A workspace of `packages` in which all else is as it should be.
fn workspace(packages: Vec<Package>) -> Workspace {
    let folders = packages
        .iter()
        .filter_map(|it| it.folder.strip_prefix("crates/"));
    let crate_folders: Vec<_> = folders.map(str::to_owned).collect();
    let rows = crate_folders
        .iter()
        .map(|name| format!("| `{name}` | x |\n"));
    Workspace {
        architecture: Some(rows.collect()),
        patterns: Some("//! Patterns.\n#![forbid(unsafe_code)]\n".to_owned()),
        packages,
        crate_folders,
    }
}

fn findings(workspace: &Workspace) -> Vec<String> {
    let findings = check_workspace(workspace);
    findings.iter().map(Finding::to_string).collect()
}

/// The only finding there is if the crate `from` depends on `to`.
fn finding_if(from: &str, kind: &str, to: &str) -> Option<String> {
    let folder = format!("crates/{from}");
    let mut found = findings(&workspace(vec![package(&folder, &[(kind, to)])]));
    assert!(found.len() <= 1, "{found:#?}");
    found.pop()
}

#[test]
fn the_table_is_ordered_from_the_bottom_up() {
    for (at, (name, direct)) in LAYERS.iter().enumerate() {
        for below in *direct {
            let mut earlier = LAYERS[..at].iter();
            assert!(earlier.any(|(name, _)| name == below), "{name} on {below}");
        }
    }
}

#[test]
fn the_facade_stands_on_every_crate() {
    let crates = LAYERS.iter().map(|(name, _)| *name);
    let mut others = crates.filter(|name| name.starts_with("gorge-"));
    assert!(others.all(|name| stands_on("gorge", name)));
}

#[test]
fn a_sound_workspace_passes() {
    let packages = vec![
        package("crates/gorge-coroutine", &[("dependency", "libc")]),
        package("crates/gorge-runtime", &[("dependency", "gorge-coroutine")]),
        package("crates/gorge-patterns", &[("dev-dependency", "gorge-sync")]),
        package("crates/gorge", &[("dependency", "gorge-patterns")]),
        package("benches", &[("dependency", "gorge")]),
        package("xtask", &[("dependency", "serde_json")]),
    ];
    assert_eq!(findings(&workspace(packages)), [""; 0]);
}

#[test]
fn a_dependency_upwards_names_manifest_dependency_and_rule() {
    assert_eq!(
        finding_if("gorge-sync", "dependency", "gorge-channel").unwrap(),
        "crates/gorge-sync/Cargo.toml:10: gorge-sync has the dependency gorge-channel — \
         it may depend only on layers below it: gorge-coroutine, gorge-runtime"
    );
    assert_eq!(
        finding_if("gorge-coroutine", "dependency", "gorge").unwrap(),
        "crates/gorge-coroutine/Cargo.toml:10: gorge-coroutine has the dependency gorge — \
         it may depend only on layers below it: there are none"
    );
}

#[test]
fn dependencies_of_every_kind_keep_to_the_rule() {
    for kind in ["dependency", "dev-dependency", "build-dependency"] {
        let found = finding_if("gorge-runtime", kind, "gorge-sync").unwrap();
        assert!(
            found.contains(&format!("has the {kind} gorge-sync")),
            "{found}"
        );
    }
}

#[test]
fn a_dependency_is_found_on_its_line_under_another_name_and_for_one_target() {
    let mut renamed = package("crates/gorge-runtime", &[("dependency", "gorge-coroutine")]);
    renamed.manifest += "\n[target.\"cfg(unix)\".dependencies]\nup = { package = \"gorge\" }\n";
    renamed.dependencies.push(Dependency {
        name: "gorge".to_owned(),
        kind: "dependency".to_owned(),
    });
    let found = findings(&workspace(vec![renamed]));
    assert_eq!(found.len(), 1, "{found:#?}");
    let start = "crates/gorge-runtime/Cargo.toml:13: gorge-runtime has the dependency gorge — ";
    assert!(found[0].starts_with(start), "{}", found[0]);
}

#[test]
fn neighbours_know_nothing_of_each_other() {
    for (from, to) in [
        ("gorge-net", "gorge-channel"),
        ("gorge-net", "gorge-patterns"),
        ("gorge-patterns", "gorge-net"),
        ("gorge-hyper", "gorge-pprof"),
        ("gorge-pprof", "gorge-debug"),
        ("gorge-debug", "gorge-hyper"),
        ("gorge-debug", "gorge-patterns"),
        ("gorge-sync", "gorge-sync"),
        ("gorge-sync", "gorge-unheard-of"),
    ] {
        assert!(
            finding_if(from, "dependency", to).is_some(),
            "{from} on {to}"
        );
    }
    for to in ["gorge-runtime", "gorge-net", "gorge-channel"] {
        assert_eq!(finding_if("gorge-hyper", "dependency", to), None);
    }
}

#[test]
fn an_unknown_crate_is_to_be_put_into_the_table() {
    let found = findings(&workspace(vec![package("crates/gorge-new", &[])]));
    let expected = "crates/gorge-new/Cargo.toml:2: gorge-new is in no layer — \
                    add it to the layer table in xtask/src/layers.rs";
    assert_eq!(found, [expected]);
}

#[test]
fn tools_stay_out_of_the_crates_and_the_crates_out_of_the_tools() {
    let packages = vec![
        package("xtask", &[("dev-dependency", "gorge-sync")]),
        package("crates/gorge", &[("dependency", "xtask")]),
    ];
    let found = findings(&workspace(packages));
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("xtask/Cargo.toml:10: xtask has the dev-dependency gorge-sync"));
    assert!(found[1].starts_with("crates/gorge/Cargo.toml:10: gorge has the dependency xtask"));
}

#[test]
fn a_folder_has_the_name_of_its_package() {
    let mut odd = package("crates/gorge-sync", &[]);
    odd.folder = "crates/sync".to_owned();
    let found = findings(&workspace(vec![odd]));
    let expected = "crates/sync/Cargo.toml:2: the folder is sync, the package gorge-sync — \
                    give both the same name";
    assert_eq!(found, [expected]);
}

#[test]
fn edition_license_and_lints_are_inherited() {
    let mut alone = package("crates/gorge-sync", &[]);
    alone.manifest = "[package]\nedition = \"2024\"\nlicense = \"MIT\"\n\
                      [dependencies]\nedition.workspace = true\nworkspace = true\n"
        .to_owned();
    assert_eq!(
        findings(&workspace(vec![alone])),
        [
            "crates/gorge-sync/Cargo.toml:1: [package] does not inherit from the workspace — \
             write `edition.workspace = true` in it",
            "crates/gorge-sync/Cargo.toml:1: [package] does not inherit from the workspace — \
             write `license.workspace = true` in it",
            "crates/gorge-sync/Cargo.toml:1: [lints] does not inherit from the workspace — \
             write `workspace = true` in it",
        ]
    );
}

#[test]
fn the_architecture_has_a_row_for_every_crate() {
    let mut broken = workspace(vec![
        package("crates/gorge-sync", &[]),
        package("crates/gorge", &[]),
    ]);
    broken.architecture = Some("gorge\n| `gorge-sync` | used by gorge |\n".to_owned());
    let expected = "ARCHITECTURE.md:1: the crate table does not mention gorge — \
                    add a row that starts with it";
    assert_eq!(findings(&broken), [expected]);

    broken.architecture = Some("| [gorge](a), `gorge-sync` (later) | x |".to_owned());
    assert_eq!(findings(&broken), [""; 0]);

    broken.architecture = None;
    let expected =
        "ARCHITECTURE.md:1: there is no such file — write it, with a table of the crates";
    assert_eq!(findings(&broken), [expected]);
}

#[test]
fn the_patterns_forbid_unsafe_code() {
    let mut broken = workspace(vec![package("crates/gorge-patterns", &[])]);
    broken.patterns = Some("//! Patterns.\n// #![forbid(unsafe_code)]\n".to_owned());
    let expected = "crates/gorge-patterns/src/lib.rs:1: `unsafe` is not forbidden — \
                    add `#![forbid(unsafe_code)]`";
    assert_eq!(findings(&broken), [expected]);
}
