//! What a scope lends stays valid until the last of its goroutines has ended,
//! however the body, the children and the runtime end.

mod common;
#[path = "common/lent.rs"]
mod lent;

use common::{in_each_placement, in_each_setting, wait_for};
use gorge_runtime::goroutine::Scope;
use gorge_runtime::{blocking, goroutine, scope, shield, yield_now};
use lent::{Child, ENDING, FATES, Fate, User, Watch, start};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
fn a_forgotten_handle_leaks_itself_and_nothing_that_was_lent() {
    in_each_setting(|runtime| {
        for (child, panics) in ENDING.into_iter().flat_map(|it| [(it, false), (it, true)]) {
            let watch = Arc::new(Watch::default());
            let theirs = watch.clone();
            let result = runtime.go(move || {
                let frame = theirs.frame();
                scope(|s| {
                    start(s, &frame, child, Fate::Forgotten);
                    if panics {
                        resume_unwind(Box::new("the body's"));
                    }
                });
            });
            let child_panics = matches!(child, Child::Panics);
            assert_eq!(result.join().is_err(), panics || child_panics, "{child:?}");
            watch.expect(2);
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
                        start(outer, &outer_frame, Child::Sleeps, Fate::Dropped);
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

#[test]
fn a_result_whose_destructor_panics_at_its_childs_end_is_a_panic_of_that() {
    struct Explosive;
    impl Drop for Explosive {
        fn drop(&mut self) {
            panic!("in a result");
        }
    }
    in_each_placement(1, |runtime| {
        runtime.run(|| {
            let text = catch_unwind(|| scope(|s| drop(s.spawn(|| Explosive))))
                .expect_err("a child panicked")
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned());
            assert_eq!(text.as_deref(), Some("a scoped goroutine panicked"));
        });
    });
}

#[test]
fn a_child_may_have_options() {
    in_each_placement(2, |runtime| {
        runtime.run(|| {
            let lent = [String::from("first"), String::from("second")];
            let names = scope(|s| {
                let handles = lent.each_ref().map(|name| {
                    let builder = goroutine::Builder::new().name(name).child_first(true);
                    let own_name =
                        move || goroutine::current().name().map(|it| (it.to_owned(), name));
                    builder.spawn_scoped(s, own_name).expect("spawned")
                });
                handles.map(|it| it.join().expect("a value").expect("it has a name"))
            });
            for (own, lent) in names {
                assert_eq!(own, *lent);
            }
        });
    });
}
