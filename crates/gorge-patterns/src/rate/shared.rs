//! What the clones of a limiter share: the bucket under a lock, and a word for the fast path.
//!
//! Most questions are whether a token is there, of a bucket for which nobody waits. Those are
//! answered by one compare-and-swap of a word, without the lock:
//!
//! ```text
//!   zero, in units since the base: 48 bits │ setting: 14 │ OPEN │ LOCKED
//! ```
//!
//! * **LOCKED**: the bucket under the lock counts. Whoever takes the lock sets it first, so that
//!   every compare-and-swap under way fails, takes over what the word says, and publishes the
//!   zero anew when it has finished. While it cannot be published, since it is too far ahead
//!   or the pace does not [fit](Pace::fits), the bit stays.
//! * **OPEN**: no limit. Everything is admitted by a look.
//! * **setting**: base and pace are further words. They are read without the lock, and may be
//!   torn; but when they change so does this number, and then the compare-and-swap fails, or
//!   the refusal is not believed. A number comes again after 16 384 changes. To be deceived by
//!   that, a thread would have to stand still for as many between two instructions, and find the
//!   same zero.
//!
//! Nobody who sleeps is overtaken on the fast path, because the zero is ahead as long as
//! anybody sleeps for what is not due.

use super::Limit;
use super::bucket::{Bucket, When};
use super::pace::Pace;
use gorge_channel::Sender;
use gorge_runtime::primitive::atomic::{AtomicU32, AtomicU64, Ordering, fence};
use gorge_runtime::primitive::clock;
use gorge_sync::{Mutex, MutexGuard};

const LOCKED: u64 = 1;
const OPEN: u64 = 2;
const SETTING: u64 = 4;
const ZERO: u32 = 16;
const FLAGS: u64 = (1 << ZERO) - 1;
/// Times since the base are below this, or the base is moved.
const RANGE: u64 = 1 << 47;

pub(super) struct Shared {
    word: AtomicU64,
    /// When something was taken on the fast path last, nanoseconds.
    last: AtomicU64,
    base: AtomicU64,
    shift: AtomicU32,
    interval: AtomicU64,
    span: AtomicU64,
    inner: Mutex<Inner>,
}

struct Inner {
    bucket: Bucket,
    /// The word that was published last.
    published: u64,
    /// For which pace the setting is.
    pace: Option<Pace>,
}

/// The bucket, locked. Dropped, it publishes what the word can say.
pub(super) struct Locked<'a> {
    shared: &'a Shared,
    inner: MutexGuard<'a, Inner>,
}

impl Shared {
    pub(super) fn new(limit: Limit, burst: usize) -> Shared {
        let shared = Shared {
            word: AtomicU64::new(LOCKED),
            last: AtomicU64::new(0),
            base: AtomicU64::new(0),
            shift: AtomicU32::new(0),
            interval: AtomicU64::new(0),
            span: AtomicU64::new(0),
            inner: Mutex::new(Inner {
                bucket: Bucket::new(limit, burst),
                published: LOCKED,
                pace: None,
            }),
        };
        drop(shared.lock());
        shared
    }

    /// Whether there is no limit; false also where it takes the lock to know.
    #[inline]
    pub(super) fn is_open(&self) -> bool {
        // Acquire: as in `take_now`.
        self.word.load(Ordering::Acquire) & (LOCKED | OPEN) == OPEN
    }

    /// Takes `n` if they are there, without the lock; `None` if it takes that to know.
    #[inline]
    pub(super) fn take_now(&self, n: usize) -> Option<bool> {
        // Acquire: pairs with the Release of `publish`; the setting is at least that new.
        let mut word = self.word.load(Ordering::Acquire);
        if word & (LOCKED | OPEN) != 0 {
            return (word & LOCKED == 0).then_some(true);
        }
        let now = clock::nanos();
        loop {
            let shift = self.shift.load(Ordering::Relaxed);
            let span = self.span.load(Ordering::Relaxed);
            let cost = self
                .interval
                .load(Ordering::Relaxed)
                .checked_mul(n as u64)?;
            let since = now.saturating_sub(self.base.load(Ordering::Relaxed));
            if since >= RANGE >> shift || cost > span {
                return None;
            }
            let time = since << shift;
            let zero = (word >> ZERO).max(time.saturating_sub(span)) + cost;
            // Acquire: the reads of the setting come before what follows, which tells whether
            // they were torn. Pairs with the Release fence in `publish`.
            fence(Ordering::Acquire);
            if zero > time {
                let later = self.word.load(Ordering::Relaxed);
                if (later ^ word) & FLAGS == 0 {
                    return Some(false);
                }
                word = self.word.load(Ordering::Acquire);
            } else {
                let taken = zero << ZERO | word & FLAGS;
                // AcqRel: what led to an admission comes before what the next one leads to.
                match self.word.compare_exchange_weak(
                    word,
                    taken,
                    Ordering::AcqRel,
                    Ordering::Acquire,
                ) {
                    Ok(_) => {
                        self.last.store(now, Ordering::Relaxed);
                        return Some(true);
                    }
                    Err(found) => word = found,
                }
            }
            if word & (LOCKED | OPEN) != 0 {
                return (word & LOCKED == 0).then_some(true);
            }
        }
    }

