//! The files at and below some paths, in the byte order of their paths: an
//! iterator that lists a directory when it comes to it.
//!
//! What is known and not yet passed is in a heap. A directory's path there ends
//! with a slash, so it comes before everything in it and after everything that
//! sorts before that:
//!
//! ```text
//!   a-b   a.b   a/   a0        then, with a/ listed:   a/x   a/y   a0
//! ```
//!
//! The first of the heap is therefore the first of all that is left, also when
//! the given paths overlap. The heap holds the siblings of what the walk is
//! through with, level by level, and not the tree.

use crate::complaint::complaint;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ffi::{OsStr, OsString};
use std::fs::{self, FileType};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// See the module's description. Its `next` blocks the thread.
pub(crate) struct Walk {
    pending: BinaryHeap<Reverse<Pending>>,
}

/// A regular file, when its directory was listed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    path: Vec<u8>,
    what: What,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Directory,
    File { bytes: u64 },
}

impl Walk {
    /// A walk over the files at and below `paths`. Anything but files and
    /// directories is passed over, symbolic links included, unless a trailing
    /// slash names what they lead to.
    ///
    /// # Errors
    ///
    /// A complaint about a path that does not exist.
    pub(crate) fn of(paths: &[OsString]) -> Result<Walk, String> {
        let mut walk = Walk {
            pending: BinaryHeap::new(),
        };
        for path in paths {
            let metadata =
                fs::symlink_metadata(path).map_err(|error| complaint(path.as_bytes(), &error))?;
            walk.add(path.as_bytes(), metadata.file_type(), || metadata.len());
        }
        Ok(walk)
    }

    fn add(&mut self, path: &[u8], file_type: FileType, bytes: impl FnOnce() -> u64) {
        let mut path = path.to_vec();
        let what = if file_type.is_dir() {
            if path.last() != Some(&b'/') {
                path.push(b'/');
            }
            What::Directory
        } else if file_type.is_file() {
            What::File { bytes: bytes() }
        } else {
            return;
        };
        self.pending.push(Reverse(Pending { path, what }));
    }

    /// Adds what is in a directory, as far as it can be listed.
    fn list(&mut self, directory: &[u8]) -> io::Result<()> {
        let mut path = directory.to_vec();
        for entry in fs::read_dir(Path::new(OsStr::from_bytes(directory)))? {
            let entry = entry?;
            path.truncate(directory.len());
            path.extend(entry.file_name().as_bytes());
            let file_type = entry.file_type()?;
            // The size is a hint. A file that is gone by now is complained about
            // when it is opened.
            let bytes = || entry.metadata().map_or(0, |metadata| metadata.len());
            self.add(&path, file_type, bytes);
        }
        Ok(())
    }
}

impl Iterator for Walk {
    /// A file, or the complaint about a directory.
    type Item = Result<Found, String>;

    fn next(&mut self) -> Option<Result<Found, String>> {
        loop {
            let Reverse(Pending { path, what }) = self.pending.pop()?;
            match what {
                What::File { bytes } => {
                    let path = PathBuf::from(OsString::from_vec(path));
                    return Some(Ok(Found { path, bytes }));
                }
                What::Directory => {
                    if let Err(error) = self.list(&path) {
                        return Some(Err(complaint(without_slash(&path), &error)));
                    }
                }
            }
        }
    }
}

/// A directory's path without the slash at its end, unless it is nothing else.
fn without_slash(path: &[u8]) -> &[u8] {
    match path.strip_suffix(b"/") {
        Some(path) if !path.is_empty() => path,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::process;

    /// A folder of this test's own, removed with what is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn with(name: &str, files: &[&str]) -> Folder {
            let root = env::temp_dir().join(format!("checksum-walk-{name}-{}", process::id()));
            for file in files {
                let path = root.join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, file).unwrap();
            }
            Folder(root)
        }

        fn walk(&self, paths: &[&str]) -> Vec<String> {
            let paths: Vec<_> = paths.iter().map(|path| self.0.join(path).into()).collect();
            let root = format!("{}/", self.0.display());
            let relative = |found: Found| found.path.to_str().unwrap().replace(&root, "");
            let walk = Walk::of(&paths).unwrap();
            walk.map(|found| relative(found.unwrap())).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn directories_sort_as_if_their_names_ended_with_a_slash() {
        let folder = Folder::with(
            "slash",
            &["a/x", "a/y/z", "a-b", "a.b", "a0", "a/y-", "a/y0"],
        );
        let expected = ["a-b", "a.b", "a/x", "a/y-", "a/y/z", "a/y0", "a0"];
        assert_eq!(folder.walk(&[""]), expected);
    }

    #[test]
    fn paths_that_overlap_are_merged() {
        let folder = Folder::with("overlap", &["a/x", "a/y/z", "b"]);
        let expected = ["a/x", "a/y/z", "a/y/z", "a/y/z", "b"];
        assert_eq!(folder.walk(&["b", "a/y/z", "a/y", "a/"]), expected);
    }

    #[test]
    fn a_path_that_does_not_exist_is_an_error() {
        let error = Walk::of(&["/does/not\nexist".into()]).err();
        assert!(error.is_some_and(|text| text.starts_with(r"checksum: /does/not\nexist: ")));
    }
}
