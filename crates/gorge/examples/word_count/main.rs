//! `word_count DIRECTORY [N]`: the N most frequent words of all files below a directory (ten, if
//! it is not said), counted twice: one file after the other, and by map-reduce.
//!
//! ```text
//!   files ──► map: read, split ──► (word, 1) ──► combine ──┐
//!         ──► map: read, split ──► (word, 1) ──► combine ──┼─ by word ─► reduce: add up
//!         ──► map: read, split ──► (word, 1) ──► combine ──┘
//! ```
//!
//! Both results are compared, and the times that they took are told. A file that cannot be read
//! is an error that ends the count: half a count would be wrong.
//!
//! * `files`: what there is below a directory; `count`: the two ways to count.

mod count;
mod files;

use count::{Counts, by_map_reduce, one_by_one};
use gorge::{context, time};
use std::env;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let (directory, most) = match &*arguments {
        [directory] => (directory, Some(10)),
        [directory, most] => (directory, most.to_str().and_then(|most| most.parse().ok())),
        _ => return complain("give a directory, and how many words are to be shown"),
    };
    let Some(most) = most else {
        return complain("how many words? give a whole number");
    };
    match gorge::run(|| report(Path::new(directory), most)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(error),
    }
}

fn complain(error: impl Display) -> ExitCode {
    eprintln!("word_count: {error}");
    ExitCode::FAILURE
}

fn report(directory: &Path, most: usize) -> Result<(), String> {
    let files = gorge::blocking(|| files::below(directory))?;
    let begin = time::now();
    let alone = gorge::blocking(|| one_by_one(&files))?;
    let middle = time::now();
    let together = by_map_reduce(&context::background(), &files)?;
    let end = time::now();
    assert_eq!(alone, together, "both ways count the same");
    for (word, count) in most_frequent(&together, most) {
        println!("{count:>9} {word}");
    }
    eprintln!(
        "{} words in {} files: {:?} one by one, {:?} with {} processors",
        together.len(),
        files.len(),
        middle - begin,
        end - middle,
        gorge::max_procs()
    );
    Ok(())
}

/// The words that come most often, those with equal counts in alphabetical order.
fn most_frequent(counts: &Counts, most: usize) -> Vec<(&str, u64)> {
    let mut all: Vec<_> = counts
        .iter()
        .map(|(word, count)| (word.as_str(), *count))
        .collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all.truncate(most);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::PathBuf;

    /// A folder of one test's own, removed with what is in it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = env::temp_dir().join(format!("word_count-{name}-{}", std::process::id()));
            fs::create_dir(&path).expect("a new folder");
            Folder(path)
        }

        fn write(&self, path: &str, text: &[u8]) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
            fs::write(path, text).expect("a new file");
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn both_ways(folder: &Folder) -> Counts {
        let files = files::below(&folder.0).expect("they can be listed");
        let alone = one_by_one(&files).expect("they can be read");
        let together = gorge::run(|| by_map_reduce(&context::background(), &files));
        assert_eq!(together.expect("they can be read"), alone);
        alone
    }

    #[test]
    fn words_are_counted_in_all_files_below() {
        let folder = Folder::new("all");
        folder.write("a.txt", b"To be, or not to be");
        folder.write("deep/er/b.txt", b"that is the question: \xff to be");
        folder.write("empty", b"");
        let counts = both_ways(&folder);
        assert_eq!((counts["to"], counts["be"], counts["question"]), (3, 3, 1));
        assert_eq!(counts.len(), 8);
        assert_eq!(most_frequent(&counts, 2), [("be", 3), ("to", 3)]);
    }

    #[test]
    fn both_ways_count_the_same_in_many_files() {
        let folder = Folder::new("many");
        for number in 0..100 {
            let words: Vec<_> = (0..200).map(|n| format!("w{}", n * number % 37)).collect();
            folder.write(
                &format!("{}/{number}", number % 7),
                words.join(" ").as_bytes(),
            );
        }
        assert_eq!(both_ways(&folder).values().sum::<u64>(), 20_000);
    }

    #[test]
    fn the_programs_own_sources_are_counted() {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
        let files = files::below(&sources).expect("they can be listed");
        let together = gorge::run(|| by_map_reduce(&context::background(), &files));
        let together = together.expect("they can be read");
        assert_eq!(together, one_by_one(&files).expect("they can be read"));
        assert!(together["fn"] > 100);
    }

    #[test]
    fn what_cannot_be_read_is_an_error() {
        let missing = Path::new("/there/is/no/such/folder");
        assert!(files::below(missing).is_err());
        let files = [missing.join("file")];
        assert!(one_by_one(&files).is_err());
        let together = gorge::run(|| by_map_reduce(&context::background(), &files));
        assert!(
            together
                .expect_err("it is not there")
                .contains("/there/is/no")
        );
    }

    #[test]
    fn a_context_ends_the_count() {
        let (ctx, guard) = context::background().with_cancel();
        guard.cancel();
        let files = [PathBuf::from(file!())];
        assert!(gorge::run(|| by_map_reduce(&ctx, &files)).is_err());
    }
}
