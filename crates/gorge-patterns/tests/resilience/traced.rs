//! Errors with what users and logs need.

use gorge_patterns::{TraceOption, TraceResult, Traced, set_log_sink};
use gorge_runtime::{goroutine, sim, time};
use gorge_sync::Mutex;
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

fn read() -> Result<(), Traced> {
    Err(io::Error::new(io::ErrorKind::NotFound, "no such file"))
        .traced("The settings cannot be read.")
        .map_err(|error| error.note("file", "/etc/settings"))
}

fn start() -> Result<(), Traced> {
    read().traced_with(|| format!("Job {} did not start.", 7))
}

#[test]
fn users_see_a_sentence_and_an_id() {
    let error = start().unwrap_err();
    assert_eq!(error.message(), "Job 7 did not start.");
    assert_eq!(
        error.to_string(),
        format!("Job 7 did not start. [{}]", error.id())
    );
    assert_eq!(error.id().to_string().len(), 16);
}

#[test]
fn the_log_has_all_of_it_under_the_same_id() {
    let line = line!() + 1;
    let error = start().traced("Sorry.").unwrap_err();
    let detail = error.detail().to_string();
    for part in [
        format!("[{}] Sorry.", error.id()),
        format!("{}:{line}:", file!()),
        "of: Job 7 did not start.".to_owned(),
        "of: The settings cannot be read.".to_owned(),
        "file: /etc/settings".to_owned(),
        "of: no such file".to_owned(),
    ] {
        assert!(detail.contains(&part), "{part} in {detail}");
    }
    assert_eq!(format!("{error:?}"), detail);
}

#[test]
fn sources_are_a_chain_with_one_id() {
    let error = start().unwrap_err();
    let inner = error
        .source()
        .and_then(|it| it.downcast_ref::<Traced>())
        .expect("of another one");
    assert_eq!(inner.id(), error.id());
    assert_eq!(
        inner.notes().collect::<Vec<_>>(),
        [("file", "/etc/settings")]
    );
    let cause = inner.source().and_then(|it| it.downcast_ref::<io::Error>());
    assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::NotFound));
    assert!(inner.source().is_some_and(|cause| cause.source().is_none()));
    // Also through an error of another kind.
    let wrapped = Err::<(), _>(io::Error::other(start().unwrap_err()));
    let original = wrapped
        .as_ref()
        .unwrap_err()
        .get_ref()
        .and_then(|it| it.downcast_ref::<Traced>());
    let id = original.expect("it is inside").id();
    assert_eq!(wrapped.traced("Outside.").unwrap_err().id(), id);
}

#[test]
fn two_errors_have_two_ids() {
    assert_ne!(Traced::new("one").id(), Traced::new("two").id());
}

#[test]
fn it_knows_who_and_when() {
    sim::run(1, || {
        time::sleep(Duration::from_secs(5));
        let named = goroutine::Builder::new().name("reader");
        let failing = named.spawn(|| read().unwrap_err()).expect("it starts");
        let id = failing.goroutine().id();
        let error = failing.join().expect("it returns");
        assert_eq!(
            (error.goroutine(), error.goroutine_name()),
            (id, Some("reader"))
        );
        assert_eq!(error.when(), UNIX_EPOCH + Duration::from_secs(946_684_805));
        assert_eq!(error.place().file(), file!());
        let detail = error.detail().to_string();
        assert!(detail.contains("946684805.000000 s after 1970"), "{detail}");
        assert!(detail.contains("(reader)"), "{detail}");
    });
}

#[test]
fn a_simulation_repeats_its_ids() {
    let id = |seed| sim::run(seed, || Traced::new("once").id());
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

#[test]
fn reports_go_to_the_sink_that_was_set_last() {
    let (outer, inner) = (
        Arc::new(Mutex::new(Vec::new())),
        Arc::new(Mutex::new(Vec::new())),
    );
    let sink = |log: &Arc<Mutex<Vec<_>>>| {
        let log = log.clone();
        move |error: &Traced| log.lock().push(error.id())
    };
    let first = set_log_sink(sink(&outer));
    let second = set_log_sink(sink(&inner));
    let error = start().unwrap_err();
    assert_eq!(error.report(), error.to_string());
    drop(second);
    error.report();
    assert_eq!(
        (inner.lock().len(), outer.lock().as_slice()),
        (1, [error.id()].as_slice())
    );
    drop(first);
}

#[test]
fn what_is_well_stays_as_it_is() {
    assert_eq!(Ok::<_, io::Error>(7).traced("never").ok(), Some(7));
    assert_eq!(Some(7).or_traced("never").ok(), Some(7));
    let missing = None::<u8>.or_traced("There is none.").unwrap_err();
    assert!(missing.source().is_none());
    assert_eq!(missing.place().file(), file!());
}
