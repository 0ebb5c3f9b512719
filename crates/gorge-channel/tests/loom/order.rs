//! What happens before what, a litmus for each line of the table in `src/PROTOCOL.md`.
//! See `loom.rs`.
//!
//! One party writes a note, then does what the line's left side says; another one does
//! what its right side says, and then reads the note. The note is a cell without any order
//! of its own: if the channel gave none, loom would report concurrent accesses.

use gorge_channel::{
    Receiver, RecvError, RecvTimeoutError, Select, SendError, Sender, TryRecvError, bounded,
    context, select, unbounded,
};
use loom::cell::UnsafeCell;
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3600);

/// See the module's description.
#[derive(Clone)]
struct Note(Arc<Cell>);

struct Cell(UnsafeCell<u32>);

// SAFETY: loom checks every access to the cell.
unsafe impl Send for Cell {}
// SAFETY: as above.
unsafe impl Sync for Cell {}

impl Note {
    fn new() -> Note {
        Note(Arc::new(Cell(UnsafeCell::new(0))))
    }

    fn write(&self) {
        // SAFETY: loom checks that nobody else reads or writes.
        self.0.0.with_mut(|note| unsafe { *note = 1 });
    }

    fn read(&self) {
        // SAFETY: loom checks that nobody writes.
        self.0.0.with(|note| assert_eq!(unsafe { *note }, 1));
    }
}

/// A model in which one party writes and another one reads, on a channel of each of
/// these capacities.
fn litmus(
    capacities: &[Option<usize>],
    writes: impl Fn(&Note, &Sender<u32>, &Receiver<u32>) + Send + Sync + Clone + 'static,
    reads: impl Fn(&Note, &Sender<u32>, &Receiver<u32>) + Send + Sync + Clone + 'static,
) {
    for capacity in capacities.iter().copied() {
        let (writes, reads) = (writes.clone(), reads.clone());
        loom::model(move || {
            let note = Note::new();
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let writer = thread::spawn({
                let (note, writes) = (note.clone(), writes.clone());
                let (sender, receiver) = (sender.clone(), receiver.clone());
                move || writes(&note, &sender, &receiver)
            });
            reads(&note, &sender, &receiver);
            writer.join().unwrap();
        });
    }
}

const ALL: &[Option<usize>] = &[Some(0), Some(1), None];

#[test]
fn a_send_happens_before_the_end_of_its_receive() {
    let writes = |note: &Note, sender: &Sender<u32>, _: &Receiver<u32>| {
        note.write();
        sender.send(1).unwrap();
    };
    litmus(ALL, writes, |note, _, receiver| {
        assert_eq!(receiver.recv(), Ok(1));
        note.read();
    });
    litmus(ALL, writes, |note, _, receiver| {
        while let Err(error) = receiver.try_recv() {
            assert_eq!(error, TryRecvError::Empty);
            thread::yield_now();
        }
        note.read();
    });
}

#[test]
fn a_send_happens_before_the_end_of_a_receive_with_a_timeout() {
    let writes = |note: &Note, sender: &Sender<u32>, _: &Receiver<u32>| {
        note.write();
        let _ = sender.send_timeout(1, LONG);
    };
    litmus(ALL, writes, |note, _, receiver| {
        if receiver.recv_timeout(LONG).is_ok() {
            note.read();
        }
    });
}

#[test]
fn a_receive_begins_before_the_end_of_the_send_that_needs_its_room() {
    for capacity in [0, 1, 2] {
        litmus(
            &[Some(capacity)],
            |note, _, receiver| {
                note.write();
                assert_eq!(receiver.recv(), Ok(0));
            },
            move |note, sender, _| {
                // The last of these needs the room that the first receive makes.
                for number in 0..=capacity as u32 {
                    sender.send(number).unwrap();
                }
                note.read();
            },
        );
    }
}

#[test]
fn a_receive_begins_before_the_end_of_a_permit_that_needs_its_room() {
    litmus(
        &[Some(0), Some(1)],
        |note, _, receiver| {
            note.write();
            assert_eq!(receiver.recv(), Ok(0));
        },
        |note, sender, _| {
            if sender.capacity() == Some(1) {
                sender.send(0).unwrap();
            }
            let permit = sender.reserve().unwrap();
            note.read();
            permit.send(0).unwrap();
        },
    );
}

#[test]
fn the_use_of_a_permit_happens_before_the_end_of_its_receive() {
    litmus(
        ALL,
        |note, sender, _| {
            let permit = sender.reserve().unwrap();
            note.write();
            permit.send(1).unwrap();
        },
        |note, _, receiver| {
            assert_eq!(receiver.recv(), Ok(1));
            note.read();
        },
    );
}

