//! Counting words: one file after the other, and by map-reduce.

use gorge::context::Context;
use gorge::patterns::{Emitter, MapReduce};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How often each word occurs.
pub(crate) type Counts = BTreeMap<String, u64>;

/// One file after the other. It blocks the thread.
///
/// # Errors
///
/// If a file cannot be read.
pub(crate) fn one_by_one(files: &[PathBuf]) -> Result<Counts, String> {
    let mut counts = Counts::new();
    for file in files {
        for word in words(&read(file)?) {
            *counts.entry(word).or_insert(0) += 1;
        }
    }
    Ok(counts)
}

/// Each file is a split: mappers read them and say one for each word, which is added up at
/// once, and once more by the reducers.
///
/// # Errors
///
/// If a file cannot be read, or the context is done.
pub(crate) fn by_map_reduce(ctx: &Context, files: &[PathBuf]) -> Result<Counts, String> {
    let map = |file: &PathBuf, emitter: &mut Emitter<'_, String, u64>| {
        // Reading blocks the thread, which others want to use.
        let text = gorge::blocking(|| read(file))?;
        words(&text).for_each(|word| emitter.emit(word, 1));
        Ok::<_, String>(())
    };
    let counted = MapReduce::new().combine(&|some, more| some + more).run(
        ctx,
        files,
        map,
        |_word, counts| Ok(counts.into_iter().sum()),
    );
    counted.map_err(|error| error.to_string())
}

fn read(file: &Path) -> Result<String, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Runs of letters and digits, in lower case.
fn words(text: &str) -> impl Iterator<Item = String> {
    let words = text.split(|it: char| !it.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_lowercase)
}
