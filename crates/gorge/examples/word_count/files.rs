//! The regular files below a directory, in the order of their names. Symbolic links are passed
//! over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// All of them. It blocks the thread.
///
/// # Errors
///
/// If a directory cannot be listed: a text with its name.
pub(crate) fn below(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let mut files = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        list(&directory, &mut files, &mut directories)
            .map_err(|error| format!("{}: {error}", directory.display()))?;
    }
    files.sort();
    Ok(files)
}

fn list(
    directory: &Path,
    files: &mut Vec<PathBuf>,
    directories: &mut Vec<PathBuf>,
) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            directories.push(entry.path());
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