#[test]
fn room_is_given_back_before_it_is_used() {
    loom::model(|| {
        let note = Note::new();
        let (sender, receiver) = bounded::<u32>(1);
        let permit = sender.reserve().unwrap();
        let next = thread::spawn({
            let (note, sender) = (note.clone(), sender.clone());
            move || {
                sender.send(1).unwrap();
                note.read();
            }
        });
        note.write();
        drop(permit);
        next.join().unwrap();
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn a_selects_send_happens_before_the_end_of_its_receive_by_a_select() {
    litmus(
        &[Some(0), Some(1)],
        |note, sender, _| {
            let (_idle, nothing) = bounded::<u32>(0);
            note.write();
            select! {
                send(sender, 1) -> sent => sent.unwrap(),
                recv(nothing) -> _ => unreachable!(),
            }
        },
        |note, _, receiver| {
            let (_idle, nothing) = bounded::<u32>(0);
            select! {
                recv(nothing) -> _ => unreachable!(),
                recv(receiver) -> value => assert_eq!(value, Ok(1)),
            }
            note.read();
        },
    );
}

#[test]
fn a_selects_receive_begins_before_the_end_of_the_send_that_needs_its_room() {
    litmus(
        &[Some(0), Some(1)],
        |note, _, receiver| {
            let (_idle, nothing) = bounded::<u32>(0);
            note.write();
            select! {
                recv(nothing) -> _ => unreachable!(),
                recv(receiver) -> value => assert_eq!(value, Ok(0)),
            }
        },
        |note, sender, _| {
            let (_idle, nothing) = bounded::<u32>(0);
            if sender.capacity() == Some(1) {
                sender.send(0).unwrap();
            }
            select! {
                send(sender, 0) -> sent => sent.unwrap(),
                recv(nothing) -> _ => unreachable!(),
            }
            note.read();
        },
    );
}

#[test]
fn what_makes_a_case_ready_happens_before_that_is_told() {
    litmus(
        &[Some(1), None],
        |note, sender, _| {
            note.write();
            sender.send(1).unwrap();
        },
        |note, _, receiver| {
            let mut select = Select::new();
            select.recv(receiver);
            select.ready();
            note.read();
        },
    );
}

#[test]
fn a_close_happens_before_whatever_tells_of_it() {
    let writes = |note: &Note, sender: &Sender<u32>, _: &Receiver<u32>| {
        note.write();
        assert!(sender.close());
    };
    litmus(ALL, writes, |note, _, receiver| {
        assert_eq!(receiver.recv(), Err(RecvError));
        note.read();
    });
    litmus(ALL, writes, |note, _, receiver| {
        if receiver.recv_timeout(LONG) == Err(RecvTimeoutError::Disconnected) {
            note.read();
        }
    });
    litmus(&[Some(0)], writes, |note, sender, _| {
        assert_eq!(sender.send(1), Err(SendError(1)));
        note.read();
    });
    litmus(ALL, writes, |note, sender, _| {
        if sender.is_closed() {
            note.read();
        }
    });
    litmus(&[Some(0)], writes, |note, _, receiver| {
        let (_idle, nothing) = bounded::<u32>(0);
        select! {
            recv(nothing) -> _ => unreachable!(),
            recv(receiver) -> value => assert_eq!(value, Err(RecvError)),
        }
        note.read();
    });
}

#[test]
fn the_last_handles_drop_happens_before_whatever_tells_of_it() {
    for capacity in [Some(0), Some(1), None] {
        loom::model(move || {
            let note = Note::new();
            let (sender, receiver) = capacity.map_or_else(unbounded::<u32>, bounded);
            // Each of them may be the last.
            let dropper = thread::spawn({
                let (note, sender) = (note.clone(), sender.clone());
                move || {
                    note.write();
                    drop(sender);
                }
            });
            drop(sender);
            assert_eq!(receiver.recv(), Err(RecvError));
            note.read();
            dropper.join().unwrap();
        });
    }
    loom::model(|| {
        let note = Note::new();
        let (sender, receiver) = bounded::<u32>(0);
        let dropper = thread::spawn({
            let note = note.clone();
            move || {
                note.write();
                drop(receiver);
            }
        });
        assert_eq!(sender.send(1), Err(SendError(1)));
        note.read();
        dropper.join().unwrap();
    });
}

#[test]
fn a_contexts_cancel_happens_before_whatever_tells_of_it() {
    for asks in [false, true] {
        loom::model(move || {
            let note = Note::new();
            let (parent, guard) = context::background().with_cancel();
            let (child, _child_guard) = parent.with_cancel();
            let canceller = thread::spawn({
                let note = note.clone();
                move || {
                    note.write();
                    guard.cancel();
                }
            });
            if asks {
                if child.err().is_some() {
                    note.read();
                }
            } else {
                assert_eq!(child.done().recv().map(drop), Err(RecvError));
                note.read();
            }
            canceller.join().unwrap();
        });
    }
}
