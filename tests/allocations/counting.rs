//! An allocator that counts for the threads that ask for it, and remembers where the calls came from.

// `GlobalAlloc` is an unsafe trait; every call is handed on to the system's allocator as it came.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

/// Traces that are kept: taking one is slow, and the first few say enough.
const TRACES: u64 = 3;
/// Places of a trace that are shown.
const PLACES: usize = 4;

thread_local! {
    /// Without a destructor and without lazy initialisation, or it would allocate while the allocator looks at it.
    static COUNTER: Cell<Option<&'static Counter>> = const { Cell::new(None) };
}

/// How often the threads that were given to it took memory or gave it back while it was on.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    on: AtomicBool,
    calls: AtomicU64,
    traces: Mutex<Vec<String>>,
}

impl Counter {
    /// Counts for this thread from now on.
    pub(crate) fn watch_this_thread(&'static self) {
        COUNTER.set(Some(self));
    }

    /// The calls during `work`, and where the first of them came from.
    pub(crate) fn during(&self, work: impl FnOnce()) -> (u64, String) {
        self.calls.store(0, SeqCst);
        self.traces.lock().unwrap().clear();
        self.on.store(true, SeqCst);
        work();
        self.on.store(false, SeqCst);
        (self.calls.load(SeqCst), self.traces.lock().unwrap().join("\n"))
    }

    fn note(&'static self, call: &str) {
        if !self.on.load(SeqCst) || self.calls.fetch_add(1, SeqCst) >= TRACES {
            return;
        }
        // What is remembered is memory taken too.
        COUNTER.set(None);
        self.traces.lock().unwrap().push(format!("  {call}\n{}", own_frames(&Backtrace::force_capture())));
        COUNTER.set(Some(self));
    }
}

/// The innermost places of a trace that are this program's.
fn own_frames(trace: &Backtrace) -> String {
    let trace = trace.to_string();
    let places = trace.lines().filter_map(|line| line.trim().strip_prefix("at ./src/")).take(PLACES);
    places.map(|place| format!("    src/{place}")).collect::<Vec<_>>().join("\n")
}

fn note(call: &str) {
    if let Some(counter) = COUNTER.try_with(Cell::get).ok().flatten() {
        counter.note(call);
    }
}

/// The system's allocator, counted.
pub(crate) struct Counting;

// SAFETY: every method calls the system's of the same name with its own arguments, and returns what that returns.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note("alloc");
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note("alloc_zeroed");
        // SAFETY: as the caller promised.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, octets: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note("realloc");
        // SAFETY: as the caller promised.
        unsafe { System.realloc(octets, layout, size) }
    }

    unsafe fn dealloc(&self, octets: *mut u8, layout: Layout) {
        note("dealloc");
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(octets, layout) }
    }
}