    pub(super) fn lock(&self) -> Locked<'_> {
        let mut inner = self.inner.lock();
        // Acquire: what was taken on the fast path is in the word.
        let word = self.word.fetch_or(LOCKED, Ordering::Acquire);
        if word & LOCKED == 0 && word != inner.published {
            let base = self.base.load(Ordering::Relaxed);
            let bucket = &mut inner.bucket;
            bucket.zero = bucket.pace.units(base) + i128::from(word >> ZERO);
            bucket.last = bucket.last.max(self.last.load(Ordering::Relaxed));
        }
        let last = When::Now(inner.bucket.last);
        inner.bucket.forget_due(last);
        Locked {
            shared: self,
            inner,
        }
    }
}

impl Locked<'_> {
    /// Lets go of the lock, and calls sleepers.
    pub(super) fn release(self, calls: Vec<Sender<()>>) {
        drop(self);
        for call in calls {
            // Full: it was called already.
            let _ = call.try_send(());
        }
    }

    /// Puts into the word what the bucket says, or leaves it locked.
    fn publish(&mut self) {
        let shared = self.shared;
        let flags = self.inner.published & FLAGS & !(LOCKED | OPEN);
        let bucket = &self.inner.bucket;
        if bucket.limit.is_inf() {
            return self.store(flags.wrapping_add(SETTING) & FLAGS | OPEN, None);
        }
        if bucket.limit.is_zero() || !bucket.pace.fits() {
            self.inner.pace = None;
            return;
        }
        let pace = bucket.pace;
        let base = shared.base.load(Ordering::Relaxed);
        let is_current = self.inner.pace == Some(pace);
        let now = clock::nanos();
        if is_current && now.saturating_sub(base) < (RANGE / 2) >> pace.shift {
            if let Some(zero) = above(bucket.zero - pace.units(base)) {
                self.store(zero << ZERO | flags, Some(pace));
            }
            return;
        }
        // So far in the past that a bucket which is full is empty at the base or later.
        let full =
            u64::try_from(pace.span >> pace.shift).map_or(0, |span| now.saturating_sub(span + 2));
        let Some(zero) = above(bucket.zero - pace.units(full)) else {
            self.inner.pace = None;
            return;
        };
        // Release: whoever reads one of these finds the word locked, or the setting changed.
        fence(Ordering::Release);
        shared.base.store(full, Ordering::Relaxed);
        shared.shift.store(pace.shift, Ordering::Relaxed);
        shared
            .interval
            .store(fitting(pace.interval), Ordering::Relaxed);
        shared.span.store(fitting(pace.span), Ordering::Relaxed);
        let flags = flags.wrapping_add(SETTING) & FLAGS;
        self.store(zero << ZERO | flags, Some(pace));
    }

    fn store(&mut self, word: u64, pace: Option<Pace>) {
        self.inner.published = word;
        self.inner.pace = pace;
        // Release: pairs with the Acquire of `take_now`.
        self.shared.word.store(word, Ordering::Release);
    }
}

/// The zero as the word has it: what is before the base is as good as the base.
fn above(zero: i128) -> Option<u64> {
    let zero = u64::try_from(zero.max(0)).ok()?;
    (zero < RANGE).then_some(zero)
}

/// A length of a pace that fits.
fn fitting(length: i128) -> u64 {
    u64::try_from(length).expect("the pace fits")
}

impl std::ops::Deref for Locked<'_> {
    type Target = Bucket;

    fn deref(&self) -> &Bucket {
        &self.inner.bucket
    }
}

impl std::ops::DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Bucket {
        &mut self.inner.bucket
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.publish();
    }
}
