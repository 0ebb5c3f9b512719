//! What a terminal shows meanwhile: how much is done. How much is to come, a
//! walk that is never far ahead cannot know.

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};

/// A bar on standard error, if that is a terminal. Its methods block the thread.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    bytes: u64,
}

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {human_pos} files, {msg}");
            ProgressBar::new_spinner().with_style(style.expect("the template is valid"))
        });
        Progress { bar, bytes: 0 }
    }

    pub(crate) fn is_shown(&self) -> bool {
        self.bar.is_some()
    }

    /// So much more is done.
    pub(crate) fn advance(&mut self, files: u64, bytes: u64) {
        self.bytes += bytes;
        if let Some(bar) = &self.bar {
            bar.set_message(HumanBytes(self.bytes).to_string());
            bar.inc(files);
        }
    }

    /// Calls `f`, which writes to the terminal, with the bar out of its way.
    pub(crate) fn suspended<T>(&self, f: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(f),
            None => f(),
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
