//! Where the workspace is, the cargo that runs us, and the packages cargo sees in it.
//!
//! Packages come from `cargo metadata`, which resolves renames and inheritance. What a manifest
//! inherits it does not tell, so the manifest's text is kept too.

use serde_json::Value;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A package of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its folder, from the workspace root.
    pub(crate) folder: String,
    /// The text of its `Cargo.toml`.
    pub(crate) manifest: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// A dependency of any kind, for any target, under the name of the package it is.
#[derive(Debug)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `dependency`, `dev-dependency` or `build-dependency`.
    pub(crate) kind: String,
}

/// The root of the workspace this program was built in.
pub(crate) fn root() -> PathBuf {
    let own =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let mut root = PathBuf::from(own);
    root.pop();
    root
}

/// The cargo that runs us, at work in `root`.
pub(crate) fn cargo(root: &Path) -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(root);
    command
}

/// Git in the repository at `root`, even when a hook of another one runs us.
pub(crate) fn git(root: &Path) -> Command {
    let mut git = Command::new("git");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.current_dir(root);
    git
}

/// The packages of the workspace at `root`.
pub(crate) fn packages(root: &Path) -> io::Result<Vec<Package>> {
    let arguments = ["metadata", "--no-deps", "--format-version", "1"];
    let output = cargo(root).args(arguments).output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = format!("`cargo metadata --no-deps` failed:\n{}", reason.trim());
        return Err(io::Error::other(reason));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let root = Path::new(text(&metadata["workspace_root"]));
    list(&metadata["packages"])
        .map(|package| read_package(root, package))
        .collect()
}

/// The executable of the program `name`, from cargo's messages.
pub(crate) fn executable(output: &str, name: &str) -> Option<PathBuf> {
    let messages = output.lines().filter(|line| line.starts_with('{'));
    let mut messages = messages.filter_map(|line| serde_json::from_str(line).ok());
    messages.find_map(|message: Value| {
        let is_it = message["target"]["name"] == name;
        is_it.then(|| message["executable"].as_str().map(PathBuf::from))?
    })
}

fn read_package(root: &Path, package: &Value) -> io::Result<Package> {
    let manifest = Path::new(text(&package["manifest_path"]));
    let folder = manifest.parent().unwrap_or(root);
    let folder = folder.strip_prefix(root).unwrap_or(folder);
    Ok(Package {
        name: text(&package["name"]).to_owned(),
        folder: folder.display().to_string(),
        manifest: fs::read_to_string(manifest)?,
        dependencies: list(&package["dependencies"]).map(dependency).collect(),
    })
}

fn dependency(value: &Value) -> Dependency {
    let kind = match value["kind"].as_str() {
        Some(kind) => format!("{kind}-dependency"),
        None => "dependency".to_owned(),
    };
    Dependency {
        name: text(&value["name"]).to_owned(),
        kind,
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_package_is_found_with_its_dependencies() {
        let packages = packages(&root()).unwrap();
        let own = packages.iter().find(|it| it.name == "xtask").unwrap();
        assert_eq!(own.folder, "xtask");
        assert!(own.manifest.contains("name = \"xtask\""));
        let names: Vec<_> = own.dependencies.iter().map(|it| &*it.name).collect();
        assert!(names.contains(&"serde_json"), "{names:?}");
    }

    #[test]
    fn dependencies_keep_their_kind_and_lose_their_new_name() {
        let json =
            r#"{"name": "gorge-sync", "kind": "dev", "rename": "other", "target": "cfg(x)"}"#;
        let found = dependency(&serde_json::from_str(json).unwrap());
        assert_eq!(found.name, "gorge-sync");
        assert_eq!(found.kind, "dev-dependency");
        let found = dependency(&serde_json::from_str(r#"{"name": "a", "kind": null}"#).unwrap());
        assert_eq!(found.kind, "dependency");
    }

    #[test]
    fn executables_are_found_in_what_cargo_prints() {
        let artifact = |name: &str, executable: &str| {
            let target = format!("{{\"name\":\"{name}\"}}");
            format!("{{\"target\":{target},\"executable\":{executable}}}\n")
        };
        let output = "   Compiling benches v0.0.0\n".to_owned()
            + &artifact("channels_go", "null")
            + &artifact("channels_flume_async", "\"/t/a\"");
        let found = executable(&output, "channels_flume_async");
        assert_eq!(found, Some(PathBuf::from("/t/a")));
        assert_eq!(executable(&output, "channels_flume"), None);
        assert_eq!(executable(&output, "channels_go"), None);
    }
}
