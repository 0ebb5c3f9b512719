//! The files of the repository: what git tracks, and what it would if it were added.
//!
//! All paths are relative to the root and use `/`. The texts of Rust, Markdown and TOML files are read
//! once, here.

use crate::workspace::git;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The endings of the files whose text is read.
const TEXT_ENDINGS: &[&str] = &[".rs", ".md", ".toml"];

/// The files by path, with their text if they are text files.
#[derive(Debug)]
pub(crate) struct Tree {
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// The files under `root`. Those deleted but still in the index are left out.
    pub(crate) fn read(root: &Path) -> io::Result<Tree> {
        let mut files = BTreeMap::new();
        for path in listed(root)? {
            let place = root.join(&path);
            if place.is_file() {
                let text = is_text(&path).then(|| std::fs::read(&place)).transpose()?;
                let text = text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
                files.insert(path, text);
            }
        }
        Ok(Tree { files })
    }

    #[cfg(test)]
    pub(crate) fn from_texts<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Tree {
        let files = texts.into_iter();
        Tree {
            files: files
                .map(|(path, text)| (path.to_owned(), Some(text.to_owned())))
                .collect(),
        }
    }

    /// How many files there are.
    pub(crate) fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether `path` is one of the files or a folder of one.
    pub(crate) fn holds(&self, path: &str) -> bool {
        let folder = format!("{path}/");
        path.is_empty()
            || self.files.contains_key(path)
            || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// The text of the file at `path`, if it is a text file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Path and text of every text file.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let files = self.files.iter();
        files.filter_map(|(path, text)| Some((&**path, text.as_deref()?)))
    }
}

fn is_text(path: &str) -> bool {
    TEXT_ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// The paths git lists, tracked or not, ignored ones left out.
fn listed(root: &Path) -> io::Result<Vec<String>> {
    let arguments = "ls-files -z --cached --others --exclude-standard";
    let output = git(root)
        .args(arguments.split(' '))
        .output()
        .map_err(|error| io::Error::other(format!("cannot run git ({error}): install it")))?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        let reason = format!("`git {arguments}` failed: {}", reason.trim());
        return Err(io::Error::other(reason));
    }
    let paths = String::from_utf8_lossy(&output.stdout);
    let paths = paths.split_terminator('\0').map(str::to_owned);
    Ok(paths.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_and_folders_are_held() {
        let tree = Tree::from_texts([("a/b/c.md", "")]);
        for path in ["", "a", "a/b", "a/b/c.md"] {
            assert!(tree.holds(path), "{path}");
        }
        for path in ["b", "a/b/c", "a/b/c.md/d"] {
            assert!(!tree.holds(path), "{path}");
        }
    }

    #[test]
    fn tracked_and_new_files_are_read_but_not_ignored_or_deleted_ones() {
        let root = std::env::temp_dir().join(format!("xtask-tree-{}", std::process::id()));
        fs::create_dir_all(root.join("src")).unwrap();
        let run_git = |arguments: &[&str]| {
            let output = git(&root).args(arguments).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        };
        run_git(&["init", "--quiet"]);
        fs::write(root.join(".gitignore"), "ignored.md\n").unwrap();
        for path in [
            "src/tracked.rs",
            "deleted.rs",
            "new ä.md",
            "ignored.md",
            "logo.svg",
        ] {
            fs::write(root.join(path), path).unwrap();
        }
        run_git(&["add", "src", "deleted.rs"]);
        fs::remove_file(root.join("deleted.rs")).unwrap();

        let tree = Tree::read(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();

        let texts: Vec<_> = tree.texts().collect();
        let expected = [
            ("new ä.md", "new ä.md"),
            ("src/tracked.rs", "src/tracked.rs"),
        ];
        assert_eq!(texts, expected);
        assert!(tree.holds("logo.svg") && tree.holds(".gitignore"));
        assert_eq!(tree.len(), 4);
    }

    #[test]
    fn a_folder_without_git_is_a_clear_error() {
        let nowhere = std::env::temp_dir();
        let error = Tree::read(&nowhere).unwrap_err().to_string();
        assert!(error.contains("git ls-files"), "{error}");
    }
}
