//! Children for tests, and a log of what they do.

use gorge_patterns::supervisor::{Child, Life};
use gorge_runtime::{sim, time};
use gorge_sync::Mutex;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// What has happened, in order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn add(&self, line: impl Into<String>) {
        self.0.lock().push(line.into());
    }

    /// What has happened since the last call, when nobody has anything left to do.
    pub(crate) fn settled(&self) -> String {
        sim::settle();
        self.take()
    }

    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock()).join(" ")
    }
}

/// What a test makes a child do.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    Return,
    Fail,
    Panic,
}

/// Children that do as they are told, by name.
#[derive(Clone, Default)]
pub(crate) struct Stage {
    pub(crate) log: Log,
    fates: Arc<Mutex<Vec<(String, Fate)>>>,
}

impl Stage {
    /// Lets the child with this name end in this way, once.
    pub(crate) fn end(&self, name: &str, fate: Fate) {
        self.fates.lock().push((name.to_owned(), fate));
    }

    /// A child that logs `+name` and `-name`, and is stopped by being killed or by its
    /// context.
    pub(crate) fn child(&self, name: &str) -> Child {
        let stage = self.clone();
        Child::new(name, move |life| stage.play(life)).says_ready()
    }

    fn play(&self, life: &Life) -> io::Result<()> {
        struct Leaves<'a>(&'a Stage, &'a Life);
        impl Drop for Leaves<'_> {
            fn drop(&mut self) {
                self.0.log.add(format!("-{}", self.1.name()));
            }
        }
        self.log.add(format!("+{}", life.name()));
        let _leaves = Leaves(self, life);
        life.ready();
        match self.fate(life) {
            None | Some(Fate::Return) => Ok(()),
            Some(Fate::Fail) => Err(io::Error::other("a fault")),
            Some(Fate::Panic) => quiet_panic(),
        }
    }

    fn fate(&self, life: &Life) -> Option<Fate> {
        loop {
            let mut fates = self.fates.lock();
            if let Some(at) = fates.iter().position(|(name, _)| name == life.name()) {
                return Some(fates.remove(at).1);
            }
            drop(fates);
            // Looks often, in virtual time; a wait for both would be a channel per child.
            if life.sleep(Duration::from_millis(1)).is_err() {
                return None;
            }
        }
    }

    /// Ends the child, and says what happens until nothing does.
    pub(crate) fn after(&self, name: &str, fate: Fate) -> String {
        self.end(name, fate);
        time::sleep_until(time::now() + Duration::from_millis(20));
        self.log.settled()
    }
}

/// As `sim::check`, with fewer seeds where a program is long.
pub(crate) fn every_order(body: impl Fn() + Sync) {
    sim::check(100, body);
}

/// A panic that the test wants, and that is not to fill its output.
pub(crate) fn quiet_panic() -> ! {
    std::panic::resume_unwind(Box::new("a panic that the test wants"))
}
