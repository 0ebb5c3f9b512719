//! What the compiler refuses, as tests: each program stands beside one that differs
//! in the point alone and compiles, so that it is refused for that point.

/// A child may borrow from outside of its scope, and not from inside.
///
/// ```
/// let word = String::from("lent");
/// gorge_runtime::scope(|s| {
///     s.spawn(|| word.len());
/// });
/// ```
///
/// ```compile_fail,E0373
/// gorge_runtime::scope(|s| {
///     let word = String::from("lent");
///     s.spawn(|| word.len());
/// });
/// ```
///
/// ```compile_fail,E0597
/// gorge_runtime::scope(|s| {
///     let word = String::from("lent");
///     let word = &word;
///     s.spawn(move || word.len());
/// });
/// ```
///
/// What it borrows stays borrowed until the scope ends.
///
/// ```
/// let mut word = String::from("lent");
/// gorge_runtime::scope(|s| {
///     s.spawn(|| word.len());
/// });
/// word.clear();
/// ```
///
/// ```compile_fail,E0502
/// let mut word = String::from("lent");
/// gorge_runtime::scope(|s| {
///     let handle = s.spawn(|| word.len());
///     handle.join().unwrap();
///     word.clear();
/// });
/// ```
mod a_child_may_not_outlive_what_it_borrows {}

/// ```
/// let mut number = 0;
/// gorge_runtime::scope(|s| {
///     s.spawn(|| number += 1);
/// });
/// ```
///
/// ```compile_fail,E0499
/// let mut number = 0;
/// gorge_runtime::scope(|s| {
///     s.spawn(|| number += 1);
///     s.spawn(|| number += 1);
/// });
/// ```
mod two_children_may_not_borrow_one_thing_mutably {}

/// ```
/// let value = gorge_runtime::scope(|s| s.spawn(|| 7).join().unwrap());
/// # assert_eq!(value, 7);
/// ```
///
/// ```compile_fail
/// let handle = gorge_runtime::scope(|s| s.spawn(|| 7));
/// ```
///
/// ```compile_fail,E0521
/// let mut kept = None;
/// gorge_runtime::scope(|s| kept = Some(s.spawn(|| 7)));
/// ```
///
/// ```compile_fail,E0521
/// let mut kept = None;
/// gorge_runtime::scope(|s| kept = Some(s));
/// ```
mod a_handle_may_not_leave_its_scope {}

/// ```
/// let word = String::from("owned");
/// gorge_runtime::go(move || word.len());
/// ```
///
/// ```compile_fail,E0373
/// let word = String::from("owned");
/// gorge_runtime::go(|| word.len());
/// ```
///
/// ```compile_fail,E0597
/// let word = String::from("owned");
/// let word = &word;
/// gorge_runtime::go(move || word.len());
/// ```
///
/// A result must live as long, too.
///
/// ```compile_fail,E0597
/// fn longest(words: &'static [String]) -> &'static str {
///     &words[0]
/// }
/// let words = vec![String::from("owned")];
/// gorge_runtime::go(|| longest(&words));
/// ```
mod a_goroutine_that_nobody_waits_for_may_not_borrow {}

/// ```
/// let word = std::sync::Arc::new("shared");
/// gorge_runtime::go(move || word.len());
/// ```
///
/// ```compile_fail,E0277
/// let word = std::rc::Rc::new("not for others");
/// gorge_runtime::go(move || word.len());
/// ```
///
/// ```compile_fail,E0277
/// let word = std::rc::Rc::new("not for others");
/// gorge_runtime::scope(|s| {
///     s.spawn(|| word.len());
/// });
/// ```
///
/// ```compile_fail,E0277
/// let cell = std::cell::Cell::new(1);
/// gorge_runtime::run(|| cell.set(2));
/// ```
///
/// ```compile_fail,E0277
/// let word = std::rc::Rc::new("not for others");
/// gorge_runtime::blocking(|| word.len());
/// ```
mod captures_must_be_send {}

/// ```
/// gorge_runtime::go(|| std::sync::Arc::new(7));
/// ```
///
/// ```compile_fail,E0277
/// gorge_runtime::go(|| std::rc::Rc::new(7));
/// ```
///
/// ```compile_fail,E0277
/// gorge_runtime::scope(|s| {
///     s.spawn(|| std::rc::Rc::new(7));
/// });
/// ```
mod results_must_be_send {}

/// ```
/// let word = String::from("lent");
/// let lent = &word;
/// assert_eq!(gorge_runtime::run(move || lent), "lent");
/// ```
///
/// ```compile_fail,E0515
/// let word = gorge_runtime::run(|| {
///     let word = String::from("lent");
///     word.as_str()
/// });
/// ```
///
/// ```compile_fail,E0597
/// let length = {
///     let word = String::from("lent");
///     gorge_runtime::blocking(|| &word)
/// };
/// assert_eq!(length, "lent");
/// ```
mod a_result_may_not_outlive_what_it_borrows {}
