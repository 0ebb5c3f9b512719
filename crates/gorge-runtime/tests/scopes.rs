//! What a scope lends stays valid until the last of its goroutines has ended,
//! however the body, the children and the runtime end.

mod common;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::goroutine::{Scope, ScopedJoinHandle};
use gorge_runtime::{Runtime, blocking, goroutine, scope, shield, yield_now};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Knows whether a frame is there, and whether anybody used it when it was not.
#[derive(Default)]
struct Watch {
    is_there: AtomicBool,
    uses: AtomicUsize,
    misuses: AtomicUsize,
}

/// What children borrow.
struct Frame {
    watch: Arc<Watch>,
    word: Box<str>,
}

impl Drop for Frame {
    fn drop(&mut self) {
        self.watch.is_there.store(false, Ordering::SeqCst);
    }
}

/// What a child does with the frame, at the latest when it is dropped.
struct User<'a> {
    frame: &'a Frame,
    watch: Arc<Watch>,
}

impl Drop for User<'_> {
    fn drop(&mut self) {
        self.watch.uses.fetch_add(1, Ordering::SeqCst);
        if !self.watch.is_there.load(Ordering::SeqCst) || &*self.frame.word != "lent" {
            self.watch.misuses.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Watch {
    fn frame(self: &Arc<Watch>) -> Frame {
        self.is_there.store(true, Ordering::SeqCst);
        Frame {
            watch: self.clone(),
            word: "lent".into(),
        }
    }

    #[track_caller]
    fn expect(&self, uses: usize) {
        assert!(!self.is_there.load(Ordering::SeqCst), "the frame has gone");
        assert_eq!(self.misuses.load(Ordering::SeqCst), 0);
        assert_eq!(self.uses.load(Ordering::SeqCst), uses);
    }
}

impl Frame {
    fn user(&self) -> User<'_> {
        User {
            frame: self,
            watch: self.watch.clone(),
        }
    }
}

/// How a child goes on until its end.
#[derive(Clone, Copy, Debug)]
enum Child {
    Returns,
    Yields,
    Sleeps,
    Blocks,
    Panics,
    WaitsForEver,
}

const ENDING: [Child; 5] = [
    Child::Returns,
    Child::Yields,
    Child::Sleeps,
    Child::Blocks,
    Child::Panics,
];

impl Child {
    fn live(self, user: User<'_>) {
        match self {
            Child::Returns => {}
            Child::Yields => (0..20).for_each(|_| yield_now()),
            Child::Sleeps => goroutine::sleep(Duration::from_micros(300)),
            Child::Blocks => blocking(yield_now),
            Child::Panics => resume_unwind(Box::new("a child's")),
            Child::WaitsForEver => goroutine::park_forever(),
        }
        drop(user);
    }
}

/// What becomes of a child's handle.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Dropped,
    Forgotten,
    Joined,
}

const FATES: [Fate; 3] = [Fate::Dropped, Fate::Forgotten, Fate::Joined];

impl Fate {
    fn befall(self, handle: ScopedJoinHandle<'_, ()>) {
        match self {
            Fate::Dropped => drop(handle),
            Fate::Forgotten => mem::forget(handle),
            Fate::Joined => drop(handle.join()),
        }
    }
}

/// Starts a child that starts one, too.
fn start<'scope>(scope: &'scope Scope<'scope, '_>, frame: &'scope Frame, child: Child, fate: Fate) {
    let handle = scope.spawn(move || {
        let user = frame.user();
        drop(scope.spawn(move || child.live(frame.user())));
        child.live(user);
    });
    fate.befall(handle);
}

#[test]
fn a_scope_that_returns_waits_for_every_child() {
    in_each_setting(|runtime| {
        for child in ENDING {
            for fate in FATES {
                let watch = Arc::new(Watch::default());
                let theirs = watch.clone();
                let result = runtime.go(move || {
                    let frame = theirs.frame();
                    scope(|s| start(s, &frame, child, fate));
                });
                let panics = result.join().is_err();
                assert_eq!(
                    panics,
                    matches!(child, Child::Panics),
                    "{child:?}, {fate:?}"
                );
                watch.expect(2);
            }
        }
    });
}

#[test]
fn a_scope_whose_body_panics_waits_for_every_child() {
    in_each_setting(|runtime| {
        for child in ENDING {
            for fate in FATES {
                let watch = Arc::new(Watch::default());
                let theirs = watch.clone();
                let result = runtime.go(move || {
                    let frame = theirs.frame();
                    scope(|s| {
                        start(s, &frame, child, fate);
                        resume_unwind(Box::new("the body's"));
                    });
                });
                let error = result.join().map(drop).expect_err("it panics");
                let text = error.to_string();
                assert!(
                    text.ends_with("panicked: the body's"),
                    "{child:?}, {fate:?}: {text}"
                );
                watch.expect(2);
            }
        }
    });
}

#[test]
fn a_scope_on_an_os_thread_waits_for_every_child() {
    for child in ENDING {
        for fate in FATES {
            let watch = Arc::new(Watch::default());
            let result = catch_unwind(AssertUnwindSafe(|| {
                let frame = watch.frame();
                scope(|s| {
                    start(s, &frame, child, fate);
                    resume_unwind(Box::new("the body's"));
                });
            }));
            let payload = result.expect_err("it panics");
            assert_eq!(payload.downcast_ref(), Some(&"the body's"));
            watch.expect(2);
        }
    }
}

/// The stages of a scope's life in which its owner is cancelled.
const STAGES: usize = 6;

/// Tells the canceller where the owner is; there it waits, without a park point,
/// until it was cancelled.
struct Stages {
    reached: AtomicUsize,
    go_on_from: AtomicUsize,
}

impl Stages {
    fn pass(&self, stage: usize) {
        self.reached.store(stage, Ordering::SeqCst);
        while self.go_on_from.load(Ordering::SeqCst) < stage {
            std::hint::spin_loop();
        }
    }
}

fn owner_in_stages(stages: &Stages, watch: &Arc<Watch>, child: Child) {
    stages.pass(1);
    let frame = watch.frame();
    scope(|s| {
        stages.pass(2);
        start(s, &frame, child, Fate::Dropped);
        stages.pass(3);
        let handle = s.spawn(|| child.live(frame.user()));
        stages.pass(4);
        drop(handle.join());
        stages.pass(5);
    });
    stages.pass(STAGES);
    goroutine::park_forever()
}

#[test]
fn an_owner_that_is_cancelled_at_any_stage_waits_for_every_child() {
    in_each_placement(2, |runtime| {
        let kinds = ENDING.into_iter().chain([Child::WaitsForEver]);
        for (child, stage) in kinds.flat_map(|it| (1..=STAGES).map(move |stage| (it, stage))) {
            let is_stuck = matches!(child, Child::WaitsForEver) && stage > 4;
            // Their panics end the owner before it gets there, or instead.
            let panics_first = matches!(child, Child::Panics) && stage > 4;
            if is_stuck || panics_first {
                continue;
            }
            let watch = Arc::new(Watch::default());
            let stages = Arc::new(Stages {
                reached: AtomicUsize::new(0),
                go_on_from: AtomicUsize::new(stage - 1),
            });
            let (theirs, their_stages) = (watch.clone(), stages.clone());
            let owner = runtime.go(move || owner_in_stages(&their_stages, &theirs, child));
            wait_for(|| stages.reached.load(Ordering::SeqCst) == stage);
            owner.cancel();
            stages.go_on_from.store(STAGES, Ordering::SeqCst);
            let error = owner.join().map(drop).expect_err("cancelled");
            assert!(error.is_cancelled(), "{child:?} at {stage}: {error}");
            assert_eq!(watch.misuses.load(Ordering::SeqCst), 0);
            assert!(!watch.is_there.load(Ordering::SeqCst));
            wait_for(|| runtime.num_goroutines() == 0);
        }
    });
}

#[test]
fn nested_scopes_end_from_the_inside_out() {
    in_each_setting(|runtime| {
        for child in ENDING {
            let (outer, inner) = (Arc::new(Watch::default()), Arc::new(Watch::default()));
            let (their_outer, their_inner) = (outer.clone(), inner.clone());
            let result = runtime.go(move || {
                let outer_frame = their_outer.frame();
                scope(|outer| {
                    let inner_frame = their_inner.frame();
                    scope(|inner| {
                        start(inner, &inner_frame, child, Fate::Dropped);
                        // Lives on after the inner scope.
                        start(outer, &outer_frame, Child::Sleeps, Fate::Forgotten);
                    });
                    drop(inner_frame);
                    assert!(their_outer.is_there.load(Ordering::SeqCst));
                });
            });
            assert_eq!(result.join().is_err(), matches!(child, Child::Panics));
            inner.expect(2);
            outer.expect(2);
        }
    });
}

/// Opens a scope when it is dropped.
struct ScopeOnDrop<'a>(&'a Arc<Watch>, Child);

impl Drop for ScopeOnDrop<'_> {
    fn drop(&mut self) {
        let frame = self.0.frame();
        let panicking = thread::panicking();
        scope(|s| start(s, &frame, self.1, Fate::Joined));
        assert_eq!(thread::panicking(), panicking);
    }
}

#[test]
fn a_scope_in_a_destructor_works_while_its_goroutine_unwinds() {
    in_each_placement(2, |runtime| {
        for child in [Child::Returns, Child::Yields, Child::Sleeps, Child::Blocks] {
            for cancelled in [false, true] {
                let watch = Arc::new(Watch::default());
                let theirs = watch.clone();
                let handle = runtime.go(move || {
                    let _opens = ScopeOnDrop(&theirs, child);
                    if !cancelled {
                        resume_unwind(Box::new("on the way"));
                    }
                    theirs.uses.fetch_add(100, Ordering::SeqCst);
                    goroutine::park_forever();
                });
                if cancelled {
                    wait_for(|| watch.uses.load(Ordering::SeqCst) == 100);
                    handle.cancel();
                    // It comes too late for the scope, which is not cut short.
                    handle.cancel();
                }
                let error = handle.join().expect_err("it unwinds");
                assert_eq!(error.is_cancelled(), cancelled, "{error}");
                watch.expect(if cancelled { 102 } else { 2 });
            }
        }
    });
}

/// Passes on what it is given, with a destructor that starts another child.
struct Result<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    user: Option<User<'scope>>,
}

impl Drop for Result<'_, '_> {
    fn drop(&mut self) {
        yield_now();
        let user = self.user.take();
        drop(self.scope.spawn(move || {
            yield_now();
            drop(user);
        }));
    }
}

#[test]
fn the_result_of_a_child_that_nobody_joins_is_dropped_before_the_scope_ends() {
    in_each_setting(|runtime| {
        let watch = Arc::new(Watch::default());
        runtime.run(|| {
            let frame = watch.frame();
            scope(|s| {
                for _ in 0..3 {
                    drop(s.spawn(|| Result {
                        scope: s,
                        user: Some(frame.user()),
                    }));
                }
            });
            assert_eq!(watch.uses.load(Ordering::SeqCst), 3);
        });
        watch.expect(3);
    });
}

#[test]
fn a_scope_in_a_shield_a_pinned_closure_or_a_blocking_one_waits_too() {
    in_each_placement(2, |runtime| {
        let wrappers: [fn(&(dyn Fn() + Sync)); 3] = [
            |body| shield(body),
            |body| goroutine::pin(body),
            |body| blocking(body),
        ];
        for wrap in wrappers {
            for child in [Child::Yields, Child::Sleeps, Child::Blocks] {
                let watch = Arc::new(Watch::default());
                let theirs = watch.clone();
                let handle = runtime.go(move || {
                    wrap(&|| {
                        let frame = theirs.frame();
                        scope(|s| start(s, &frame, child, Fate::Dropped));
                    });
                });
                // Anywhere between the start and the end.
                yield_now();
                handle.cancel();
                if handle.join().is_ok() || watch.uses.load(Ordering::SeqCst) > 0 {
                    watch.expect(watch.uses.load(Ordering::SeqCst));
                }
            }
        }
    });
}

/// A runtime with an owner in a scope whose children all wait.
fn with_a_waiting_scope(migrating: bool) -> (Runtime, Arc<Watch>) {
    let setting = common::Setting {
        migrating,
        procs: 2,
    };
    let runtime = setting.runtime();
    let watch = Arc::new(Watch::default());
    let theirs = watch.clone();
    runtime.go(move || {
        let frame = theirs.frame();
        scope(|s| {
            for _ in 0..10 {
                start(s, &frame, Child::WaitsForEver, Fate::Dropped);
            }
        });
    });
    wait_for(|| runtime.num_goroutines() == 21);
    (runtime, watch)
}

#[test]
fn a_runtime_dropped_by_another_thread_unwinds_a_scope_from_the_leaves() {
    for migrating in [false, true] {
        let (runtime, watch) = with_a_waiting_scope(migrating);
        drop(runtime);
        assert!(!watch.is_there.load(Ordering::SeqCst));
        assert_eq!(watch.misuses.load(Ordering::SeqCst), 0);
    }
}

#[test]
fn a_runtime_dropped_on_a_goroutine_of_its_own_unwinds_a_scope_from_the_leaves() {
    for migrating in [false, true] {
        for in_blocking in [false, true] {
            let (runtime, watch) = with_a_waiting_scope(migrating);
            let runtime = Arc::new(runtime);
            let owned = runtime.clone();
            let dropper = runtime.go(move || {
                // The last one: this thread's has gone when it was told.
                while Arc::strong_count(&owned) > 1 {
                    yield_now();
                }
                if in_blocking {
                    blocking(|| drop(owned));
                } else {
                    drop(owned);
                }
            });
            drop(runtime);
            dropper.join().expect("it does not wait for itself");
            wait_for(|| !watch.is_there.load(Ordering::SeqCst));
            assert_eq!(watch.misuses.load(Ordering::SeqCst), 0);
        }
    }
}

#[test]
fn what_run_lends_outlives_main_when_the_runtime_is_shut_down_meanwhile() {
    for migrating in [false, true] {
        let (runtime, watch) = with_a_waiting_scope(migrating);
        let lent = Arc::new(Watch::default());
        let handle = runtime.go({
            let lent = lent.clone();
            move || {
                let inner = Runtime::builder().max_procs(1).build().expect("a runtime");
                let frame = lent.frame();
                inner.run(|| Child::WaitsForEver.live(frame.user()));
            }
        });
        wait_for(|| lent.is_there.load(Ordering::SeqCst));
        drop(runtime);
        assert!(
            handle
                .join()
                .map(drop)
                .expect_err("cancelled")
                .is_cancelled()
        );
        assert_eq!(lent.misuses.load(Ordering::SeqCst), 0);
        assert!(!lent.is_there.load(Ordering::SeqCst));
        assert!(!watch.is_there.load(Ordering::SeqCst));
    }
}
